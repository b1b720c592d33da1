"""The state database: one engine, one way to begin a transaction, and its migrations.

SQLite by default, in WAL mode and with BEGIN IMMEDIATE, because a deferred BEGIN fails with 'database is locked' when
two writers compete. Postgres by changing the URL.

A state that is gone is never taken for a new one (decision 28): the database is created only for a home without a mark,
connecting creates no file, and a file that takes the place of another must hold this home's secret.
"""

import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from modelops_pipelines.core import timestamps
from modelops_pipelines.core.errors import SchemaError, SettingsError, StateError, UnavailableError
from modelops_pipelines.store.filesystem.files import exclusive
from modelops_pipelines.store.filesystem.sqlite_files import truncate_journal
from modelops_pipelines.store.state.engine import (
    READ_ONLY,
    checked_file,
    lock_path,
    make_engine,
    private_file,
    require_access,
)
from modelops_pipelines.store.state.faults import RESTORE, foreign, lost, shown, translated
from modelops_pipelines.store.state.installation import Installation, fingerprint_of
from modelops_pipelines.store.state.sql_tables import STATE_TABLES, metadata

REVISION = "0014"
SEAL = "seal"
GENERATION = "keys_generation"
PLACE = "home"
"""The setting with the folder of the home: a state that is found in another one was moved, copied or restored."""
_SETTINGS = STATE_TABLES["settings"]
_WORKERS, _ACKS = STATE_TABLES["workers"], STATE_TABLES["acknowledgements"]
_REVISIONS = sa.Table(
    "alembic_version", sa.MetaData(), sa.Column("version_num", sa.String(32), primary_key=True, nullable=False)
)
"""Where Alembic keeps the revision."""


class Database:
    """The state database, at this code's revision. An older one is upgraded; a newer one raises SchemaError.

    Every method raises StateError for a state that is gone, damaged or another home's, BusyError while another writer
    blocks it for too long, UnavailableError while its server does not answer or its disk is full.
    """

    def __init__(self, url: str, installation: Installation | None = None) -> None:
        """Connect, and create or migrate under a lock; raises SettingsError, SchemaError and the errors above.

        It is created only where ``installation``, the home's mark, says that there never was one.
        """
        self.url, self.installation = url, installation or Installation()
        self._path = checked_file(url)
        if self._path is not None:
            self._prepare_file(self._path)
        self._engine = make_engine(url, self._path)
        self._reader = self._engine.execution_options(**{READ_ONLY: True})
        self._file = self._file_id()
        if self._revision() != REVISION:
            self._migrate()
        self._adopt()

    @property
    def home(self) -> Path | None:
        """The home that this is the state of; None without one."""
        return self.installation.home

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """Run the block in a transaction."""
        self._require_own_file()
        with self._translating(), self._engine.begin() as connected:
            yield connected

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Run the block on one snapshot, without the write lock: a reader never waits for a writer."""
        self._require_own_file()
        with self._translating(), self._reader.begin() as connected:
            yield connected

    def secret(self) -> bytes:
        """Return the key that seals this installation's request ids."""
        with self.read() as connected:
            return bytes.fromhex(self.require_own(connected))

    def require_own(self, connected: sa.Connection) -> str:
        """Return this database's secret; raises StateError when it is gone, or not the one of this home."""
        found = _setting(connected, SEAL)
        mark = self.installation.mark()
        if found is None:
            raise lost(self.url, "has no secret", self._anew())
        if mark is not None and fingerprint_of(found) != mark.fingerprint:
            raise StateError(
                f"The state database {shown(self.url)} is that of another home: it has another secret",
                f"{RESTORE}, or correct MODELOPS_STATE_URL; to use this one, {self.installation.describe()}",
            )
        return found

    def check(self) -> None:
        """Read the whole file of a SQLite database; raises StateError for any damage."""
        if self._path is None:
            return
        with self.read() as connected:
            [found, *_] = connected.execute(sa.text("PRAGMA quick_check(1)")).scalars()
            missing = sorted(set(STATE_TABLES) - set(sa.inspect(connected).get_table_names()))
        problem = f"has no table {missing[0]}" if missing else found.splitlines()[-1]
        if problem != "ok":
            raise StateError(f"The state database {shown(self.url)} is corrupt ({problem})", RESTORE)

    def forget_deleted(self, patience: float) -> None:
        """Leave no bytes of deleted rows in the files of a SQLite database; raises BusyError while a reader blocks it.

        The rows' pages are overwritten as they are deleted; the journal has them until it is emptied.
        """
        if self._path is not None:
            self._require_own_file()
            truncate_journal(self._path, patience)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.DBAPIError as error:
            raise translated(error, self.url) from error

    def _prepare_file(self, path: Path) -> None:
        """Create the empty file where there never was a state; raises StateError where there was one."""
        if self.installation.mark() is None:
            private_file(path)
        else:
            self._file_id()
            require_access(path)

    def _anew(self) -> str:
        return f"{self.installation.describe()} and the database, if there is one"

    def _file_id(self) -> tuple[int, int] | None:
        """Return what tells the database's file from another at its path; None for a server."""
        if self._path is None:
            return None
        try:
            status = self._path.stat()
        except FileNotFoundError as error:
            raise lost(self.url, "is missing", self._anew()) from error
        except OSError as error:
            raise SettingsError(
                f"The state database {shown(self.url)} cannot be read ({error.strerror})", "Give this user access to it"
            ) from error
        if not status.st_size and self.installation.mark() is not None:
            raise lost(self.url, "is empty", self._anew())
        return status.st_dev, status.st_ino

    def _require_own_file(self) -> None:
        """Raise StateError when the file is gone; connect again when another took its place, such as a backup."""
        found = self._file_id()
        if found == self._file:
            return
        self._file = None  # until it is known: the file's number is given again once nobody has it open
        self._engine.dispose()
        if self._revision() != REVISION:
            raise lost(self.url, "was replaced by one that is empty or of another release", self._anew())
        with self._translating(), self._reader.begin() as connected:
            self.require_own(connected)
        self._file = found

    def _revision(self) -> str | None:
        with self._translating(), self._reader.connect() as connected:
            if not sa.inspect(connected).has_table("alembic_version"):
                return None
            revision: str | None = connected.scalar(sa.text("SELECT version_num FROM alembic_version"))
        if revision is not None and not revision.isdecimal():
            raise foreign(self.url)
        return revision

    def _migrate(self) -> None:
        revision = self._revision()
        if revision is not None and revision > REVISION:
            raise SchemaError(
                f"The state database is at revision {revision}, but this release supports {REVISION}",
                "Run the newer release that wrote it: a downgrade would lose data",
            )
        with exclusive(lock_path(self.url), "the state database's migration"), self._translating():
            if self._is_empty():
                self._create()
            elif self._revision() is None:
                raise foreign(self.url)
            else:
                from modelops_pipelines.store.state.migrations.run import upgrade

                upgrade(self._engine)

    def _is_empty(self) -> bool:
        with self._reader.connect() as connected:
            return not sa.inspect(connected).get_table_names()

    def _create(self) -> None:
        """Make all tables as they are declared, at this revision: a quarter of what the migrations take."""
        if self.installation.mark() is not None:
            raise lost(self.url, "is empty", self._anew())
        with self._engine.begin() as connected:
            metadata.create_all(connected)
            _REVISIONS.create(connected)
            connected.execute(_REVISIONS.insert().values(version_num=REVISION))
            connected.execute(_SETTINGS.insert().values(name=SEAL, value=secrets.token_hex(32)))
            if self._is_in_home():
                connected.execute(_SETTINGS.insert().values(name=PLACE, value=str(self.home)))

    def _is_in_home(self) -> bool:
        return self._path is not None and self._path.parent == self.home

    def _settle(self, before: str | None) -> None:
        """Record where the home is now; the workers of the home that it was copied from are none of this one."""
        with self.begin() as connected:
            if before is not None:
                here = _WORKERS.c.process.startswith(f"{socket.gethostname()}:", autoescape=True)
                origins = sa.select(_WORKERS.c.worker).where(here)
                connected.execute(_ACKS.delete().where(_ACKS.c.worker.in_(origins)))
                connected.execute(_WORKERS.delete().where(here))
            connected.execute(_SETTINGS.delete().where(_SETTINGS.c.name == PLACE))
            connected.execute(_SETTINGS.insert().values(name=PLACE, value=str(self.home)))

    def _adopt(self) -> None:
        """Require this home's own database; a home without a mark takes this one for its own."""
        with self.read() as connected:
            is_sealed, place = _setting(connected, SEAL) is not None, _setting(connected, PLACE)
        is_marked = self.installation.mark() is not None
        if not is_sealed and not is_marked:  # earlier releases made the secret at its first use
            with self.begin() as connected:
                if _setting(connected, SEAL) is None:
                    connected.execute(_SETTINGS.insert().values(name=SEAL, value=secrets.token_hex(32)))
        with self.read() as connected:
            if is_marked:
                self.require_own(connected)
            else:
                self.remember(connected, has_keys=_setting(connected, GENERATION) is not None)
        if self._is_in_home() and place != str(self.home):
            self._settle(place)

    def remember(self, connected: sa.Connection, *, has_keys: bool) -> None:
        """Write the home's mark before the transaction that it belongs to commits; raises UnavailableError."""
        try:
            self.installation.remember(fingerprint_of(self.require_own(connected)), has_keys=has_keys)
        except OSError as error:
            raise UnavailableError(
                f"The home's mark cannot be written ({error.strerror})", "Free disk space, then try again"
            ) from error


def _setting(connected: sa.Connection, name: str) -> str | None:
    found: str | None = connected.scalar(sa.select(_SETTINGS.c.value).where(_SETTINGS.c.name == name))
    return found


def to_micros(moment: datetime | None) -> int | None:
    """Return a timestamp as stored in the state: UTC microseconds."""
    return None if moment is None else timestamps.to_micros(moment)


def from_micros(value: int | None) -> datetime | None:
    """Return a stored timestamp as a datetime in UTC."""
    return None if value is None else timestamps.from_micros(value)


def moment(value: int) -> datetime:
    """Return a stored timestamp, which is not null, as a datetime in UTC."""
    return timestamps.from_micros(value)
