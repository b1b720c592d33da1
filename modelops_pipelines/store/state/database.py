"""The state database: one engine, one way to begin a transaction, and its migrations.

SQLite by default, in WAL mode and with BEGIN IMMEDIATE, because a deferred BEGIN fails with 'database is locked' when
two writers compete. Postgres by changing the URL.
"""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from modelops_pipelines.core import timestamps
from modelops_pipelines.core.errors import BusyError, SchemaError, SettingsError
from modelops_pipelines.store.filesystem.files import exclusive
from modelops_pipelines.store.state.sql_tables import STATE_TABLES, metadata

REVISION = "0015"
BUSY_SECONDS = 30
_READ_ONLY = "modelops_read_only"
_REVISIONS = sa.Table(
    "alembic_version", sa.MetaData(), sa.Column("version_num", sa.String(32), primary_key=True, nullable=False)
)
"""Where Alembic keeps the revision."""


class Database:
    """The state database, at this code's revision. An older one is upgraded; a newer one raises SchemaError."""

    def __init__(self, url: str) -> None:
        """Connect and, where needed, migrate under a lock; raises SettingsError or SchemaError."""
        self.url = url
        self._engine = _engine(url)
        self._reader = self._engine.execution_options(**{_READ_ONLY: True})
        if self._revision() != REVISION:
            self._migrate()

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """Run the block in a transaction; raises BusyError when another writer blocks it for too long."""
        try:
            with self._engine.begin() as connected:
                yield connected
        except sa.exc.OperationalError as error:
            raise _translated(error, self.url) from error

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Run the block on one snapshot, without the write lock: a reader never waits for a writer."""
        try:
            with self._reader.begin() as connected:
                yield connected
        except sa.exc.OperationalError as error:
            raise _translated(error, self.url) from error

    def secret(self) -> bytes:
        """Return the key that seals this installation's request ids; the first call creates it."""
        settings = STATE_TABLES["settings"]
        with self.begin() as connected:
            found = connected.scalar(sa.select(settings.c.value).where(settings.c.name == "seal"))
            if found is None:
                found = secrets.token_hex(32)
                connected.execute(settings.insert().values(name="seal", value=found))
        return bytes.fromhex(found)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _revision(self) -> str | None:
        try:
            with self._reader.connect() as connected:
                if not sa.inspect(connected).has_table("alembic_version"):
                    return None
                revision: str | None = connected.scalar(sa.text("SELECT version_num FROM alembic_version"))
                return revision
        except sa.exc.DatabaseError as error:
            raise _translated(error, self.url) from error

    def _migrate(self) -> None:
        revision = self._revision()
        if revision is not None and revision > REVISION:
            raise SchemaError(
                f"The state database is at revision {revision}, but this release supports {REVISION}",
                "Run the newer release that wrote it: a downgrade would lose data",
            )
        with exclusive(_lock_path(self.url), "the state database's migration"):
            if self._is_empty():
                self._create()
            else:
                from modelops_pipelines.store.state.migrations.run import upgrade

                upgrade(self._engine)

    def _is_empty(self) -> bool:
        with self._reader.connect() as connected:
            return not sa.inspect(connected).get_table_names()

    def _create(self) -> None:
        """Make all tables as they are declared, at this revision: a quarter of what the migrations take."""
        with self._engine.begin() as connected:
            metadata.create_all(connected)
            _REVISIONS.create(connected)
            connected.execute(_REVISIONS.insert().values(version_num=REVISION))


def to_micros(moment: datetime | None) -> int | None:
    """Return a timestamp as stored in the state: UTC microseconds."""
    return None if moment is None else timestamps.to_micros(moment)


def from_micros(value: int | None) -> datetime | None:
    """Return a stored timestamp as a datetime in UTC."""
    return None if value is None else timestamps.from_micros(value)


def moment(value: int) -> datetime:
    """Return a stored timestamp, which is not null, as a datetime in UTC."""
    return timestamps.from_micros(value)


def _engine(url: str) -> sa.Engine:
    if not url.startswith("sqlite"):
        return _server_engine(url)
    path = _parsed(url).database
    if path:
        _private_file(Path(path))
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_SECONDS})

    @sa.event.listens_for(engine, "connect")
    def _on_connect(dbapi_connection, _record) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        dbapi_connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            dbapi_connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _on_begin(connected: sa.Connection) -> None:
        reads = connected.get_execution_options().get(_READ_ONLY, False)
        connected.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def _parsed(url: str) -> sa.URL:
    try:
        return sa.make_url(url)
    except sa.exc.ArgumentError as error:
        remedy = "Set MODELOPS_STATE_URL to a valid SQLAlchemy URL"
        raise SettingsError("The state database's URL does not parse", remedy) from error


def _server_engine(url: str) -> sa.Engine:
    shown = _parsed(url).render_as_string(hide_password=True)
    try:
        return sa.create_engine(url, isolation_level="SERIALIZABLE", pool_pre_ping=True)
    except (sa.exc.ArgumentError, ImportError) as error:
        raise SettingsError(
            f"No driver is installed for the state database {shown} ({error})",
            "Install its driver, or correct MODELOPS_STATE_URL",
        ) from error


def _private_file(path: Path) -> None:
    """Create the file for this user only, if it is missing: it contains the key that seals request ids.

    An existing file is not opened: closing it would release the locks that SQLite holds on it (POSIX locks belong to
    the process), and the next process to close the database would delete our journal.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        if not os.access(path, os.R_OK | os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise SettingsError(
            f"The state database {path} cannot be opened for writing ({error.strerror})",
            "Give this user write access to it, or set MODELOPS_HOME to another folder",
        ) from error


def _lock_path(url: str) -> Path:
    database = sa.make_url(url).database or "state"
    folder = Path(database).parent if url.startswith("sqlite") else Path(os.environ.get("MODELOPS_HOME", ".modelops"))
    return folder / "locks" / "state.migration.lock"


def _translated(error: sa.exc.DatabaseError, url: str) -> Exception:
    """Return our error for a known error of the database; other errors are returned unchanged."""
    problem = str(error.orig)
    shown = sa.make_url(url).render_as_string(hide_password=True)
    if "locked" in problem:
        return BusyError(
            f"The state database {shown} has been locked by another process for over {BUSY_SECONDS} s",
            "End the process that holds the lock, such as a backup or a shell, then try again",
        )
    if "readonly" in problem or "unable to open" in problem:
        return SettingsError(
            f"The state database {shown} cannot be written ({problem})",
            "Give this user write access to the file and its folder, or set MODELOPS_HOME to another folder",
        )
    if "not a database" in problem or "malformed" in problem:
        return SchemaError(f"The state database {shown} is corrupt ({problem})", "Restore it from a backup")
    return error
