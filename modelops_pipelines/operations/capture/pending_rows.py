"""Rows that the gateway of this host has captured and the lake does not hold yet, newest first."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heappush, heapreplace
from pathlib import Path
from typing import cast

from modelops_pipelines.core.capture.log_search import LogQuery
from modelops_pipelines.core.capture.spool_records import PredictionRecord, prediction_columns
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.timestamps import from_micros
from modelops_pipelines.store.lake.rows.recent import Row
from modelops_pipelines.store.spool.tail import newest_records, segments_by_last_write

STREAM = "predictions"
MOST_BYTES = 4 * 1024 * 1024
_LATE = timedelta(seconds=1)
_REPLAY = timedelta(minutes=5)
"""How far a caller's own event time may be ahead of the clock."""


@dataclass(frozen=True)
class PendingRows:
    """The rows found; ``complete`` is False when more than MOST_BYTES are pending: the oldest were not read."""

    rows: list[Row]
    complete: bool


class _Newest:
    """The newest requests read so far, at most ``limit``."""

    def __init__(self, wanted: LogQuery, *, ahead: timedelta) -> None:
        self._wanted, self._ahead = wanted, ahead
        self._kept: list[tuple[int, str, PredictionRecord]] = []

    def add(self, record: PredictionRecord) -> None:
        """Keep the record when it matches the search and is among the newest."""
        if not _is_wanted(record, self._wanted):
            return
        item = (record["t"], record["id"], record)
        if len(self._kept) < self._wanted.limit:
            heappush(self._kept, item)
        elif item[:2] > self._kept[0][:2]:
            heapreplace(self._kept, item)

    def is_over(self, captured: datetime) -> bool:
        """Return whether no record captured up to this moment can be among the newest rows."""
        full = len(self._kept) >= self._wanted.limit
        floor = max(self._wanted.since, from_micros(self._kept[0][0])) if full else self._wanted.since
        return captured + _LATE + self._ahead < floor

    def rows(self) -> list[Row]:
        """Return the rows of the records kept, in no order."""
        first_only = self._wanted.tests
        return [row for _, _, record in self._kept for row in rows_of(record) if not first_only or not row["row_index"]]


def pending_rows(spool: Path, spec: EndpointSpec, wanted: LogQuery) -> PendingRows:
    """Return pending rows, at least those among the newest ``limit``; in no order.

    A row that has just been ingested may be among them.
    """
    newest = _Newest(wanted, ahead=_REPLAY if spec.allow_replay or spec.is_elsewhere else timedelta(0))
    budget = MOST_BYTES
    for written, path in segments_by_last_write(spool, spec.name, STREAM):
        if newest.is_over(from_micros(int(written * 1_000_000))):
            break
        for size, read in newest_records(path):
            budget, record = budget - size, cast(PredictionRecord, read)
            if budget < 0:
                return PendingRows(newest.rows(), complete=False)
            newest.add(record)
            if newest.is_over(from_micros(record["at"]) + timedelta(milliseconds=record["ms"] or 0.0)):
                break
    return PendingRows(newest.rows(), complete=True)


def rows_of(record: PredictionRecord) -> Iterator[Row]:
    """Yield a record's rows as the lake will hold them."""
    columns = prediction_columns(record)
    for row in zip(*columns.values(), strict=True):
        yield dict(zip(columns, row, strict=True))


def _is_wanted(record: PredictionRecord, wanted: LogQuery) -> bool:
    return (
        wanted.since <= from_micros(record["t"]) <= wanted.until
        and wanted.failed in (None, record["status"] >= 400)  # noqa: PLR2004 - HTTP's first error status
        and (wanted.users is None or record["user"] in wanted.users)
        and wanted.request_id in (None, record["id"])
        and (not wanted.tests or (record["source"] == "test" and record.get("key") == wanted.key_id))
    )
