"""Deletes whole days of a table that are past their retention, in one commit that also records from when rows are kept.

The record is in the table itself, as the marks of ingested segments are: it is there if and only if the rows are gone.
"""

from dataclasses import dataclass
from datetime import date, datetime

from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError

from modelops_pipelines.store.lake.maintenance.compactor import closes_at, partitions
from modelops_pipelines.store.lake.reader import RETIRED, RETIRED_ROWS
from modelops_pipelines.store.lake.writer import ATTEMPTS, LakeWriter


@dataclass(frozen=True)
class Expired:
    """A partition that is past its retention: its rows, files and bytes."""

    day: date
    rows: int
    files: int
    bytes: int


class LakeRetirement(LakeWriter):
    """The lake, with the deletion of days that are past their retention."""

    def expired(self, endpoint: str, table: str, before: datetime) -> list[Expired]:
        """Return the partitions whose whole time was before this moment, oldest first."""
        delta = self.table(endpoint, table)
        return [] if delta is None else [one for one in _sizes(delta) if closes_at(table, one.day) <= before]

    def retire(self, endpoint: str, table: str, day: date) -> int:
        """Delete the rows of a partition and of all before it; return their number. Durable when it returns.

        Raises CommitFailedError when other writers keep winning the commit.
        """
        with self._maintenance(endpoint, table):
            for _ in range(ATTEMPTS):
                delta = self.table(endpoint, table)
                if delta is None:
                    return 0
                rows = sum(one.rows for one in _sizes(delta) if one.day <= day)
                first = max(closes_at(table, day).date().toordinal(), delta.transaction_version(RETIRED) or 0)
                total = (delta.transaction_version(RETIRED_ROWS) or 0) + rows
                marks = [Transaction(RETIRED, first), Transaction(RETIRED_ROWS, total)]
                try:
                    delta.delete(
                        f"date <= '{day.isoformat()}'", commit_properties=CommitProperties(app_transactions=marks)
                    )
                except CommitFailedError:
                    continue
                self._sync(delta)
                return rows
        raise CommitFailedError(f"{endpoint}/{table}: other writers won all {ATTEMPTS} commit attempts")


def _sizes(delta: DeltaTable) -> list[Expired]:
    return [
        Expired(day, _sum(files, "num_records"), len(files), _sum(files, "size_bytes"))
        for day, files in partitions(delta).items()
    ]


def _sum(files: list[dict[str, int]], name: str) -> int:
    return sum(file[name] or 0 for file in files)
