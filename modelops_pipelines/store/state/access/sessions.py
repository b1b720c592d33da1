"""The stored sessions of people who are signed in to the pages."""

import secrets
from dataclasses import asdict
from datetime import datetime

import sqlalchemy as sa

from modelops_pipelines.core.access.api_keys import Role
from modelops_pipelines.core.access.sessions import LIFETIME, Session, digest_of
from modelops_pipelines.core.errors import ConflictError
from modelops_pipelines.store.state.database import Database, from_micros, moment, to_micros
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

_SESSIONS, _SETTINGS = STATE_TABLES["sessions"], STATE_TABLES["settings"]
MAPPING = "identity_mapping"
"""The setting with the digest of the mapping by which sessions are begun; absent: no provider begins any."""
_BYTES = 32


class Sessions:
    """The store of sessions. Each change is one transaction."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def begin_by_key(self, key_id: str, name: str, now: datetime) -> tuple[str, Session]:
        """Begin a session of whoever has this key; return the cookie's value, which is not stored, and the session."""
        return self._begin(name, now, key_id=key_id)

    def begin_by_provider(
        self, name: str, roles: tuple[Role, ...], teams: tuple[str, ...] | None, now: datetime, *, mapping: str
    ) -> tuple[str, Session]:
        """Begin a session of a person whom a provider of identities names; return what ``begin_by_key`` returns.

        ``mapping`` is the digest of what gave the roles; raises ConflictError when it is not in force any more.
        """
        return self._begin(name, now, roles=roles, teams=teams, mapping=mapping)

    def follow_mapping(self, mapping: str | None, now: datetime) -> None:
        """Put the mapping of a provider into force; the sessions that another one began end at once.

        ``mapping`` is its digest; None where there is no provider.
        """
        with self._database.read() as connected:
            if _mapping(connected) == mapping:
                return
        theirs = sa.and_(_SESSIONS.c.key_id.is_(None), _SESSIONS.c.ended_at.is_(None))
        with self._database.begin() as connected:
            if _mapping(connected) == mapping:
                return  # another worker was first
            connected.execute(_SESSIONS.update().where(theirs).values(ended_at=to_micros(now)))
            connected.execute(_SETTINGS.delete().where(_SETTINGS.c.name == MAPPING))
            if mapping is not None:
                connected.execute(_SETTINGS.insert().values(name=MAPPING, value=mapping))

    def find(self, value: str, now: datetime) -> Session | None:
        """Return the session of this cookie; None for an unknown one, and one that is over."""
        with self._database.read() as connected:
            query = sa.select(_SESSIONS).where(_SESSIONS.c.digest == digest_of(value))
            row = connected.execute(query).mappings().first()
        if row is None:
            return None
        found = Session(
            **{
                **row,
                "roles": None if row["roles"] is None else tuple(row["roles"]),
                "teams": None if row["teams"] is None else tuple(row["teams"]),
                "created_at": moment(row["created_at"]),
                "expires_at": moment(row["expires_at"]),
                "ended_at": from_micros(row["ended_at"]),
            }
        )
        return None if found.is_over(now) else found

    def end(self, value: str, now: datetime) -> None:
        """End the session of this cookie, on every worker at once. Idempotent; an unknown one is none."""
        mine = sa.and_(_SESSIONS.c.digest == digest_of(value), _SESSIONS.c.ended_at.is_(None))
        with self._database.begin() as connected:
            connected.execute(_SESSIONS.update().where(mine).values(ended_at=to_micros(now)))

    def _begin(
        self,
        name: str,
        now: datetime,
        *,
        key_id: str | None = None,
        roles: tuple[Role, ...] | None = None,
        teams: tuple[str, ...] | None = None,
        mapping: str | None = None,
    ) -> tuple[str, Session]:
        value = secrets.token_urlsafe(_BYTES)
        session = Session(digest_of(value), name, key_id, roles, teams, now, now + LIFETIME)
        times = {field: to_micros(getattr(session, field)) for field in ("created_at", "expires_at", "ended_at")}
        with self._database.begin() as connected:
            if mapping is not None and _mapping(connected) != mapping:
                raise ConflictError(
                    "The sign-in file has changed since this worker of the gateway started", "Restart the gateway"
                )
            connected.execute(_SESSIONS.insert().values(**{**asdict(session), **times}))
        return value, session


def _mapping(connected: sa.Connection) -> str | None:
    found: str | None = connected.scalar(sa.select(_SETTINGS.c.value).where(_SETTINGS.c.name == MAPPING))
    return found
