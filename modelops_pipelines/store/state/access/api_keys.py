"""The stored API keys, and a counter that tells workers at low cost when to reload them."""

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from modelops_pipelines.core.access.api_keys import (
    ACTIVE,
    ENTROPY_BYTES,
    Grant,
    IssuedKey,
    Key,
    digest_of,
    id_of,
    key_text,
)
from modelops_pipelines.core.errors import ConflictError, InputError, StateError, UnknownError
from modelops_pipelines.store.state.database import GENERATION, Database, from_micros, moment, to_micros
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

_KEYS = STATE_TABLES["keys"]
_SETTINGS = STATE_TABLES["settings"]


class Keys:
    """The store of API keys. Each change is one transaction, which also increments the generation."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def create(self, grant: Grant, *, now: datetime, actor: str, expires_at: datetime | None = None) -> IssuedKey:
        """Create a key and return it with its text, which is not stored; raises InputError for a past expiry."""
        if expires_at is not None and expires_at <= now:
            raise InputError(f"The expiry of the key {grant.name!r} is in the past", "Use a future time")
        issued = _issued(grant, now, actor, expires_at, None)
        with self._database.begin() as connected:
            _insert(connected, issued.key)
            _increment_generation(connected)
            self._database.remember(connected, has_keys=True)
        return issued

    def list(self) -> Sequence[Key]:
        """Return all keys, expired and revoked ones too, oldest first."""
        return self.snapshot()[1]

    def get(self, key_id: str, may: Callable[[Key], bool] = lambda _: True) -> Key:
        """Return a key; raises UnknownError, also for one that the caller may not see (``may``)."""
        with self._database.read() as connected:
            key = _get(connected, key_id)
        if not may(key):
            raise _unknown(key_id)
        return key

    def rotate(self, key_id: str, overlap: timedelta, *, now: datetime, actor: str) -> IssuedKey:
        """Create a key that replaces another, which stays active for at most the overlap.

        The new key has the same roles, scope and lifetime. Raises UnknownError, and ConflictError for a key that is
        revoked, expired or replaced already.
        """
        if overlap < timedelta(0):
            raise InputError(f"The overlap {overlap} is negative", "Use 0 or more: how long the old key stays active")
        with self._database.begin() as connected:
            old = _get(connected, key_id)
            _check_rotatable(connected, old, now)
            lifetime = None if old.expires_at is None else old.expires_at - old.created_at
            expires_at = None if lifetime is None else now + lifetime
            same = Grant(old.name, old.roles, old.mode, old.endpoints, old.team)
            issued = _issued(same, now, actor, expires_at, key_id)
            _insert(connected, issued.key)
            ends = min(now + overlap, old.expires_at or now + overlap)
            _update(connected, key_id, expires_at=to_micros(ends))
        return issued

    def revoke(self, key_id: str, now: datetime) -> Key:
        """Revoke a key immediately and permanently. Idempotent. Raises UnknownError."""
        with self._database.begin() as connected:
            key = _get(connected, key_id)
            if key.revoked_at is not None:
                return key
            _update(connected, key_id, revoked_at=to_micros(now))
        return replace(key, revoked_at=now)

    def generation(self) -> int:
        """Return a number that increases with every change; 0 before the first key."""
        with self._database.read() as connected:
            return _generation(connected)

    def snapshot(self) -> tuple[int, Sequence[Key]]:
        """Return the generation and its keys, oldest first.

        Raises StateError when keys were created and none is there: that is not the same as a home without keys.
        """
        query = sa.select(_KEYS).order_by(_KEYS.c.created_at, _KEYS.c.key_id)
        with self._database.read() as connected:
            self._database.require_own(connected)
            keys = [_key(row) for row in connected.execute(query).mappings()]
            generation = _generation(connected)
        mark = self._database.installation.mark()
        if not keys and (generation or (mark is not None and mark.has_had_keys)):
            raise StateError(
                "The state database has lost its API keys: this home has had keys, and none is there",
                "Restore it from a backup, or create a new key: modelops key create NAME --role admin",
            )
        return generation, keys


def _issued(grant: Grant, now: datetime, actor: str, expires_at: datetime | None, replaces: str | None) -> IssuedKey:
    text = key_text(grant.mode, secrets.token_bytes(ENTROPY_BYTES))
    key = Key(
        key_id=str(id_of(text)),
        name=grant.name,
        mode=grant.mode,
        roles=grant.roles,
        endpoints=grant.endpoints,
        digest=digest_of(text),
        created_at=now,
        created_by=actor,
        expires_at=expires_at,
        replaces=replaces,
        team=grant.team,
    )
    return IssuedKey(key, text)


def _check_rotatable(connected: sa.Connection, key: Key, now: datetime) -> None:
    status = key.status(now)
    if status != ACTIVE:
        raise ConflictError(f"The key {key.key_id} ({key.name}) is {status}", "Create a new one: modelops key create")
    newer = connected.scalar(sa.select(_KEYS.c.key_id).where(_KEYS.c.replaces == key.key_id))
    if newer is not None:
        raise ConflictError(
            f"The key {key.key_id} ({key.name}) was replaced by {newer} already", f"Rotate {newer}, or create a new key"
        )


def _insert(connected: sa.Connection, key: Key) -> None:
    times = {name: to_micros(getattr(key, name)) for name in ("created_at", "expires_at", "revoked_at")}
    connected.execute(_KEYS.insert().values(**{**asdict(key), **times}))


def _update(connected: sa.Connection, key_id: str, **values: int | None) -> None:
    connected.execute(_KEYS.update().where(_KEYS.c.key_id == key_id).values(**values))
    _increment_generation(connected)


def _get(connected: sa.Connection, key_id: str) -> Key:
    row = connected.execute(sa.select(_KEYS).where(_KEYS.c.key_id == key_id)).mappings().first()
    if row is None:
        raise _unknown(key_id)
    return _key(row)


def _unknown(key_id: str) -> UnknownError:
    return UnknownError(f"There is no key {key_id[:80]!r}", "Use a key id from: modelops key list")


def _key(row: RowMapping) -> Key:
    values = {
        **row,
        "roles": tuple(row["roles"]),
        "endpoints": None if row["endpoints"] is None else tuple(row["endpoints"]),
        "created_at": moment(row["created_at"]),
        "expires_at": from_micros(row["expires_at"]),
        "revoked_at": from_micros(row["revoked_at"]),
    }
    return Key(**values)


def _generation(connected: sa.Connection) -> int:
    return int(connected.scalar(sa.select(_SETTINGS.c.value).where(_SETTINGS.c.name == GENERATION)) or 0)


def _increment_generation(connected: sa.Connection) -> None:
    """Give the keys another generation: one that they had in no earlier state, from which a backup may come."""
    generation = max(_generation(connected) + 1, time.time_ns() // 1000)
    connected.execute(_SETTINGS.delete().where(_SETTINGS.c.name == GENERATION))
    connected.execute(_SETTINGS.insert().values(name=GENERATION, value=str(generation)))
