"""Rewrites a partition's files into fewer and larger ones, with the same rows.

Both ways are Delta's own ``optimize``, which no append conflicts with, and run under the table's lock of rewrites: two
rewrites at once would both commit and double the rows.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, WriterProperties
from deltalake.exceptions import CommitFailedError

from modelops_pipelines.core.errors import BusyError
from modelops_pipelines.core.maintenance.compaction import MIB, PartitionFile, Rewrite, plan_rewrite
from modelops_pipelines.store.filesystem.files import LOCK_SECONDS
from modelops_pipelines.store.lake.reader import MONTHLY
from modelops_pipelines.store.lake.writer import LakeWriter, layout

ROW_GROUP = 16_384
"""Rows of a row group of tables of events: a query of the newest 100 rows reads one or two (benchmarks/recent_logs)."""
MEMORY = 512 * MIB
"""What a sort holds in memory, in bytes: beyond it goes to temporary files."""
ATTEMPTS = 3
_TIMES = ("event_time", "window_start")


@dataclass(frozen=True)
class DueRewrite:
    """A partition and how it is rewritten."""

    day: date
    rewrite: Rewrite


class LakeCompactor(LakeWriter):
    """The lake, with compaction."""

    def due(self, endpoint: str, table: str, now: datetime) -> list[DueRewrite]:
        """Return the partitions of a table that are worth a rewrite, oldest first."""
        delta = self.table(endpoint, table)
        return [] if delta is None else _due(delta, table, now)

    def join_small_files(self, endpoint: str, table: str, now: datetime) -> None:
        """Merge the small files of days that grow, where there are too many; not while another rewrite is under way."""
        for one in self.due(endpoint, table, now):
            if one.rewrite.how == "merge":
                with suppress(BusyError):
                    self.compact(endpoint, table, one.day, now, patience=0)

    def compact(
        self, endpoint: str, table: str, day: date, now: datetime, patience: float = LOCK_SECONDS
    ) -> Rewrite | None:
        """Rewrite a partition if it is still due; return what was rewritten. Durable when it returns.

        Raises BusyError when another rewrite lasts longer than ``patience`` seconds, or others keep changing the table.
        """
        with self._maintenance(endpoint, table, patience):
            for _ in range(ATTEMPTS):
                delta = self.table(endpoint, table)
                found = [] if delta is None else [one.rewrite for one in _due(delta, table, now) if one.day == day]
                if delta is None or not found:
                    return None
                try:
                    _rewrite(delta, day, found[0])
                except CommitFailedError:
                    continue
                self._sync(delta)
                return found[0]
        raise BusyError(f"Others keep changing {endpoint}/{table}", f"The next maintenance rewrites its files of {day}")


def closes_at(table: str, day: date) -> datetime:
    """Return the end of a partition's time span: of its day, or of its month."""
    end = (day.replace(day=28) + timedelta(days=4)).replace(day=1) if table in MONTHLY else day + timedelta(days=1)
    return datetime.combine(end, time(), UTC)


def partitions(delta: DeltaTable) -> dict[date, list[dict[str, Any]]]:
    """Return the files of a table's version by partition, oldest first, as ``get_add_actions`` describes them."""
    found = delta.get_add_actions(flatten=True)
    names = [name for name in ("partition.date", *_FILE_COLUMNS) if name in found.schema.names]
    columns = [found.column(name).to_pylist() for name in names]
    by_day: dict[date, list[dict[str, Any]]] = {}
    for values in zip(*columns, strict=True):
        row = dict(zip(names, values, strict=True))
        day = row.pop("partition.date")
        by_day.setdefault(day if isinstance(day, date) else date.fromisoformat(day), []).append(row)
    return dict(sorted(by_day.items()))


_FILE_COLUMNS = ("path", "size_bytes", "modification_time", "num_records")


def _due(delta: DeltaTable, table: str, now: datetime) -> list[DueRewrite]:
    due = []
    for day, rows in partitions(delta).items():
        files = [PartitionFile(row["size_bytes"], _moment(row["modification_time"])) for row in rows]
        rewrite = plan_rewrite(files, closes_at(table, day), now)
        if rewrite is not None:
            due.append(DueRewrite(day, rewrite))
    return due


def _rewrite(delta: DeltaTable, day: date, rewrite: Rewrite) -> None:
    schema = pa.schema(delta.schema().to_arrow())
    ordered = next((name for name in _TIMES if name in schema.names), None)
    how: dict[str, Any] = {
        "partition_filters": [("date", "=", day.isoformat())],
        "target_size": rewrite.below,
        "max_concurrent_tasks": 1,
        "writer_properties": _properties(schema),
    }
    if rewrite.how == "merge" or ordered is None:
        delta.optimize.compact(**how)
    else:
        delta.optimize.z_order([ordered], max_spill_size=MEMORY, **how)


def _properties(schema: pa.Schema) -> WriterProperties:
    properties = layout(schema)
    if "event_time" in schema.names:
        properties.max_row_group_size = ROW_GROUP
    return properties


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
