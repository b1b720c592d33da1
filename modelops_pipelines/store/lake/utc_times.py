"""The one rule for times, from a file or the log to a model.

A time without a zone is UTC; a date is its midnight in UTC. Times are stored as microseconds in UTC, and finer parts
are cut. A model gets them without a zone and in nanoseconds (``datetime64[ns]``, in UTC), in training as in serving,
whatever zone or unit the file had; requests, examples and probes are read by the same rule in
``core.models.typed_columns``.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from modelops_pipelines.core.errors import InputError
from modelops_pipelines.core.models.typed_columns import FIRST_YEAR, LAST_YEAR
from modelops_pipelines.store.lake.arrow_schemas import ARROW

if TYPE_CHECKING:
    import pandas as pd

STORED: pa.DataType = ARROW["timestamp"]
_GIVEN, _FINEST = pa.timestamp("us"), pa.timestamp("ns")
_FIRST, _END = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC), datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC)


def is_time(kind: pa.DataType) -> bool:
    """Return whether a column of a file holds times."""
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def as_stored(rows: pa.Table) -> pa.Table:
    """Return the rows with every column of times as it is stored; raises InputError for a time out of range."""
    for index, field in enumerate(rows.schema):
        if is_time(field.type):
            rows = rows.set_column(index, field.name, stored_times(field.name, rows.column(index)))
    return rows


def stored_times(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column of times as microseconds in UTC.

    Raises InputError, which names the column and the row, for a time before 1678 or after 2261.
    """
    if pa.types.is_date(column.type):
        column = column.cast(_GIVEN)
    zone = column.type.tz
    try:
        found = column.cast(pa.timestamp("us", zone), safe=column.type.unit in ("s", "ms")).cast(STORED)
    except pa.ArrowInvalid:  # its text shows the value
        raise _out_of_range(name, None) from None
    outside = pc.or_(pc.less(found, pa.scalar(_FIRST, STORED)), pc.greater_equal(found, pa.scalar(_END, STORED)))
    row = pc.index(outside, value=True).as_py()
    if row >= 0:
        raise _out_of_range(name, row)
    return found


def times_of_texts(name: str, column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return a column of texts in ISO 8601 as times in UTC.

    Raises InputError, which names the column and the row, for a text that is no time.
    """
    import pandas as pd

    found = pd.to_datetime(column, utc=True, format="ISO8601", errors="coerce")
    wrong = (found.isna() & column.notna()).to_numpy()
    if wrong.any():
        raise InputError(
            f"The column {name!r} cannot be read as times: row {int(wrong.argmax())} is none, or is outside of the "
            f"years {FIRST_YEAR} to {LAST_YEAR}",
            "Write times as 2026-03-01T12:00:00Z",
        )
    return found


def as_given_to_models(rows: pa.Table) -> pa.Table:
    """Return rows as stored with their times as models get them: nanoseconds in UTC, without a zone."""
    for index, field in enumerate(rows.schema):
        if pa.types.is_timestamp(field.type):
            times = rows.column(index).cast(pa.timestamp("ns", field.type.tz)).cast(_FINEST)
            rows = rows.set_column(index, field.name, times)
    return rows


def _out_of_range(name: str, row: int | None) -> InputError:
    where = "" if row is None else f" in row {row}"
    return InputError(
        f"The column {name!r} has a time{where} outside of the years {FIRST_YEAR} to {LAST_YEAR}",
        "Correct it, or leave it empty",
    )
