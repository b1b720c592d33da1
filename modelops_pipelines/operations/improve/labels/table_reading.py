"""Reads labels from a Delta table of the user's own, and from a database by one SELECT."""

import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from modelops_pipelines.core.endpoints.improvement import LabelSource
from modelops_pipelines.core.errors import InputError, ModelOpsError
from modelops_pipelines.core.improve.labels.source_rows import needed_columns
from modelops_pipelines.operations.improve.labels.readings import Cursor, Part, rows_of
from modelops_pipelines.store.lake.foreign_queries import Rows, database_rows, duckdb_rows

_BATCH = 20_000
_UNREADABLE = {"deletionVectors", "columnMapping"}


class DeltaReading:
    """A reading of a Delta table: the files that were added since the version read last, or rows by a cursor.

    Where that version is gone, all rows are read again: those that are stored already are the same rows.
    """

    def __init__(self, source: LabelSource, folder: Path, position: Mapping[str, Any], now: datetime) -> None:
        """Read nothing yet; the table's path is relative to ``folder``."""
        self._source, self._path = source, str(folder / str(source.path))
        self._before = position
        self._cursor = None if source.cursor is None else Cursor(source.cursor, now, source.overlap)
        self.position: dict[str, Any] = dict(position)
        self.faults: list[str] = []

    def parts(self) -> Iterator[Part]:
        """Yield the rows of files that are new, or from the cursor on."""
        try:
            yield from self._read(DeltaTable(self._path))
        except ModelOpsError as error:
            self.faults.append(error.message)
        except Exception as error:  # noqa: BLE001 - whatever a table does to its reader is that source's fault
            self.faults.append(f"the table cannot be read ({type(error).__name__})")

    def _read(self, delta: DeltaTable) -> Iterator[Part]:
        unsafe = _UNREADABLE & set(delta.protocol().reader_features or ())
        if unsafe:
            raise InputError(f"The table uses {', '.join(sorted(unsafe))}", "Disable them on the table")
        columns, rows = needed_columns(self._source), self._new_rows(delta)
        missing = [name for name in columns if name not in rows.schema.names]
        if missing:
            raise InputError(f"The table has no column {', '.join(missing)}", "Correct the source's YAML")
        since = None if self._cursor is None else self._cursor.since(self._before.get("cursor"))
        chosen = None if since is None else pc.field(str(self._source.cursor)) >= since
        number = 1
        for batch in rows.to_batches(columns=columns, filter=chosen, batch_size=_BATCH):
            read = rows_of(batch)
            for one in read if self._cursor else []:
                if not isinstance(one, str):
                    self._cursor.look_at(one)  # type: ignore[union-attr]
            yield Part(f"version {delta.version()}", list(enumerate(read, number)))
            number += len(read)
        self.position = {"version": delta.version()}
        if self._cursor is not None:
            self.position["cursor"] = self._cursor.kept()
            self.faults += self._cursor.faults()

    def _new_rows(self, delta: DeltaTable) -> ds.Dataset:
        whole: ds.FileSystemDataset = delta.to_pyarrow_dataset()
        if self._cursor is not None or "version" not in self._before:
            return whole
        before = self._files_at(self._before["version"])
        new = [one for one in whole.get_fragments() if one.path.rpartition("/")[2] not in before]
        return ds.FileSystemDataset(new, whole.schema, whole.format, whole.filesystem)

    def _files_at(self, version: int) -> set[str]:
        try:
            files = DeltaTable(self._path, version=version).file_uris()
        except (DeltaError, OSError):
            return set()
        return {file.rpartition("/")[2] for file in files}


class DatabaseReading:
    """A reading of a query's rows, from the cursor on where the source has one."""

    def __init__(self, source: LabelSource, folder: Path, position: Mapping[str, Any], now: datetime) -> None:
        """Read nothing yet; a query's file, and a DuckDB file, are relative to ``folder``."""
        self._source, self._folder, self._before, self._now = source, folder, position, now
        self.position: dict[str, Any] = dict(position)
        self.faults: list[str] = []

    def parts(self) -> Iterator[Part]:
        """Yield the query's rows."""
        source = self._source
        cursor = None if source.cursor is None else Cursor(source.cursor, self._now, source.overlap)
        try:
            since = None if cursor is None else cursor.since(self._before.get("cursor"))
            number = 1
            for rows in self._rows(since):
                for row in rows if cursor is not None else []:
                    cursor.look_at(row)  # type: ignore[union-attr]
                yield Part("query", list(enumerate(rows, number)))
                number += len(rows)
            if cursor is not None:
                self.position = {"cursor": cursor.kept()}
                self.faults += cursor.faults()
        except ModelOpsError as error:
            self.faults.append(f"{self._named()}{error.message}. {error.remedy}")
        except Exception as error:  # noqa: BLE001 - whatever a database does to its reader is that source's fault
            self.faults.append(f"{self._named()}the database cannot be read ({type(error).__name__})")

    def _named(self) -> str:
        """Return whose fault it is where a URL is read: an error's own text may hold its password, and is not shown."""
        return "" if self._source.url_env is None else f"{self._source.name} ({self._source.url_env}): "

    def _rows(self, since: Any) -> Iterator[Rows]:
        source, columns = self._source, needed_columns(self._source)
        query = _query_of(str(source.query), self._folder)
        if source.url_env is None:
            database = None if source.path is None else self._folder / source.path
            return duckdb_rows(database, self._folder, query, columns, source.cursor, since)
        url = os.environ.get(source.url_env)
        if not url:
            raise InputError(f"The environment variable {source.url_env} is not set", "Set it to the database's URL")
        return database_rows(url, query, columns, source.cursor, since)


def _query_of(given: str, folder: Path) -> str:
    """Return the query, or what is in the file that it names."""
    if not given.rstrip().lower().endswith(".sql"):
        return given
    try:
        return (folder / given).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The query {given} cannot be read ({type(error).__name__})", "Correct its path") from error
