"""How rows leave the lake for good: out of a table's present version, then out of every file on the disk.

Rows are chosen by an Arrow expression, never by SQL text. Deleting writes a day's partition anew in one commit; the
streams' marks (application transactions) stay, so that what was ingested once never comes back. Purging then
removes what Delta keeps of the past: data files of older versions and of commits that failed, and the log's older
entries, whose statistics name the least and the greatest value of each column. No append is under way meanwhile: one
that had opened the table before would commit into a past that is gone.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError

from modelops_pipelines.core.errors import SchemaError
from modelops_pipelines.store.filesystem.files import sync
from modelops_pipelines.store.filesystem.shared_lock import hold_exclusive
from modelops_pipelines.store.lake.writer import ATTEMPTS, LakeWriter, layout

_LAST_CHECKPOINT = "_last_checkpoint"
_VERSION_DIGITS = 20


class LakeEraser(LakeWriter):
    """The lake, with what removes rows and history."""

    def find(self, endpoint: str, table: str, doomed: pc.Expression, columns: Sequence[str]) -> pa.Table:
        """Return these columns of the doomed rows; of a table that does not exist, none."""
        delta = self.table(endpoint, table)
        if delta is None:
            return pa.table({name: [] for name in columns})
        return _dataset(delta).to_table(columns=list(columns), filter=doomed)

    def delete(self, endpoint: str, table: str, doomed: pc.Expression) -> int:
        """Delete the doomed rows, a day at a time, each durably; return how many there were.

        Raises CommitFailedError when a writer that is none of ours wins every time.
        """
        days = self.find(endpoint, table, doomed, ["date"]).column("date").unique().to_pylist()
        return sum(self._delete_on(endpoint, table, day, doomed) for day in sorted(days))

    def purge(self, endpoint: str, table: str) -> int:
        """Remove every file that the table's present version does not need; return how many they were.

        Older versions can no longer be read, nor can a query go on that has just opened one. Raises SchemaError,
        before anything is removed, when the present version's own files are not all there.
        """
        with self._alone(endpoint, table):
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

    def _delete_on(self, endpoint: str, table: str, day: date, doomed: pc.Expression) -> int:
        on_day = pc.field("date") == pa.scalar(day)
        for _ in range(ATTEMPTS):
            with self._alone(endpoint, table):
                delta = DeltaTable(str(self.path(endpoint, table)))
                rows = _dataset(delta)
                doomed_rows: int = rows.count_rows(filter=on_day & doomed)
                kept = rows.scanner(filter=on_day & (~doomed | doomed.is_null())).to_reader()
                where, how = f"date = '{day.isoformat()}'", layout(kept.schema)
                try:
                    write_deltalake(delta, kept, mode="overwrite", predicate=where, writer_properties=how)
                except CommitFailedError:
                    continue
                self._sync(delta)
                return doomed_rows
        raise CommitFailedError(f"{endpoint}/{table}: {ATTEMPTS} attempts lost against other writers")

    def _needed(self, endpoint: str, table: str) -> set[Path]:
        needed = {Path(file) for file in self.files(endpoint, table)}
        absent = sorted(str(path) for path in needed if not path.is_file())
        if absent:
            raise SchemaError(
                f"{len(absent)} file(s) of {endpoint}/{table} are not where the table says ({absent[0]})",
                "Restore the lake from a backup; nothing was removed",
            )
        return needed

    @contextmanager
    def _alone(self, endpoint: str, table: str) -> Iterator[None]:
        """Keep appends and rewrites out; in the order in which an append that creates the table takes them."""
        with (
            hold_exclusive(self._append_lock(endpoint, table), f"{endpoint}/{table}"),
            self._maintenance(endpoint, table),
        ):
            yield


def _dataset(delta: DeltaTable) -> ds.Dataset:
    return delta.to_pyarrow_dataset()


def _markers(root: Path) -> Iterator[Path]:
    yield from (root / "_delta_log" / _LAST_CHECKPOINT, root / "_delta_log")


def _is_needed(path: Path, needed: set[Path], delta: DeltaTable) -> bool:
    """Return whether the present version, or a newer one of another engine, lives of this file."""
    if path.parent.name != "_delta_log":
        return path in needed
    number = path.name[:_VERSION_DIGITS]
    return path.name == _LAST_CHECKPOINT or (number.isdigit() and int(number) >= delta.version())
