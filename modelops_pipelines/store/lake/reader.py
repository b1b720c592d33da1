"""Reading of the lake: Delta tables on disk, queried by DuckDB in memory. Writing: ``writer.py``.

A DuckDB file that several processes share loses commits (decision 2), so DuckDB never writes a file here. This module
does not import pyarrow, so that the CLI starts fast.
"""

import atexit
import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import duckdb
from deltalake import DeltaTable

from modelops_pipelines.core.errors import SchemaError
from modelops_pipelines.core.tables.columns import Table
from modelops_pipelines.core.tables.lake import DAILY_PROFILES
from modelops_pipelines.store.filesystem.shared_lock import hold_shared
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.lake.opened_tables import OpenedTables

if TYPE_CHECKING:
    import pyarrow as pa

_PARTITION = re.compile(r"/date=(\d{4}-\d\d-\d\d)/")
_SAFE_READER_FEATURES = {"timestampNtz"}
MONTHLY = frozenset({DAILY_PROFILES.name})
"""Tables with monthly partitions: a day has so few rows that opening its file would take longer than reading it."""
RETIRED, RETIRED_ROWS = "modelops.retired", "modelops.retired_rows"
"""Application ids in the log of a table: the first day that is kept, as an ordinal, and the rows that were deleted."""
MEMORY = "50%"
"""How much of the machine's memory a query of a user's may take."""
_OPENED: dict[tuple[Path | None, int | None], duckdb.DuckDBPyConnection] = {}
_LOCK = threading.Lock()
atexit.register(_OPENED.clear)  # before the interpreter shuts down


def partition_of(table: str, day: date) -> date:
    """Return the value of ``date`` for a table's rows of a day."""
    return day.replace(day=1) if table in MONTHLY else day


class Lake:
    """All tables of all endpoints under one folder."""

    def __init__(self, folder: Path) -> None:
        """Nothing is read before the first call."""
        self.folder = folder
        self._opened = OpenedTables()

    def path(self, endpoint: str, table: str) -> Path:
        """Return the folder of an endpoint's table."""
        return self.folder / endpoint / table

    def endpoints(self) -> list[str]:
        """Return the endpoints that have tables."""
        return sorted(path.name for path in self.folder.glob("*") if path.is_dir())

    def table(self, endpoint: str, table: str) -> DeltaTable | None:
        """Open the table's current version, or None; raises SchemaError when it cannot be read safely."""
        path = str(self.path(endpoint, table))
        if not DeltaTable.is_deltatable(path):
            return None
        delta = DeltaTable(path)
        unsafe = set(delta.protocol().reader_features or ()) - _SAFE_READER_FEATURES
        if unsafe:
            raise SchemaError(
                f"The table {path} uses Delta features that are not supported: {', '.join(sorted(unsafe))}",
                "Disable them on the table (deletion vectors, column mapping)",
            )
        return delta

    def current(self, endpoint: str, table: str) -> DeltaTable | None:
        """Return the table's current version as ``table`` does, to be read only: it is shared."""
        return self._opened.get(self.path(endpoint, table), lambda: self.table(endpoint, table))

    def committed(self, endpoint: str, table: str, stream: str) -> int:
        """Return the stream's last committed sequence number in the table; 0 without one."""
        delta = self.current(endpoint, table)
        return 0 if delta is None else delta.transaction_version(stream) or 0

    def all_committed(self, endpoint: str, table: str, streams: Iterable[str]) -> dict[str, int]:
        """Return each stream's last committed sequence number in the table; 0 without one."""
        delta = self.current(endpoint, table)
        return {stream: 0 if delta is None else delta.transaction_version(stream) or 0 for stream in streams}

    def rows(self, endpoint: str, table: str) -> int:
        """Return the table's number of rows from its metadata, without a scan."""
        delta = self.current(endpoint, table)
        if delta is None:
            return 0
        return sum(delta.get_add_actions(flatten=True).column("num_records").to_pylist())

    def rows_ever(self, endpoint: str, table: str) -> int:
        """Return the table's number of rows, with those that were deleted because they were past their retention."""
        return self.rows(endpoint, table) + self.rows_retired(endpoint, table)

    def rows_retired(self, endpoint: str, table: str) -> int:
        """Return the number of rows that were deleted because they were past the table's retention."""
        delta = self.current(endpoint, table)
        return 0 if delta is None else delta.transaction_version(RETIRED_ROWS) or 0

    def kept_from(self, endpoint: str, table: str) -> date | None:
        """Return the first day whose rows were kept by the table's retention; None if it never deleted any."""
        delta = self.current(endpoint, table)
        ordinal = None if delta is None else delta.transaction_version(RETIRED)
        return None if ordinal is None else date.fromordinal(ordinal)

    def readers_lock(self, endpoint: str) -> Path:
        """Return the file that queries of an endpoint's tables lock: its holder's files are not removed."""
        return self.folder.parent / "locks" / f"{endpoint}.readers.lock"

    def reading(self, endpoint: str) -> AbstractContextManager[None]:
        """Keep the files of the endpoint's tables from removal by maintenance, from listing them to their last read."""
        return hold_shared(self.readers_lock(endpoint), f"the files of {endpoint}")

    def read(self, endpoint: str, table: Table, dates: Sequence[date] | None, names: Sequence[str]) -> "pa.Table":
        """Return these columns of a table's rows, of these dates only if dates are given; strings are dictionaries."""
        from modelops_pipelines.store.lake.parquet_scan import read_files

        with self.reading(endpoint):
            return read_files(self.files(endpoint, table.name, dates), table, names)

    def files(self, endpoint: str, table: str, dates: Sequence[date] | None = None) -> list[str]:
        """Return the Parquet files of the table's current version, of these dates only if dates are given.

        They are in order of their partitions. The predicate has two dates only: one of many overflows the stack where
        deltalake evaluates it.
        """
        delta = self.current(endpoint, table)
        if delta is None or dates == []:
            return []
        span = f"date >= '{min(dates).isoformat()}' AND date <= '{max(dates).isoformat()}'" if dates else None
        found = sorted(unquote(uri) for uri in delta.file_uris(file_pruning_predicate=span))  # it writes a blank as %20
        if not dates:
            return found
        wanted = {day.isoformat() for day in dates}
        return [file for file in found if (of := _PARTITION.search(file)) and of[1] in wanted]

    def dates(self, endpoint: str, table: str) -> list[date]:
        """Return the table's partitions, in order."""
        found = (_PARTITION.search(file) for file in self.files(endpoint, table))
        return sorted({date.fromisoformat(match[1]) for match in found if match})

    def last_date(self, endpoint: str, table: str) -> date | None:
        """Return the table's newest partition; None if it has no rows."""
        return max(self.dates(endpoint, table), default=None)

    @contextmanager
    def query(
        self,
        endpoint: str,
        tables: Sequence[Table],
        dates: Sequence[date] | None = None,
        threads: int | None = None,
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open DuckDB over a snapshot of the endpoint's tables, each a view of its own name.

        The connection can read the lake's files and nothing else; its configuration is locked. Each of its threads (by
        default one per core) holds its own row groups in memory. Create only temporary objects in it: all others are
        shared with the process's other connections.
        """
        with self.reading(endpoint), session(self.folder, threads) as connected:
            for table in tables:
                self.attach(connected, table.name, endpoint, table, dates)
            yield connected

    @contextmanager
    def snapshot(
        self, endpoint: str, tables: Sequence[Table]
    ) -> Iterator[tuple[duckdb.DuckDBPyConnection, dict[str, int]]]:
        """Open DuckDB as ``query`` does, with the version of each table that is read; a missing table has none."""
        versions: dict[str, int] = {}
        with self.reading(endpoint), session(self.folder) as connected:
            for table in tables:
                delta = self.current(endpoint, table.name)
                files = [] if delta is None else sorted(unquote(uri) for uri in delta.file_uris())
                attach_files(connected, table.name, table, files)
                if delta is not None:
                    versions[table.name] = delta.version()
            yield connected, versions

    def attach(
        self,
        connected: duckdb.DuckDBPyConnection,
        view: str,
        endpoint: str,
        table: Table,
        dates: Sequence[date] | None = None,
    ) -> None:
        """Create a temporary view of a table's current version; empty for a table that does not exist yet.

        A declared column that is missing in all files (a feature of a new version) is null.
        """
        attach_files(connected, view, table, self.files(endpoint, table.name, dates))


def attach_files(connected: duckdb.DuckDBPyConnection, view: str, table: Table, files: list[str]) -> None:
    """Create a temporary view of some of a table's files, as ``Lake.attach`` does of those of a version."""
    if not files:
        connected.execute(sql.empty_view(view, table))
        return
    relation = connected.read_parquet(files, union_by_name=True, hive_partitioning=True)
    missing = [column for column in table.columns if column.name not in relation.columns]
    connected.execute(sql.temporary_view(view, relation.project(sql.with_nulls(missing))))


@contextmanager
def session(readable: Path | None, threads: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Connect to this process's DuckDB for a folder (None: no file access), which is opened at the first call.

    Opening takes 30 ms of CPU, connecting none. Not for SQL that users have written.
    """
    with _LOCK:
        key = (readable, threads)
        if key not in _OPENED:
            _OPENED[key] = _opened(readable, threads)
        connected = _OPENED[key].cursor()
    with closing(connected):
        yield connected


@contextmanager
def connection(
    readable: Path | None, threads: int | None = None, files: Sequence[str] = ()
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open DuckDB in memory, in UTC, able to read one folder or none, and these files; one thread per core if not set.

    A file is read by its very name: no pattern and no other file beside it is. For SQL that users have written: it
    spills to no disk, and has MEMORY of the machine.
    """
    with closing(_opened(readable, threads, files, memory=MEMORY)) as connected:
        yield connected


def keep_from_disk(connected: duckdb.DuckDBPyConnection, memory: str) -> None:
    """Give a connection no folder to spill to, as DuckDB lets SQL read any file in that, and bound its memory."""
    connected.execute("SET temp_directory = ''")
    connected.execute("SET memory_limit = ?", [memory])


@contextmanager
def interrupted_after(connected: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    """Have a query that runs in the block after so many seconds raise duckdb.InterruptException."""
    timer = threading.Timer(seconds, connected.interrupt)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _opened(
    readable: Path | None, threads: int | None, files: Sequence[str] = (), memory: str | None = None
) -> duckdb.DuckDBPyConnection:
    connected = duckdb.connect(":memory:", config={} if threads is None else {"threads": threads})
    connected.execute("SET GLOBAL TimeZone = 'UTC'")
    connected.execute("SET enable_progress_bar = false")
    connected.execute("SET enable_external_file_cache = false")
    if memory is not None:
        keep_from_disk(connected, memory)
    connected.execute("SET allowed_directories = ?", [[] if readable is None else [f"{readable}/"]])
    connected.execute("SET allowed_paths = ?", [list(files)])
    connected.execute("SET enable_external_access = false")
    connected.execute("SET lock_configuration = true")
    return connected
