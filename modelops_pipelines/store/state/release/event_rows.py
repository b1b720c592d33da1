"""The rows of the history: an event is appended with its hash, and read back, or told as damaged."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from modelops_pipelines.core.errors import SchemaError
from modelops_pipelines.core.release.event_log import GENESIS, Event
from modelops_pipelines.store.state.database import moment, to_micros
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

_EVENTS = STATE_TABLES["events"]
_SETTINGS = STATE_TABLES["settings"]
HEAD = "seal of the newest event"
NOTED = "events are noted beside the database"
_EVIDENCE = sa.cast(_EVENTS.c.evidence, sa.Text).label("evidence")
"""As text: a damaged one is told with its event's number."""
_COLUMNS = [_EVIDENCE if column.name == "evidence" else column for column in _EVENTS.columns]


def append_event(connected: sa.Connection, event: Event) -> Event:
    """Append the event with its hash, no earlier than the previous event; return it as it was written."""
    query = sa.select(_EVENTS.c.number, _EVENTS.c.hash, _EVENTS.c.at).order_by(_EVENTS.c.number.desc()).limit(1)
    last = connected.execute(query).first()
    number, previous = (1, GENESIS) if last is None else (last.number + 1, last.hash)
    at = event.at if last is None else max(event.at, moment(last.at))
    linked = Event(**{**event.__dict__, "number": number, "previous_hash": previous, "at": at})
    values = {**linked.__dict__, "at": to_micros(at), "evidence": dict(linked.evidence), "hash": linked.hash}
    connected.execute(_EVENTS.insert().values(**values))
    for name, value in ((HEAD, linked.hash), (NOTED, "yes")):
        connected.execute(_SETTINGS.delete().where(_SETTINGS.c.name == name))
        connected.execute(_SETTINGS.insert().values(name=name, value=value))
    return linked


def read_events(connected: sa.Connection, endpoint: str | None = None) -> list[tuple[Event, str]]:
    """Return an endpoint's events, or all of them, oldest first, with their stored hashes; raises SchemaError."""
    query = sa.select(*_COLUMNS).order_by(_EVENTS.c.number)
    if endpoint is not None:
        query = query.where(_EVENTS.c.endpoint == endpoint)
    return [_event(row) for row in connected.execute(query).mappings()]


def newest_events(connected: sa.Connection, endpoint: str, before: int | None, limit: int) -> list[tuple[Event, str]]:
    """Return at most ``limit`` of an endpoint's events with their hashes, newest first, below the number ``before``.

    Raises SchemaError.
    """
    query = sa.select(*_COLUMNS).where(_EVENTS.c.endpoint == endpoint).order_by(_EVENTS.c.number.desc()).limit(limit)
    if before is not None:
        query = query.where(_EVENTS.c.number < before)
    return [_event(row) for row in connected.execute(query).mappings()]


def replaced_since(connected: sa.Connection, since: datetime) -> set[str]:
    """Return the endpoints on which a version took another one's place, or part of its traffic, since a moment."""
    took_over = sa.and_(_EVENTS.c.from_version.is_not(None), _EVENTS.c.from_version != _EVENTS.c.to_version)
    query = sa.select(_EVENTS.c.endpoint).distinct().where(_EVENTS.c.at >= to_micros(since), took_over)
    return set(connected.scalars(query))


def versions_of_events(connected: sa.Connection, endpoints: Iterable[str]) -> dict[str, set[str]]:
    """Return the versions that each of these endpoints' events lead to."""
    found: dict[str, set[str]] = {name: set() for name in endpoints}
    query = sa.select(_EVENTS.c.endpoint, _EVENTS.c.to_version).distinct()
    for row in connected.execute(query.where(_EVENTS.c.endpoint.in_(list(found)))):
        found[row.endpoint].add(row.to_version)
    return found


def _event(row: RowMapping) -> tuple[Event, str]:
    try:
        values = {name: value for name, value in row.items() if name != "hash"}
        event = Event(**{**values, "at": moment(row["at"]), "evidence": json.loads(row["evidence"])})
        _check_types(event)
    except (TypeError, ValueError, OverflowError, AttributeError) as error:
        raise SchemaError(
            f"Event {row['number']} of the history is damaged ({type(error).__name__})",
            "Compare the state database with a backup, and restore it: modelops doctor checks it",
        ) from error
    return event, str(row["hash"])


def _check_types(event: Event) -> None:
    """Raise TypeError when a value is not what an event holds; SQLite stores any type in any column."""
    texts = (event.endpoint, event.actor, event.action, event.to_version, event.reason, event.previous_hash)
    live = event.evidence.get("live", {"status": "", "variants": []})
    sound = all(isinstance(one, str) for one in texts) and isinstance(event.from_version, str | None)
    sound = sound and isinstance(event.number, int) and isinstance(event.generation, int)
    sound = sound and isinstance(live, Mapping) and isinstance(live.get("variants"), list)
    if not sound:
        raise TypeError
