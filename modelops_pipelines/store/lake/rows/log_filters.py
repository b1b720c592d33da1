"""Filters of the log's rows in Arrow, equivalent to the queries of ``sql.py``. Strings are dictionaries."""

from collections.abc import Callable, Iterator
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc


def answered(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Return the answered rows, without test calls and rows without event time."""
    timed = chosen(rows, rows.column("event_time").is_valid())
    succeeded = chosen(timed, pc.fill_null(pc.equal(timed.column("status"), 200), False))
    return _named(succeeded, "source", partial(pc.not_equal, "test"))


def with_features(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Return the rows whose features were kept."""
    truncated = pc.fill_null(rows.column("truncated"), False)
    return chosen(rows, pc.and_not(pc.fill_null(rows.column("sampled"), True), truncated))


def by_version(rows: pa.RecordBatch) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Yield each version that answered, by name, with its rows."""
    column = rows.column("model_version")
    alone = len(column.dictionary) == 1 and column.null_count == 0  # finding distinct ones is slow
    versions = column.dictionary if alone else column.dictionary.take(column.indices.unique().drop_null())
    for version in sorted(set(versions.drop_null().to_pylist())):
        yield version, _named(rows, "model_version", partial(pc.equal, version))


def chosen(rows: pa.RecordBatch, mask: pa.BooleanArray) -> pa.RecordBatch:
    """Return the rows whose mask, which has no null, is true; without a copy when all are."""
    return rows if mask.false_count == 0 else rows.filter(mask)


def _named(rows: pa.RecordBatch, name: str, test: Callable[[pa.StringArray], pa.BooleanArray]) -> pa.RecordBatch:
    """Return the rows whose string passes the test, which runs once per distinct string."""
    column = rows.column(name)
    passed = pc.fill_null(test(column.dictionary), False)
    if passed.false_count == 0 and column.null_count == 0:
        return rows
    return chosen(rows, pc.fill_null(passed.take(column.indices), False))
