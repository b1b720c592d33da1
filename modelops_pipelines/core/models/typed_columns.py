"""Converts columns to the types of the model's signature; errors name the feature and the row."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from modelops_pipelines.core.errors import InputError
from modelops_pipelines.core.ids import MAX_ROWS

Columns = dict[str, list[Any]]
_WITHOUT_NULL = frozenset({"int", "bool"})
FIRST_YEAR, LAST_YEAR = 1678, 2261


def typed_columns(columns: Mapping[str, list[Any]], inputs: Mapping[str, str]) -> Columns:
    """Return the inputs' columns with every value in its column's type; other columns are dropped, as MLflow does.

    Raises InputError for a value of another type, and for a null in a column of integers or booleans.
    """
    return {name: _typed(name, kind, columns[name]) for name, kind in inputs.items()}


def check_rows(rows: int) -> None:
    """Raise InputError unless there are 1 to MAX_ROWS rows."""
    if not 0 < rows <= MAX_ROWS:
        raise InputError(f"The body has {rows} rows", f"Send 1 to {MAX_ROWS} rows per request")


def _typed(name: str, kind: str, values: list[Any]) -> list[Any]:
    if kind == "float" and set(map(type, values)) == {float}:
        return values  # the usual case, five times as fast as converting
    convert = _CONVERTERS[kind]
    try:
        converted = [None if value is None else convert(value) for value in values]
    except (TypeError, ValueError, OverflowError):
        raise _type_error(name, kind, values) from None
    if kind in _WITHOUT_NULL and None in converted:
        raise InputError(
            f"Feature {name!r} in row {converted.index(None)} is null, which its type does not allow",
            "Send a value, or log the model with a float input for a feature that may be missing",
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


_CONVERTERS = {"float": _float, "int": _int, "text": _text, "bool": _bool, "timestamp": _time}
_NAMES = {
    "float": "a number",
    "int": "an integer",
    "text": "text",
    "bool": "true or false",
    "timestamp": f"a time in ISO 8601 from {FIRST_YEAR} to {LAST_YEAR}",
}
