"""A column's values as its type wants them; what does not fit is named by feature and row."""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from modelops_pipelines.core.errors import InputError

Columns = dict[str, list[Any]]
_WITHOUT_NULL = frozenset({"int", "bool"})


def typed_columns(columns: Mapping[str, list[Any]], inputs: Mapping[str, str]) -> Columns:
    """Return the inputs' columns with every value of its column's type; others are left out, as MLflow does.

    Raises InputError for a value that is not of the type, and for a null where a whole number or a truth value is due.
    """
    return {name: _typed(name, kind, columns[name]) for name, kind in inputs.items()}


def _typed(name: str, kind: str, values: list[Any]) -> list[Any]:
    if kind == "float" and set(map(type, values)) == {float}:
        return values  # the usual case, at a fifth of the price
    convert = _CONVERTERS[kind]
    try:
        made = [None if value is None else convert(value) for value in values]
    except (TypeError, ValueError, OverflowError):
        raise _misfit(name, kind, values) from None
    if kind in _WITHOUT_NULL and None in made:
        raise InputError(
            f"Feature {name!r} in row {made.index(None)} is null, which its type does not allow",
            "Send a value, or log the model with a float input for a feature that may be missing",
        )
    return made


def _misfit(name: str, kind: str, values: list[Any]) -> InputError:
    index = next(row for row, value in enumerate(values) if not _fits(_CONVERTERS[kind], value))
    shown = repr(values[index])[:60]
    return InputError(f"Feature {name!r} in row {index} is {shown}, no {_NAMES[kind]}", "Send the right type")


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
    if type(value) is int and -(2**63) <= value < 2**63:
        return value
    if type(value) is float and math.isfinite(value) and value.is_integer():
        return int(value)
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
    moment = datetime.fromisoformat(_text(value))
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


_CONVERTERS = {"float": _float, "int": _int, "text": _text, "bool": _bool, "timestamp": _time}
_NAMES = {
    "float": "number",
    "int": "whole number",
    "text": "text",
    "bool": "true or false",
    "timestamp": "time in ISO 8601",
}
