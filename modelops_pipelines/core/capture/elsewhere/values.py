"""Single values of a foreign log in the form in which ours keeps them; a value that has none is refused in words.

Whole columns take a faster way (``operations.capture.elsewhere.typed_columns``) to the same result.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import isfinite, isnan
from typing import Any

from modelops_pipelines.core.tables.feature_columns import is_named_like
from modelops_pipelines.core.timestamps import LATEST, to_micros

LONGEST_ID, LONGEST_TEXT, LONGEST_VERSION = 200, 65_536, 100
AHEAD = timedelta(minutes=5)
"""How far a prediction's time may be ahead of this machine's clock."""
LARGEST_WHOLE = 2**53
"""The largest number up to which every whole number is a float."""
BEYOND = to_micros(LATEST)
"""The first microsecond that is too late for our calendar."""
_TICKS = {"s": 1_000_000, "ms": 1000, "us": 1}
_TRUE, _FALSE = frozenset({"true", "True", "TRUE"}), frozenset({"false", "False", "FALSE"})
_LARGEST_INT = 2**63


class RefusedValueError(ValueError):
    """Why a value cannot be kept, in words without the value."""


def text_of(value: Any, longest: int = LONGEST_TEXT) -> str:
    """Return a text, or another plain value as text: what JSON writes for true, and no point for a whole number."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < LARGEST_WHOLE:
        value = int(value)
    if not isinstance(value, str | int | float | Decimal | date):
        raise RefusedValueError("is not a plain value")
    text = str(value)
    if len(text) > longest:
        raise RefusedValueError(f"is longer than {longest:,} characters")
    if "\0" in text or (not text.isprintable() and any("\ud800" <= letter <= "\udfff" for letter in text)):
        raise RefusedValueError("is no text that can be kept")
    return text


def feature_fault(name: str, label: str) -> str | None:
    """Return what is wrong with a feature's name, as the end of a sentence; None where the log can have it."""
    if is_named_like(name, label):
        return "is that of the label" if name == label else f"is that of the label, {label!r}, but for capitals"
    try:
        text_of(name, LONGEST_ID)
    except RefusedValueError as error:
        return str(error)
    return None if name.strip() else "is empty"


def float_of(value: Any) -> float | None:
    """Return a number; NaN is a missing one."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise RefusedValueError("is not a number")
    try:
        number = float(_written(value))
    except (ValueError, OverflowError):
        raise RefusedValueError("is not a number") from None
    if isinstance(value, int) and abs(value) > LARGEST_WHOLE:
        raise RefusedValueError("is a whole number past 2^53: give its type, int or text")
    return None if isnan(number) else number


def _written(value: str | float | Decimal) -> str | float | Decimal:
    """Return a number as it was written; raises ValueError for underscores, which only Python reads in numbers."""
    if isinstance(value, str) and "_" in value:
        raise ValueError
    return value


def finite_of(value: Any) -> float | None:
    """Return a finite number."""
    number = float_of(value)
    if number is not None and not isfinite(number):
        raise RefusedValueError("is not finite")
    return number


def int_of(value: Any) -> int:
    """Return a whole number."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise RefusedValueError("is not a whole number")
    try:
        number = int(_written(value))
        if not isinstance(value, str) and number != value:
            raise RefusedValueError("is not a whole number")
    except (ValueError, OverflowError):
        raise RefusedValueError("is not a whole number") from None
    if not -_LARGEST_INT <= number < _LARGEST_INT:
        raise RefusedValueError("does not fit into 64 bits")
    return number


def bool_of(value: Any) -> bool:
    """Return true or false."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value in _TRUE | _FALSE:
        return value in _TRUE
    raise RefusedValueError("is not true or false")


def micros_of(value: Any, unit: str = "iso") -> int:
    """Return a time as microseconds since 1970 in UTC: ISO 8601, UTC without an offset, or a number in the unit."""
    micros = _micros(value, unit)
    if not 0 <= micros < BEYOND:
        raise RefusedValueError("is before 1970" if micros < 0 else f"is after {LATEST.year - 1}")
    return micros


def _micros(value: Any, unit: str) -> int:
    if isinstance(value, datetime):
        return to_micros(value if value.tzinfo else value.replace(tzinfo=UTC))
    if isinstance(value, date):
        return to_micros(datetime(value.year, value.month, value.day, tzinfo=UTC))
    if unit in _TICKS:
        if isinstance(value, int) and not isinstance(value, bool):
            return value * _TICKS[unit]
        number = finite_of(value)
        if number is None:
            raise RefusedValueError("is not a time")
        return round(max(-1.0, min(number, float(BEYOND))) * _TICKS[unit])
    if not isinstance(value, str):
        raise RefusedValueError("is not a time")
    try:
        moment = datetime.fromisoformat(value.strip())
        return to_micros(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise RefusedValueError("is not a time") from None


def time_fault(micros: int, now: datetime) -> str | None:
    """Return why nothing can have happened at that time; None where it can."""
    return "is in the future" if micros > to_micros(now + AHEAD) else None


READERS: Mapping[str, Callable[[Any], Any]] = {
    "text": text_of,
    "int": int_of,
    "float": float_of,
    "bool": bool_of,
    "timestamp": micros_of,
}
"""What reads a value of a feature, by the feature's type; a time as microseconds."""


def kind_of(value: Any) -> str:
    """Return the type of a feature with this first value; raises RefusedValueError for one that is not plain."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float | Decimal):
        return "float"
    if isinstance(value, date):
        return "timestamp"
    if isinstance(value, str):
        return "text"
    raise RefusedValueError("is a list or an object, which is no feature")
