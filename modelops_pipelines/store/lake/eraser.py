"""Permanent removal of rows from the lake: first from a table's current version, then from every file on the disk.

Rows are selected by an Arrow expression, never by SQL text. Deleting rewrites a day's partition in one commit; the
streams' application transactions stay, so that ingested segments are not ingested again. Purging then removes Delta's
history: data files of older versions and of failed commits, and older log entries, whose statistics contain the
smallest and largest value of each column. Appends are locked out meanwhile: an append that had opened the table before
would commit on a version that no longer exists.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import DeltaTable, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError

from modelops_pipelines.core.errors import SchemaError
from modelops_pipelines.store.filesystem.files import sync
from modelops_pipelines.store.filesystem.shared_lock import hold_exclusive
from modelops_pipelines.store.lake.writer import ATTEMPTS, LakeWriter, layout

_LAST_CHECKPOINT = "_last_checkpoint"
_VERSION_DIGITS = 20


class LakeEraser(LakeWriter):
    """The lake, with removal of rows and history."""

    def find(self, endpoint: str, table: str, matching: pc.Expression, columns: Sequence[str]) -> pa.Table:
        """Return these columns of the matching rows; no rows if the table does not exist."""
        with self.reading(endpoint):
            delta = self.table(endpoint, table)
            if delta is None:
                return pa.table({name: [] for name in columns})
            return _dataset(delta).to_table(columns=list(columns), filter=matching)

    def delete(self, endpoint: str, table: str, matching: pc.Expression) -> int:
        """Delete the matching rows, one durable commit per day; return their number.

        Raises CommitFailedError when other writers keep winning the commit.
        """
        days = self.find(endpoint, table, matching, ["date"]).column("date").unique().to_pylist()

        def kept(rows: ds.Dataset, on_day: pc.Expression) -> pa.RecordBatchReader:
            return rows.scanner(filter=on_day & (~matching | matching.is_null())).to_reader()

        return sum(self._rewrite_day(endpoint, table, day, matching, kept) for day in sorted(days))

    def clear(self, endpoint: str, table: str, column: str, matching: pc.Expression) -> int:
        """Set a column to null in the matching rows, one durable commit per day; return their number.

        0 where the table does not exist, or is of a release without the column. Raises what ``delete`` raises.
        """
        delta = self.table(endpoint, table)
        if delta is None or column not in _dataset(delta).schema.names:
            return 0
        days = self.find(endpoint, table, matching, ["date"]).column("date").unique().to_pylist()

        def cleared(rows: ds.Dataset, on_day: pc.Expression) -> pa.RecordBatchReader:
            scanned = rows.scanner(filter=on_day, columns={**_all(rows), "_clear": matching}).to_reader()
            return pa.RecordBatchReader.from_batches(rows.schema, (_without(one, column) for one in scanned))

        return sum(self._rewrite_day(endpoint, table, day, matching, cleared) for day in sorted(days))

    def rewrite(self, endpoint: str, table: str, rows: pa.Table, how: WriterProperties) -> None:
        """Replace all rows of a table that is written whole, in one durable commit; purge it afterwards."""
        with self._exclusive(endpoint, table):
            delta = DeltaTable(str(self.path(endpoint, table)))
            write_deltalake(delta, rows, mode="overwrite", writer_properties=how)
            self._sync(delta)

    def purge(self, endpoint: str, table: str) -> int:
        """Remove every file that the table's current version does not need; return their number.

        Older versions can no longer be read, and running queries on them fail. Raises SchemaError, before anything is
        removed, when files of the current version are missing.
        """
        with self._exclusive(endpoint, table):
            delta = self.table(endpoint, table)
            if delta is None:
                return 0
            root = self.path(endpoint, table)
            delta.create_checkpoint()
            for path in (*(root / "_delta_log").glob(f"{delta.version():0{_VERSION_DIGITS}d}.*"), *_markers(root)):
                sync(path)
            needed = self._needed(endpoint, table)
            gone = [path for path in root.rglob("*") if path.is_file() and not _is_needed(path, needed, delta)]
            for path in gone:
                path.unlink()
            for folder in {path.parent for path in gone}:
                sync(folder)
            return len(gone)

    def _rewrite_day(
        self,
        endpoint: str,
        table: str,
        day: date,
        matching: pc.Expression,
        become: Callable[[ds.Dataset, pc.Expression], pa.RecordBatchReader],
    ) -> int:
        """Replace a day's rows by what they ``become``, in one commit; return the number of matching ones before."""
        on_day = pc.field("date") == pa.scalar(day)
        for _ in range(ATTEMPTS):
            with self._exclusive(endpoint, table):
                delta = DeltaTable(str(self.path(endpoint, table)))
                rows = _dataset(delta)
                matching_rows: int = rows.count_rows(filter=on_day & matching)
                new = become(rows, on_day)
                where, how = f"date = '{day.isoformat()}'", layout(new.schema)
                try:
                    write_deltalake(delta, new, mode="overwrite", predicate=where, writer_properties=how)
                except CommitFailedError:
                    continue
                self._sync(delta)
                return matching_rows
        raise CommitFailedError(f"{endpoint}/{table}: other writers won all {ATTEMPTS} commit attempts")

    def _needed(self, endpoint: str, table: str) -> set[Path]:
        needed = {Path(file) for file in self.files(endpoint, table)}
        absent = sorted(str(path) for path in needed if not path.is_file())
        if absent:
            raise SchemaError(
                f"{len(absent)} file(s) of {endpoint}/{table} are missing ({absent[0]})",
                "Restore the lake from a backup; nothing was removed",
            )
        return needed

    @contextmanager
    def _exclusive(self, endpoint: str, table: str) -> Iterator[None]:
        """Lock out appends and rewrites, in the same lock order as an append that creates the table."""
        with (
            hold_exclusive(self._append_lock(endpoint, table), f"{endpoint}/{table}"),
            self._maintenance(endpoint, table),
        ):
            yield


def _dataset(delta: DeltaTable) -> ds.Dataset:
    return delta.to_pyarrow_dataset()


def _all(rows: ds.Dataset) -> dict[str, pc.Expression]:
    return {name: pc.field(name) for name in rows.schema.names}


def _without(rows: pa.RecordBatch, column: str) -> pa.RecordBatch:
    """Return the rows with the column null where ``_clear`` is true, and without ``_clear``."""
    number, values = rows.schema.get_field_index(column), rows.column(column)
    marked = pc.fill_null(rows.column("_clear"), fill_value=False)
    cleared = pc.if_else(marked, pa.scalar(None, values.type), values)
    return rows.set_column(number, rows.schema.field(column), cleared).drop_columns(["_clear"])


def _markers(root: Path) -> Iterator[Path]:
    yield from (root / "_delta_log" / _LAST_CHECKPOINT, root / "_delta_log")


def _is_needed(path: Path, needed: set[Path], delta: DeltaTable) -> bool:
    """Return whether the current version, or a newer one of another engine, needs this file."""
    if path.parent.name != "_delta_log":
        return path in needed
    number = path.name[:_VERSION_DIGITS]
    return path.name == _LAST_CHECKPOINT or (number.isdigit() and int(number) >= delta.version())
