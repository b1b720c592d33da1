"""OpenLineage events that are to be sent, in their order; each is told once, and kept without its text once it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from modelops_pipelines.store.state.database import Database, moment, to_micros
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

_EVENTS = STATE_TABLES["lineage_events"]
_WAITING = _EVENTS.c.finished_at.is_(None)


@dataclass(frozen=True)
class LineageEvent:
    """An event that waits to be sent."""

    id: int
    key: str
    endpoint: str
    event: Mapping[str, Any]
    attempts: int
    due_at: datetime


class LineageEvents:
    """The store of events. Each write is one transaction."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def known_keys(self) -> set[str]:
        """Return the keys of all events, sent or not."""
        with self._database.read() as connected:
            return set(connected.scalars(sa.select(_EVENTS.c.key)))

    def add(self, events: Sequence[tuple[str, str, Mapping[str, Any]]], now: datetime) -> int:
        """Write events (key, endpoint, event) in their order, without those whose key is known; return how many."""
        with self._database.begin() as connected:
            wanted = [key for key, _, _ in events]
            known = {one for one in connected.scalars(sa.select(_EVENTS.c.key)) if one in set(wanted)}
            at = to_micros(now)
            rows = [
                {"key": key, "endpoint": endpoint, "event": dict(event), "at": at, "attempts": 0, "due_at": at}
                for key, endpoint, event in events
                if key not in known
            ]
            if rows:
                connected.execute(sa.insert(_EVENTS), rows)
        return len(rows)

    def next(self) -> LineageEvent | None:
        """Return the oldest event that waits, whether or not it is due: later ones wait for it."""
        query = sa.select(_EVENTS).where(_WAITING).order_by(_EVENTS.c.id).limit(1)
        with self._database.read() as connected:
            row = connected.execute(query).mappings().first()
        if row is None:
            return None
        values = {name: row[name] for name in ("id", "key", "endpoint", "event", "attempts")}
        return LineageEvent(**values, due_at=moment(row["due_at"]))

    def waiting(self) -> int:
        """Return how many events wait."""
        with self._database.read() as connected:
            return connected.scalar(sa.select(sa.func.count()).select_from(_EVENTS).where(_WAITING)) or 0

    def finish(self, number: int, now: datetime, refused: str | None = None) -> None:
        """Record that an event is sent, or that its receiver will never take it; its text is deleted."""
        done = {"event": sa.null(), "finished_at": to_micros(now), "last_error": refused}
        self._update(number, {**done, "attempts": _EVENTS.c.attempts + 1})

    def postpone(self, number: int, error: str, due_at: datetime) -> None:
        """Record a failed attempt, and when to try again."""
        self._update(number, {"attempts": _EVENTS.c.attempts + 1, "last_error": error, "due_at": to_micros(due_at)})

    def refused(self) -> list[tuple[str, str]]:
        """Return key and reason of the events that their receiver did not take."""
        query = sa.select(_EVENTS.c.key, _EVENTS.c.last_error).order_by(_EVENTS.c.id)
        query = query.where(_EVENTS.c.finished_at.is_not(None), _EVENTS.c.last_error.is_not(None))
        with self._database.read() as connected:
            return [(row.key, row.last_error) for row in connected.execute(query)]

    def _update(self, number: int, values: Mapping[str, Any]) -> None:
        with self._database.begin() as connected:
            connected.execute(_EVENTS.update().where(_EVENTS.c.id == number).values(**values))
