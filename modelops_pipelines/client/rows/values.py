"""One value as JSON, so that the gateway reads what the caller has; InputError for what JSON cannot say.

NaN, pandas' NA and NaT are null: a missing value. A time keeps its offset; one without is UTC, as everywhere here.
"""

import math
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from modelops_pipelines.core.errors import InputError

LEAST, MOST = -(2**63), 2**64 - 1
"""The integers that the gateway's parser reads exactly."""
_DEEPEST = 32
_LARGEST = 8
"""Bytes of the largest NumPy number that Python's has exactly."""


def json_value(value: Any, where: str, depth: int = 0) -> Any:
    """Return the value in JSON's types; ``where`` names it in errors."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value, where)
    if isinstance(value, int):
        return _integer(int(value), where)
    if isinstance(value, float):
        return _number(float(value), where)
    if isinstance(value, date):
        return _time(value, where)
    if depth > _DEEPEST:
        raise InputError(f"{where} is nested more than {_DEEPEST} deep", "Send plain values, or flat lists")
    return _nested(value, where, depth)


def _nested(value: Any, where: str, depth: int) -> Any:
    """Return a list, an object, or what NumPy and pandas have for one value."""
    if isinstance(value, Mapping):
        return {_name(name, where): json_value(part, f"{where}.{name}", depth + 1) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(part, f"{where}[{place}]", depth + 1) for place, part in enumerate(value)]
    kind = type(value)
    module = kind.__module__.partition(".")[0]
    if module == "numpy":
        return _of_numpy(value, where, depth)
    if module == "pandas" and kind.__name__ in ("NAType", "NaTType"):
        return None
    raise InputError(f"{where} is a {kind.__name__}, which JSON does not have", "Send text, numbers, times or lists")


def _of_numpy(value: Any, where: str, depth: int) -> Any:
    """Return an array as lists, and a scalar as Python's; a datetime64 of any unit as a time without offset."""
    if getattr(value, "ndim", 0):
        return [json_value(part, f"{where}[{place}]", depth + 1) for place, part in enumerate(value)]
    kind, size = value.dtype.kind, value.dtype.itemsize
    plain = value.item() if kind in "bU" or (kind in "iuf" and size <= _LARGEST) else None
    if kind == "M":
        plain = _moment(value, where)
        if plain is None:
            return None
    if plain is None or (kind == "M" and isinstance(plain, int)):
        raise InputError(f"{where} is {value!r} of NumPy, which JSON does not have", "Convert it to float64 or text")
    return json_value(plain, where, depth + 1)


def _moment(value: Any, where: str) -> Any:
    """Return a datetime64 in Python's type; None for NaT, an integer for one beyond the years of Python."""
    coarse = value.astype("datetime64[us]")
    if coarse.astype(value.dtype) != value and value == value:  # noqa: PLR0124 - NaT is not equal to itself
        raise _too_fine(where)
    return coarse.item()


def _text(value: str, where: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InputError(f"{where} is text with half a character (a lone surrogate)", "Correct the text") from None
    return str(value)


def _integer(value: int, where: str) -> int:
    if LEAST <= value <= MOST:
        return value
    raise InputError(f"{where} is an integer of more than 64 bits", "Send it as text, or as a float")


def _number(value: float, where: str) -> float | None:
    if math.isinf(value):
        raise InputError(f"{where} is infinite, which JSON does not have", "Send a number, or None where it is unknown")
    return None if math.isnan(value) else value


def _time(value: date, where: str) -> str | None:
    if value != value:  # noqa: PLR0124 - NaT, a datetime that is not equal to itself
        return None
    if getattr(value, "nanosecond", 0):
        raise _too_fine(where)
    if isinstance(value, datetime) and value.tzinfo is not None and value.utcoffset() is None:
        raise InputError(f"{where} has a time zone without an offset", "Give it a zone such as UTC")
    return value.isoformat()


def _name(name: Any, where: str) -> str:
    if isinstance(name, str):
        return _text(name, f"A name in {where}")
    raise InputError(f"{where} has the name {name!r}, which is no text", "Name the features by text")


def _too_fine(where: str) -> InputError:
    return InputError(f"{where} has nanoseconds, and the log keeps microseconds", "Round it: series.dt.floor('us')")
