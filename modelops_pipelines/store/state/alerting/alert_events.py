"""The history of each alert: what happened to it, when, by whom. It is added to, and never changed."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, replace
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from modelops_pipelines.core.alerting.alerts import AlertEvent
from modelops_pipelines.core.alerting.events import ACKNOWLEDGED, BEGINNINGS, OPENINGS
from modelops_pipelines.core.alerting.records import EventRecord
from modelops_pipelines.store.state.alerting.notifications import withdraw_escalations, write_notification
from modelops_pipelines.store.state.database import Database, moment, to_micros
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

_EVENTS = STATE_TABLES["alert_events"]
_AT_ONCE = 500
"""Numbers per statement, because SQLite limits the number of parameters."""


class AlertEvents:
    """The store of what happened to alerts. ``Alerts.write`` writes it, together with the alerts."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def of(self, alert_id: int) -> list[AlertEvent]:
        """Return an alert's events, oldest first."""
        return self._find(_EVENTS.c.alert_id == alert_id)

    def of_endpoint(self, endpoint: str, since: datetime | None = None) -> list[AlertEvent]:
        """Return the events of an endpoint's alerts, oldest first; from a time on if given."""
        newer = [] if since is None else [_EVENTS.c.at >= to_micros(since)]
        return self._find(_EVENTS.c.endpoint == endpoint, *newer)

    def since(self, at: datetime, most: int = 1000) -> list[AlertEvent]:
        """Return the newest events of all alerts from a time on, at most so many, oldest first."""
        query = sa.select(_EVENTS).where(_EVENTS.c.at >= to_micros(at)).order_by(_EVENTS.c.id.desc()).limit(most)
        with self._database.read() as connected:
            return [_event(row) for row in connected.execute(query).mappings()][::-1]

    def newest(self) -> int:
        """Return the number of the newest event; 0 before the first."""
        with self._database.read() as connected:
            return connected.scalar(sa.select(sa.func.max(_EVENTS.c.id))) or 0

    def openings(self, alert_ids: Collection[int], since: datetime) -> Mapping[int, int]:
        """Return how often each of the alerts opened or reopened since a time."""
        wanted = (_EVENTS.c.alert_id.in_(alert_ids), _EVENTS.c.event.in_(OPENINGS), _EVENTS.c.at > to_micros(since))
        query = sa.select(_EVENTS.c.alert_id, sa.func.count()).where(*wanted).group_by(_EVENTS.c.alert_id)
        with self._database.read() as connected:
            return {row[0]: row[1] for row in connected.execute(query)}

    def last_openings(self, alert_ids: Collection[int]) -> Mapping[int, AlertEvent]:
        """Return the newest event of each of the alerts with which it opened."""
        found: dict[int, AlertEvent] = {}
        wanted = sorted(alert_ids)
        for start in range(0, len(wanted), _AT_ONCE):
            some = _EVENTS.c.alert_id.in_(wanted[start : start + _AT_ONCE])
            found |= {one.alert_id: one for one in self._find(some, _EVENTS.c.event.in_(OPENINGS))}
        return found

    def last_changes(self, alert_ids: Collection[int]) -> Mapping[int, datetime]:
        """Return when each of the alerts last opened or was resolved, or was found to flap."""
        wanted = (_EVENTS.c.alert_id.in_(alert_ids), _EVENTS.c.event.in_({*BEGINNINGS, "resolved"}))
        query = sa.select(_EVENTS.c.alert_id, sa.func.max(_EVENTS.c.at)).where(*wanted).group_by(_EVENTS.c.alert_id)
        with self._database.read() as connected:
            return {alert_id: moment(at) for alert_id, at in connected.execute(query)}

    def _find(self, *wanted: sa.ColumnElement[bool]) -> list[AlertEvent]:
        query = sa.select(_EVENTS).where(*wanted).order_by(_EVENTS.c.id)
        with self._database.read() as connected:
            return [_event(row) for row in connected.execute(query).mappings()]


def write_event(connected: sa.Connection, alert_id: int, record: EventRecord) -> None:
    """Write an event of an alert with its notifications."""
    values = asdict(replace(record.event, alert_id=alert_id)) | {"at": to_micros(record.event.at)}
    del values["id"]
    [event_id] = connected.execute(_EVENTS.insert().values(**values)).inserted_primary_key or (0,)
    for notification in record.notifications:
        write_notification(connected, replace(notification, alert_id=alert_id, event_id=event_id))
    if record.event.event == ACKNOWLEDGED:
        withdraw_escalations(connected, alert_id, event_id)


def _event(row: RowMapping) -> AlertEvent:
    return AlertEvent(**{**row, "at": moment(row["at"])})
