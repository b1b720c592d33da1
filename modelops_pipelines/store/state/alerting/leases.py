"""What only one process does at a time, such as delivering messages; and the beats of those that watch."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from modelops_pipelines.store.filesystem.process_identity import is_gone
from modelops_pipelines.store.state.database import Database, moment, to_micros
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

_LEASES = STATE_TABLES["leases"]


@dataclass(frozen=True)
class Lease:
    """Who does something, when it last said so, and until when no other process does it."""

    name: str
    owner: str
    beat_at: datetime
    until: datetime


class Leases:
    """The store of leases. Each write is one transaction."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def take(self, name: str, owner: str, now: datetime, seconds: float) -> bool:
        """Take or keep a lease for so long; False while another process holds it.

        It is free when it has run out, or when its holder is a process of this host that has ended. A holder that
        calls this often writes only when half of the time is over.
        """
        found = self._find(name)
        if not _is_free(found, owner, now):
            return False
        span = timedelta(seconds=seconds)
        if found is not None and found.owner == owner and found.until - now > span / 2 and found.beat_at <= now:
            return True
        with self._database.begin() as connected:
            if not _is_free(_read(connected, name), owner, now):
                return False
            _write(connected, Lease(name, owner, now, now + span))
        return True

    def release(self, name: str, owner: str) -> None:
        """Give a lease back, so that another process may take it at once; nothing when it is another's."""
        with self._database.begin() as connected:
            connected.execute(_LEASES.delete().where(_LEASES.c.name == name, _LEASES.c.owner == owner))

    def beat(self, name: str, owner: str, now: datetime, every: float) -> None:
        """Say that something is still done; it is written when the last beat is at least ``every`` seconds old."""
        found = self._find(name)
        if found is not None and abs(now - found.beat_at) < timedelta(seconds=every):
            return
        with self._database.begin() as connected:
            _write(connected, Lease(name, owner, now, now))

    def forget(self, name: str) -> None:
        """Forget a lease or beat, whoever's it is."""
        with self._database.begin() as connected:
            connected.execute(_LEASES.delete().where(_LEASES.c.name == name))

    def beats(self) -> dict[str, Lease]:
        """Return all leases and beats by their name."""
        with self._database.read() as connected:
            return {row.name: _lease(row) for row in connected.execute(sa.select(_LEASES))}

    def _find(self, name: str) -> Lease | None:
        with self._database.read() as connected:
            return _read(connected, name)


def _is_free(found: Lease | None, owner: str, now: datetime) -> bool:
    return found is None or found.owner == owner or found.until <= now or is_gone(found.owner) is True


def _read(connected: sa.Connection, name: str) -> Lease | None:
    row = connected.execute(sa.select(_LEASES).where(_LEASES.c.name == name)).first()
    return None if row is None else _lease(row)


def _write(connected: sa.Connection, lease: Lease) -> None:
    connected.execute(_LEASES.delete().where(_LEASES.c.name == lease.name))
    times = {"beat_at": to_micros(lease.beat_at), "until": to_micros(lease.until)}
    connected.execute(_LEASES.insert().values(name=lease.name, owner=lease.owner, **times))


def _lease(row: sa.Row[tuple[str, str, int, int]]) -> Lease:
    return Lease(row.name, row.owner, moment(row.beat_at), moment(row.until))
