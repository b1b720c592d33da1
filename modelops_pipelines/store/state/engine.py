"""Opens the state database's engine: SQLite on a file that exists, or a server."""

import errno
import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa

from modelops_pipelines.core.errors import SettingsError
from modelops_pipelines.store.state import faults

READ_ONLY = "modelops_read_only"
"""The execution option of a transaction that takes no write lock."""


def checked_file(url: str) -> Path | None:
    """Return the file of a SQLite database, None for a server; raises SettingsError for a URL that does not parse."""
    _parsed(url)
    return faults.file_of(url)


def make_engine(url: str, path: Path | None) -> sa.Engine:
    """Return the engine; the file must exist. Raises SettingsError when a server's driver is missing."""
    if not url.startswith("sqlite"):
        return _server_engine(url)
    if path is None:
        engine = sa.create_engine(url, connect_args={"timeout": faults.BUSY_SECONDS})
    else:
        engine = sa.create_engine(url, creator=lambda: _open_existing(path))

    @sa.event.listens_for(engine, "connect")
    def _on_connect(dbapi_connection, _record) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        dbapi_connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
            dbapi_connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _on_begin(connected: sa.Connection) -> None:
        reads = connected.get_execution_options().get(READ_ONLY, False)
        connected.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def _open_existing(path: Path) -> sqlite3.Connection:
    """Connect without creating the file: SQLite would make an empty database in the place of one that is gone."""
    return sqlite3.connect(
        f"file:{quote(str(path))}?mode=rw", uri=True, timeout=faults.BUSY_SECONDS, check_same_thread=False
    )


def _parsed(url: str) -> sa.URL:
    try:
        return sa.make_url(url)
    except sa.exc.ArgumentError as error:
        remedy = "Set MODELOPS_STATE_URL to a valid SQLAlchemy URL"
        raise SettingsError("The state database's URL does not parse", remedy) from error


def _server_engine(url: str) -> sa.Engine:
    _parsed(url)
    try:
        return sa.create_engine(url, isolation_level="SERIALIZABLE", pool_pre_ping=True)
    except (sa.exc.ArgumentError, ImportError) as error:
        raise SettingsError(
            f"No driver is installed for the state database {faults.shown(url)} ({error})",
            "Install its driver, or correct MODELOPS_STATE_URL",
        ) from error


def private_file(path: Path) -> None:
    """Create the file for this user only, if it is missing: it contains the key that seals request ids.

    An existing file is not opened: closing it would release the locks that SQLite holds on it (POSIX locks belong to
    the process), and the next process to close the database would delete our journal.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except OSError as error:
        raise _inaccessible(path, error) from error
    require_access(path)


def require_access(path: Path) -> None:
    """Raise SettingsError unless this user may read and write the file."""
    if not os.access(path, os.R_OK | os.W_OK):
        raise _inaccessible(path, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))


def _inaccessible(path: Path, error: OSError) -> SettingsError:
    return SettingsError(
        f"The state database {path} cannot be opened for writing ({error.strerror})",
        "Give this user write access to it, or set MODELOPS_HOME to another folder",
    )


def lock_path(url: str) -> Path:
    """Return the lock of the database's migration."""
    database = sa.make_url(url).database or "state"
    folder = Path(database).parent if url.startswith("sqlite") else Path(os.environ.get("MODELOPS_HOME", ".modelops"))
    return folder / "locks" / "state.migration.lock"
