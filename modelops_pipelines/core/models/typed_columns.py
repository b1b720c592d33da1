"""Converts columns to the types of the model's signature; errors name the feature and the row."""

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from modelops_pipelines.core.errors import InputError
from modelops_pipelines.core.ids import MAX_ROWS

Columns = dict[str, list[Any]]
_WITHOUT_NULL = frozenset({"int", "bool", "json"})
_NOTHING: frozenset[str] = frozenset()
FIRST_YEAR, LAST_YEAR = 1678, 2261


def typed_columns(
    columns: Mapping[str, list[Any]], inputs: Mapping[str, str], optional: Collection[str] = _NOTHING
) -> Columns:
    """Return the inputs' columns with every value in its column's type; other columns are dropped, as MLflow does.

    A column that is ``optional`` may be absent; one of integers without any value is absent, because no DataFrame's
    column of integers holds nulls. Values of other types than a column's plain ones are JSON text.

    Raises InputError for a value of another type, for a null in a column of integers, booleans or JSON that is not
    optional, and for nulls beside integers.
    """
    if not optional:
        return {name: _typed(name, kind, columns[name]) for name, kind in inputs.items()}
    return {
        name: _optional(name, kind, columns[name]) if name in optional else _typed(name, kind, columns[name])
        for name, kind in inputs.items()
        if name not in optional or (name in columns and not _is_empty(kind, columns[name]))
    }


def check_rows(rows: int) -> None:
    """Raise InputError unless there are 1 to MAX_ROWS rows."""
    if not 0 < rows <= MAX_ROWS:
        raise InputError(f"The body has {rows} rows", f"Send 1 to {MAX_ROWS} rows per request")


def _is_empty(kind: str, values: list[Any]) -> bool:
    return kind == "int" and all(value is None for value in values)


def _optional(name: str, kind: str, values: list[Any]) -> list[Any]:
    converted = _converted(name, kind, values)
    if kind == "int" and None in converted:
        raise InputError(
            f"Feature {name!r} in row {converted.index(None)} is null beside integers in other rows, which MLflow "
            "cannot hold in one column",
            "Send these rows in a request of their own, or log the model with a float input",
        )
    return converted


def _converted(name: str, kind: str, values: list[Any]) -> list[Any]:
    convert = _CONVERTERS[kind]
    try:
        return [None if value is None else convert(value) for value in values]
    except (TypeError, ValueError, OverflowError):
        raise _type_error(name, kind, values) from None


def _typed(name: str, kind: str, values: list[Any]) -> list[Any]:
    if kind == "float" and set(map(type, values)) == {float}:
        return values  # the usual case, five times as fast as converting
    converted = _converted(name, kind, values)
    if kind in _WITHOUT_NULL and None in converted:
        raise InputError(
            f"Feature {name!r} in row {converted.index(None)} is null, which its type does not allow",
            "Send a value, or log the model with a float or an optional input for a feature that may be missing",
        )
    return converted


def _type_error(name: str, kind: str, values: list[Any]) -> InputError:
    index = next(row for row, value in enumerate(values) if not _fits(_CONVERTERS[kind], value))
    given = repr(values[index])[:60]
    return InputError(
        f"Feature {name!r} in row {index} is {given}, not {_NAMES[kind]}", "Send the type of the model's signature"
    )


def _fits(convert: Callable[[Any], Any], value: Any) -> bool:
    try:
        return value is None or convert(value) is not None
    except (TypeError, ValueError, OverflowError):
        return False


def _float(value: Any) -> float:
    if type(value) is float or type(value) is int:
        return float(value)
    raise TypeError


def _int(value: Any) -> int:
    number = int(value) if type(value) is float and value.is_integer() else value
    if type(number) is int and -(2**63) <= number < 2**63:
        return number
    raise TypeError


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise TypeError


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise TypeError


def _time(value: Any) -> datetime:
    """Return the time in UTC; raises ValueError outside the years 1678 to 2261, the range of pandas."""
    given = datetime.fromisoformat(_text(value))
    moment = given.astimezone(UTC) if given.tzinfo else given.replace(tzinfo=UTC)
    if FIRST_YEAR <= moment.year <= LAST_YEAR:
        return moment
    raise ValueError


def _json(value: Any) -> str:
    """Return the value as JSON text; raises TypeError for what JSON cannot hold."""
    return orjson.dumps(value).decode()


_CONVERTERS = {"float": _float, "int": _int, "text": _text, "bool": _bool, "timestamp": _time, "json": _json}
_NAMES = {
    "float": "a number",
    "int": "an integer",
    "text": "text",
    "bool": "true or false",
    "timestamp": f"a time in ISO 8601 from {FIRST_YEAR} to {LAST_YEAR}",
    "json": "a JSON value",
}
