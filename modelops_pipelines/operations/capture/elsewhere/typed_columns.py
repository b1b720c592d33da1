"""Whole columns of a foreign log in the types of ours; what one value does to its reader is that row's fault alone.

A column is an Arrow array, or a list of Python values (of JSON). The fast ways give the same as
``core.capture.elsewhere.values`` gives value by value, and are left where a value does not fit them.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from modelops_pipelines.core.capture.elsewhere.values import (
    BEYOND,
    LARGEST_WHOLE,
    LONGEST_TEXT,
    READERS,
    RefusedValueError,
    kind_of,
    micros_of,
    text_of,
)
from modelops_pipelines.store.lake.arrow_schemas import ARROW

Column: TypeAlias = pa.Array | list[Any]
Faults: TypeAlias = dict[int, str]
_TIMES = pa.timestamp("us", "UTC")
_TICKS = {"s": 1_000_000, "ms": 1000, "us": 1}
_UNREADABLE = object()
FEW = 0.01
"""The largest share of values that are no numbers in a column of numbers."""
LARGEST_DICTIONARY = 100_000
"""Distinct values that are remembered."""


def read_column(
    column: Column, kind: str, *, unit: str = "iso", longest: int = LONGEST_TEXT
) -> tuple[pa.Array, Faults]:
    """Return a column as values of our type, null where there is none or it is refused, and the refusals by place."""
    if isinstance(column, pa.Array):
        try:
            return _fast(_plain(column), kind, unit, longest), {}
        except (pa.ArrowException, _SlowError):
            pass
    reader: Callable[[Any], Any] = READERS[kind]
    if kind == "timestamp":
        return read_values(column, lambda value: micros_of(value, unit), _TIMES)
    if kind == "text":
        return read_values(column, lambda value: text_of(value, longest), pa.string())
    return read_values(column, reader, ARROW[kind])  # type: ignore[index]


def read_values(column: Column, reader: Callable[[Any], Any], kind: pa.DataType) -> tuple[pa.Array, Faults]:
    """Return a column read value by value, and the refusals by place."""
    values: list[Any] = []
    faults: Faults = {}
    for place, value in enumerate(python_values(column)):
        try:
            values.append(None if value is None else reader(_known(value)))
        except RefusedValueError as error:
            faults[place] = str(error)
            values.append(None)
    return pa.array(values, kind), faults


def read_distinct(column: Column, reader: Callable[[Any], Any], kind: pa.DataType) -> tuple[pa.Array, Faults]:
    """Return a column of few distinct values, each read once, null where it is refused; and the refusals by place."""
    if isinstance(column, pa.Array):
        try:
            encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        except pa.ArrowNotImplementedError:
            return read_values(column, reader, kind)
        values, wrong = read_values(encoded.dictionary, reader, kind)
        places = encoded.indices.to_pylist() if wrong else []
        return values.take(encoded.indices), {at: wrong[place] for at, place in enumerate(places) if place in wrong}
    return read_values(column, _remembering(reader), kind)


def python_values(column: Column) -> list[Any]:
    """Return a column's values; one that Python cannot hold, such as a time after the year 9999, is refused later."""
    if isinstance(column, list):
        return column
    try:
        return list(column.to_pylist())
    except (ValueError, OverflowError, pa.ArrowException):
        return [_one(column, place) for place in range(len(column))]


def guess_kind(column: Column) -> str | None:
    """Return the type of a feature by its values: numbers are floats; None while there is no value.

    A text of a typed column stays a text; of CSV, a column of numbers is one of floats, and so is one with a few values
    that are none: those are refused.
    """
    if isinstance(column, list):
        return _kind_of_values(column)
    if column.null_count == len(column):
        return None
    kind = column.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_binary(kind):
        faults = read_column(column, "float")[1]
        return "float" if len(faults) <= FEW * (len(column) - column.null_count) else "text"
    for is_it, name in _KINDS:
        if is_it(kind):
            return name
    return "text"


def is_plain(kind: pa.DataType) -> bool:
    """Return whether a column of this type can be a feature: not a list, an object or a length of time."""
    if pa.types.is_dictionary(kind):
        return is_plain(kind.value_type)
    texts = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind)
    return texts or any(is_it(kind) for is_it, _ in _KINDS)


class _SlowError(Exception):
    """The fast way does not take this column."""


def _remembering(reader: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return the reader with a memory for plain values: of JSON, true and 1 are two."""
    known = lru_cache(LARGEST_DICTIONARY, typed=True)(reader)
    return lambda value: known(value) if isinstance(value, str | int | float) else reader(value)


def _kind_of_values(values: list[Any]) -> str | None:
    for value in values:
        if value is not None:
            try:
                return kind_of(value)
            except RefusedValueError:
                continue
    return None


def _plain(column: pa.Array) -> pa.Array:
    """Return a column without dictionaries, of text where it was bytes; raises ArrowInvalid for what is not UTF-8."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_binary(column.type) or pa.types.is_large_string(column.type):
        column = column.cast(pa.string())
        column.validate(full=True)
    return column


def _fast(column: pa.Array, kind: str, unit: str, longest: int) -> pa.Array:
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), ARROW[kind])  # type: ignore[index]
    found = _FAST[kind](column, unit, longest)
    if kind == "timestamp":
        ends = pc.min_max(found.cast(pa.int64())).as_py()
        if ends["min"] is not None and not 0 <= ends["min"] <= ends["max"] < BEYOND:
            raise _SlowError
    return found


def _text(column: pa.Array, _unit: str, longest: int) -> pa.Array:
    if pa.types.is_integer(column.type):
        return column.cast(pa.string())
    if not pa.types.is_string(column.type):
        raise _SlowError
    if (pc.max(pc.utf8_length(column)).as_py() or 0) > longest or pc.any(pc.match_substring(column, "\0")).as_py():
        raise _SlowError
    return column


def _float(column: pa.Array, _unit: str, _longest: int) -> pa.Array:
    if pa.types.is_boolean(column.type) or pa.types.is_temporal(column.type):
        raise _SlowError
    if pa.types.is_integer(column.type):
        ends = pc.min_max(column).as_py()
        if ends["max"] is not None and not -LARGEST_WHOLE <= ends["min"] <= ends["max"] <= LARGEST_WHOLE:
            raise _SlowError
    numbers = column.cast(pa.float64())
    return pc.if_else(pc.is_nan(numbers), None, numbers)


def _int(column: pa.Array, _unit: str, _longest: int) -> pa.Array:
    if not pa.types.is_integer(column.type):
        raise _SlowError
    return column.cast(pa.int64())


def _bool(column: pa.Array, _unit: str, _longest: int) -> pa.Array:
    if not pa.types.is_boolean(column.type):
        raise _SlowError
    return column


def _timestamp(column: pa.Array, unit: str, _longest: int) -> pa.Array:
    if pa.types.is_date(column.type):
        return column.cast(pa.timestamp("us")).cast(pa.int64()).cast(_TIMES)
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.timestamp("us", column.type.tz), safe=False).cast(pa.int64()).cast(_TIMES)
    if unit in _TICKS:
        return _of_numbers(column, _TICKS[unit])
    if not pa.types.is_string(column.type):
        raise _SlowError
    try:
        column.drop_null().slice(0, 1).cast(_TIMES)  # a cast of them all fails at each of them: most of the time
    except pa.ArrowInvalid:
        return column.cast(pa.timestamp("us")).cast(pa.int64()).cast(_TIMES)
    return column.cast(_TIMES)


def _of_numbers(column: pa.Array, ticks: int) -> pa.Array:
    if pa.types.is_string(column.type):
        if not pc.all(pc.match_substring_regex(column, r"^-?[0-9]{1,18}$")).as_py():
            raise _SlowError
    elif not pa.types.is_integer(column.type):
        raise _SlowError
    return pc.multiply_checked(column.cast(pa.int64()), ticks).cast(_TIMES)


_KINDS: tuple[tuple[Callable[[pa.DataType], bool], str], ...] = (
    (pa.types.is_boolean, "bool"),
    (pa.types.is_integer, "float"),
    (pa.types.is_floating, "float"),
    (pa.types.is_decimal, "float"),
    (pa.types.is_timestamp, "timestamp"),
    (pa.types.is_date, "timestamp"),
)
_FAST: Mapping[str, Callable[[pa.Array, str, int], pa.Array]] = {
    "text": _text,
    "float": _float,
    "int": _int,
    "bool": _bool,
    "timestamp": _timestamp,
}


def _known(value: Any) -> Any:
    """Return the value, bytes as the text that they are; raises RefusedValueError for what is none."""
    if value is _UNREADABLE:
        raise RefusedValueError("cannot be read")
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise RefusedValueError("is not UTF-8 text") from None
    return value


def _one(column: pa.Array, place: int) -> Any:
    try:
        return column[place].as_py()
    except (ValueError, OverflowError, pa.ArrowException):
        return _UNREADABLE
