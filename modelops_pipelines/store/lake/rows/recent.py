"""The newest rows of a table, read from as few files as possible, for frequent queries of one process."""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from itertools import islice, takewhile
from typing import Any

import duckdb

from modelops_pipelines.core.capture.log_search import LogQuery
from modelops_pipelines.core.errors import BusyError
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.lake.delta_log import LakeFile, TableFiles
from modelops_pipelines.store.lake.reader import Lake, connection

ATTEMPTS = 3
MOST_FILES = 1024
THREADS = 2  # the gateway needs the other cores
FAILED, TEST = 400, "test"
Row = dict[str, Any]


class RecentRows:
    """The newest rows of the lake's tables, by event time. Thread-safe."""

    def __init__(self, lake: Lake) -> None:
        """Connect and list files at the first query; both are kept, because they cost more than a query."""
        self._lake = lake
        self._lock = threading.Lock()
        self._open = ExitStack()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._tables: dict[tuple[str, str], TableFiles] = {}

    def rows(self, endpoint: str, table: str, wanted: LogQuery) -> list[Row]:
        """Return the newest rows, newest first; columns that are missing in the files are missing in the rows.

        Raises BusyError when files keep disappearing during the query, as at the end of an erasure.
        """
        files = self._of(endpoint, table)
        for _ in range(ATTEMPTS):
            try:
                return self._newest(files.newest_first(), wanted)
            except duckdb.IOException:
                files.forget()
        raise BusyError(f"The files of {endpoint}/{table} are being rewritten", "Try again in a moment")

    def received_up_to(self, endpoint: str, table: str) -> datetime | None:
        """Return when the last row of the table was received, or None."""
        return self._of(endpoint, table).received_up_to()

    def _of(self, endpoint: str, table: str) -> TableFiles:
        with self._lock:
            return self._tables.setdefault((endpoint, table), TableFiles(self._lake, endpoint, table))

    def _newest(self, files: Sequence[LakeFile], wanted: LogQuery) -> list[Row]:
        """Read the newest files, then twice as many, until no remaining file can contain a matching row."""
        recent = takewhile(lambda file: file.latest >= wanted.since, files)
        found: list[Row] = []
        for batch in _batches((file for file in recent if _may_hold(file, wanted)), wanted.limit):
            if len(found) >= wanted.limit:
                oldest = found[wanted.limit - 1]["event_time"]
                batch = [file for file in batch if file.latest >= oldest]  # noqa: PLW2901 - the batch without older files
            if not batch:
                break
            found = newest_first(found + self._read(batch, wanted))[: wanted.limit]
        return found

    def _read(self, files: Sequence[LakeFile], wanted: LogQuery) -> list[Row]:
        query, unused = ("recent_tests", {"tests"}) if wanted.tests else ("recent_logs", {"tests", "key_id"})
        parameters: Mapping[str, Any] = {name: value for name, value in vars(wanted).items() if name not in unused}
        with self._cursor() as cursor:
            cursor.execute(sql.named(query), {**parameters, "files": [file.path for file in files]})
            names = [column[0] for column in cursor.description or []]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        with self._lock:
            if self._connection is None:
                self._connection = self._open.enter_context(connection(self._lake.folder, THREADS))
            return self._connection.cursor()


def _may_hold(file: LakeFile, wanted: LogQuery) -> bool:
    fails = file.status is None or file.status >= FAILED
    tests = file.source is None or file.source >= TEST
    return file.earliest <= wanted.until and (fails or not wanted.failed) and (tests or not wanted.tests)


def _batches(files: Iterator[LakeFile], limit: int) -> Iterator[list[LakeFile]]:
    """Yield the files in order: first as many as have ``limit`` rows, then twice as many each time."""
    batch: list[LakeFile] = []
    rows = 0
    for file in files:
        batch.append(file)
        rows += file.rows
        if rows >= limit:
            break
    size = len(batch)
    while batch:
        yield batch
        size = min(2 * size, MOST_FILES)
        batch = list(islice(files, size))


def newest_first(rows: Iterable[Row]) -> list[Row]:
    """Sort like recent_logs.sql: newest first, a request's rows together and in order."""
    in_order = sorted(rows, key=lambda row: (row["request_id"], row["row_index"]))
    return sorted(in_order, key=lambda row: row["event_time"], reverse=True)
