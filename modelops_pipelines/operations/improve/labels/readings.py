"""One reading of a label source: its rows in parts, what could not be read, and where the next reading goes on."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from math import isfinite
from typing import Any, Protocol

import pyarrow as pa

from modelops_pipelines.core.errors import InputError

Values = Mapping[str, Any]
AHEAD = timedelta(days=1)
"""How far a cursor's day may be ahead of the clock's."""
_LIKE_A_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True)
class Part:
    """Rows of a source that were read together: where they are, and each one's number from 1, with its values.

    Instead of values a row may have the reason why it could not be read.
    """

    place: str
    rows: list[tuple[int, Values | str]]


class Reading(Protocol):
    """A reading of a source. ``position`` and ``faults`` are complete once all parts were taken."""

    position: dict[str, Any]
    faults: list[str]

    def parts(self) -> Iterator[Part]:
        """Yield the rows that were added since the last reading, perhaps with some that were read before."""


def rows_of(batch: pa.RecordBatch) -> list[Values | str]:
    """Return a batch's rows; instead of one that Python cannot hold, such as a time after the year 9999, a reason."""
    try:
        return list(batch.to_pylist())
    except (ValueError, OverflowError, pa.ArrowException):
        return [_one(batch.slice(number, 1)) for number in range(batch.num_rows)]


def _one(row: pa.RecordBatch) -> Values | str:
    values = {}
    for name in row.schema.names:
        try:
            values[name] = row.column(name)[0].as_py()
        except (ValueError, OverflowError, pa.ArrowException) as error:
            return f"{name} cannot be read ({type(error).__name__})"
    return values


@dataclass
class Cursor:
    """The largest value of a column so far, and how it is kept: times, dates, whole numbers, numbers, texts.

    A time that is more than AHEAD after ``now``, such as 9999-12-31, and a number that is not finite stand for
    something else: they are counted, and are not where the next reading goes on.
    """

    column: str
    now: datetime
    overlap: timedelta | None = None
    largest: Any = field(default=None)
    passed_over: int = 0

    def since(self, kept: Mapping[str, Any] | None) -> Any:
        """Return the value from which rows are read again; None to read all of them."""
        if not kept or not _grows(_restored(kept), self.now):
            return None
        self.largest = _restored(kept)
        return self.largest if not self.overlap else _before(self.largest, self.overlap, self.column)

    def look_at(self, values: Values) -> None:
        """Take a row's value into account; raises InputError for one that cannot be compared with those before."""
        value = values.get(self.column)
        if value is None:
            return
        if not _grows(value, self.now):
            self.passed_over += 1
            return
        try:
            self.largest = value if self.largest is None else max(self.largest, value)
        except TypeError as error:
            raise InputError(
                f"The cursor {self.column!r} has values of several types", "Give a column of one type that grows"
            ) from error

    def faults(self) -> list[str]:
        """Return what is wrong with the values, in words without any of them."""
        if not self.passed_over:
            return []
        beyond = f"the cursor {self.column!r} is later than tomorrow, or not a finite number"
        after = "they are read each time, and the next reading goes on from the largest of the others"
        return [f"{beyond}, in {self.passed_over} row(s): {after}"]

    def kept(self) -> dict[str, Any] | None:
        """Return the largest value as JSON can keep it."""
        value = self.largest
        if value is None:
            return None
        for name, kind in (("datetime", datetime), ("date", date)):
            if isinstance(value, kind):
                return {"type": name, "value": value.isoformat()}
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise InputError(
                f"The cursor {self.column!r} is neither a time, a number nor a text", "Give another column, or cast it"
            )
        return {"type": type(value).__name__, "value": value}


def _grows(value: Any, now: datetime) -> bool:
    """Return whether a value can be one that a growing column has reached."""
    if isinstance(value, float | Decimal):
        return isfinite(value)
    if isinstance(value, str) and _LIKE_A_DATE.match(value):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return True
    if not isinstance(value, date):
        return True
    day = value.date() if isinstance(value, datetime) else value
    return day <= (now + AHEAD).date()


def _restored(kept: Mapping[str, Any]) -> Any:
    read = {"datetime": datetime.fromisoformat, "date": date.fromisoformat}.get(kept["type"])
    return read(kept["value"]) if read else kept["value"]


def _before(value: Any, overlap: timedelta, column: str) -> Any:
    """Return a time earlier by the overlap, in the form in which it is compared."""
    if isinstance(value, datetime | date):
        return value - (overlap if isinstance(value, datetime) else timedelta(days=max(1, overlap.days)))
    try:
        earlier = datetime.fromisoformat(str(value)) - overlap
    except (ValueError, OverflowError):
        raise InputError(f"The cursor {column!r} is no time, and has an overlap", "Remove 'overlap'") from None
    return (
        earlier.isoformat(sep="T" if "T" in str(value) else " ")
        if len(str(value)) > len("2026-01-31")
        else str(earlier.date())
    )
