"""Dagster's own SQLite databases, with connections that stay open: half of what an event costs is opening its database.

Dagster's classes open a database, and close it, for each statement. The files are the same ones, so that a project may
go from one to the other at any time. Larger installations use Postgres.
"""

import os
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from dagster import StringSource
from dagster._config import Field
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.schedules import SqliteScheduleStorage
from dagster._core.storage.sqlite import create_db_conn_string

BUSY_SECONDS = 30
KEPT_OPEN = 4
"""Databases of single runs that stay open in a process; each run has one."""
_CONFIG = {"base_dir": Field(StringSource, is_required=False)}


class OpenEventLog(SqliteEventLogStorage):
    """Dagster's event log. A commit survives the end of any process at once, and a power cut after some seconds."""

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        """Open nothing yet."""
        self._open: OrderedDict[str, tuple[sa.Engine, int]] = OrderedDict()
        super().__init__(base_dir, inst_data)

    @classmethod
    def config_type(cls) -> Any:
        """Return the schema of its configuration: ``base_dir``, by default where Dagster has it."""
        return _CONFIG

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> "OpenEventLog":
        """Return the event log."""
        return cls(config_value.get("base_dir") or _default("history", "runs"), inst_data)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[sa.Connection]:
        with self._db_lock, self._engine(shard).connect() as connected, connected.begin():
            yield connected

    def _engine(self, shard: str) -> sa.Engine:
        """Return the engine of a database, opened anew when its file is another one than before."""
        engine, file = self._open.pop(shard, (None, 0))
        path = Path(self.path_for_shard(shard))
        if engine is not None and _number(path) != file:
            engine.dispose()
            engine = None
        if engine is None:
            engine = _opened(self.conn_string_for_shard(shard), synchronous="NORMAL")
            self._initdb(engine)
            file = _number(path)
        self._open[shard] = (engine, file)
        for old in [name for name in self._open if name != INDEX_SHARD_NAME][:-KEPT_OPEN]:
            self._open.pop(old)[0].dispose()
        return engine

    def _initdb(self, engine: sa.Engine, for_index_shard: bool = False) -> None:  # noqa: FBT001, FBT002
        """Make the tables of a new database; of one that has them Dagster would load all its migrations for nothing."""
        if not _is_made(engine):
            super()._initdb(engine, for_index_shard)

    def wipe(self) -> None:
        """Delete all events."""
        self._close()
        super().wipe()

    def dispose(self) -> None:
        """Close all databases."""
        super().dispose()
        self._close()

    def _close(self) -> None:
        with self._db_lock:
            while self._open:
                self._open.popitem()[1][0].dispose()


class _OpenDatabase:
    """One database of Dagster's, open as long as the object that it is mixed into."""

    _FOLDER: str
    _NAME: str
    _engine: sa.Engine

    def __init__(self, conn_string: str, inst_data: Any = None) -> None:
        """Open nothing yet."""
        self._engine = _opened(conn_string)
        super().__init__(conn_string, inst_data)  # type: ignore[call-arg]  # of Dagster's class

    @classmethod
    def config_type(cls) -> Any:
        """Return the schema of its configuration: ``base_dir``, by default where Dagster has it."""
        return _CONFIG

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> Any:
        """Return the record on its database, which is made if there is none."""
        base = config_value.get("base_dir") or _default(cls._FOLDER, "")
        known = cls(create_db_conn_string(base, cls._NAME), inst_data)
        if Path(base).is_dir() and _is_made(known._engine):
            return known
        known.dispose()
        of_dagster: Any = cls
        return of_dagster.from_local(base, inst_data)

    @contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        """Run the block in a transaction."""
        with self._engine.begin() as connected:
            yield connected

    def dispose(self) -> None:
        """Close the database."""
        super().dispose()  # type: ignore[misc]  # of Dagster's class
        self._engine.dispose()


class OpenRuns(_OpenDatabase, SqliteRunStorage):
    """Dagster's record of runs."""

    _FOLDER, _NAME = "history", "runs"


class OpenSchedules(_OpenDatabase, SqliteScheduleStorage):
    """Dagster's record of the ticks of schedules and sensors."""

    _FOLDER, _NAME = "schedules", "schedules"


def _is_made(engine: sa.Engine) -> bool:
    """Return whether a database has been made: Dagster writes its revision last."""
    with engine.connect() as connected:
        if not sa.inspect(connected).has_table("alembic_version"):
            return False
        return connected.scalar(sa.text("SELECT version_num FROM alembic_version")) is not None


def _opened(url: str, *, synchronous: str = "FULL") -> sa.Engine:
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_SECONDS}, max_overflow=-1)

    @sa.event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.execute(f"PRAGMA synchronous={synchronous}")

    return engine


def _number(path: Path) -> int:
    """Return what tells a file from another at its path; 0 without one."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0


def _default(*parts: str) -> str:
    return str(Path(os.environ["DAGSTER_HOME"], *parts))
