"""Alerts, open and resolved, and the runs that have been applied to them."""

import json
from collections.abc import Collection, Iterable
from dataclasses import asdict, replace
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from modelops_pipelines.core.alerting.alerts import ACKNOWLEDGED, OPEN, PENDING, RESOLVED, Alert, Verdict
from modelops_pipelines.core.alerting.records import AlertRecord
from modelops_pipelines.store.state.alerting.alert_events import write_event
from modelops_pipelines.store.state.alerting.verdicts import write_verdicts
from modelops_pipelines.store.state.capture.touched_windows import Touched, clear_marks
from modelops_pipelines.store.state.database import Database, from_micros, to_micros
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

SOURCES_KEPT = 100
_SETTINGS = STATE_TABLES["settings"]
_ALERTS = STATE_TABLES["alerts"]
_TIMES = ("opened_at", "last_seen_at", "resolved_at", "acknowledged_at")
_UNRESOLVED = _ALERTS.c.status != sa.literal_column(f"'{RESOLVED}'")
"""In the words of the index ``one_open_alert``, which SQLite uses only for a literal."""
_IN_STATE = {
    PENDING: _ALERTS.c.status == PENDING,
    OPEN: sa.and_(_ALERTS.c.status == OPEN, _ALERTS.c.acknowledged_at.is_(None)),
    ACKNOWLEDGED: sa.and_(_ALERTS.c.status == OPEN, _ALERTS.c.acknowledged_at.is_not(None)),
    RESOLVED: _ALERTS.c.status == RESOLVED,
}


class Alerts:
    """The store of alerts. Each write is one transaction."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def find(self, endpoint: str | None = None, status: str | None = None, most: int | None = None) -> list[Alert]:
        """Return alerts, newest first; of one endpoint or status if given, and at most so many."""
        query = sa.select(_ALERTS).order_by(_ALERTS.c.id.desc()).limit(most)
        if endpoint is not None:
            query = query.where(_ALERTS.c.endpoint == endpoint)
        if status is not None:
            query = query.where(_ALERTS.c.status == status)
        with self._database.read() as connected:
            return [_alert(row) for row in connected.execute(query).mappings()]

    def page(
        self,
        states: Collection[str],
        most: int,
        *,
        endpoints: Collection[str] | None = None,
        severity: str | None = None,
        before: int | None = None,
    ) -> list[Alert]:
        """Return at most so many alerts in one of these states, newest first; None for ``endpoints`` is all of them.

        ``before`` is a number: older alerts than that one are returned.
        """
        wanted = [sa.or_(sa.false(), *(_IN_STATE[state] for state in states))]
        wanted += [] if RESOLVED in states else [_UNRESOLVED]
        wanted += [] if endpoints is None else [_ALERTS.c.endpoint.in_(endpoints)]
        wanted += [] if severity is None else [_ALERTS.c.severity == severity]
        wanted += [] if before is None else [_ALERTS.c.id < before]
        query = sa.select(_ALERTS).where(*wanted).order_by(_ALERTS.c.id.desc()).limit(most)
        with self._database.read() as connected:
            return [_alert(row) for row in connected.execute(query).mappings()]

    def find_open(self, endpoint: str, rule: str) -> Alert | None:
        """Return the rule's open alert, if any."""
        return next((alert for alert in self.find(endpoint, OPEN) if alert.rule == rule), None)

    def get(self, alert_id: int) -> Alert | None:
        """Return one by its number."""
        return next(iter(self._find(_ALERTS.c.id == alert_id)), None)

    def unresolved(self, endpoint: str | None = None) -> list[Alert]:
        """Return the alerts that are pending or open, oldest first; of one endpoint if given."""
        return self._find(_UNRESOLVED, *_of(endpoint))

    def any_live(self) -> bool:
        """Return whether any alert is pending, open or flapping: whether there is one that time can change."""
        query = sa.select(_ALERTS.c.id).where(sa.or_(_UNRESOLVED, _ALERTS.c.flapping.is_(True))).limit(1)
        with self._database.read() as connected:
            return connected.scalar(query) is not None

    def flapping(self, endpoint: str | None = None) -> list[Alert]:
        """Return the alerts that are flapping, whether they are open or resolved now; of one endpoint if given."""
        return self._find(_ALERTS.c.flapping.is_(True), *_of(endpoint))

    def unanswered(self, before: datetime, endpoint: str | None = None) -> list[Alert]:
        """Return the open alerts from before a time that nobody has acknowledged and that were not escalated."""
        old = (_ALERTS.c.status == OPEN, _ALERTS.c.opened_at <= to_micros(before), _ALERTS.c.escalations == 0)
        return self._find(_UNRESOLVED, *old, _ALERTS.c.acknowledged_at.is_(None), *_of(endpoint))

    def resolved_since(self, endpoint: str, rules: Collection[str], since: datetime) -> list[Alert]:
        """Return alerts of the rules that were resolved after a time or are flapping, oldest first."""
        mine = (_ALERTS.c.endpoint == endpoint, _ALERTS.c.rule.in_(rules), _ALERTS.c.status == RESOLVED)
        return self._find(*mine, sa.or_(_ALERTS.c.resolved_at > to_micros(since), _ALERTS.c.flapping.is_(True)))

    def write(
        self,
        endpoint: str,
        records: Iterable[AlertRecord],
        verdicts: Iterable[Verdict],
        at: datetime,
        *,
        source: str | None = None,
        judged: tuple[str, Touched] | None = None,
    ) -> list[Alert]:
        """Write alerts, what happened to them, who is told, and the verdicts that did it, in one transaction.

        It also records ``source``, and clears the marks of the ``judged`` windows (the consumer's name, and what was
        pending). Returns the alerts with their numbers.
        """
        with self._database.begin() as connected:
            written = [_write(connected, record) for record in records]
            write_verdicts(connected, endpoint, verdicts, at)
            if source is not None:
                _remember(connected, endpoint, source)
            if judged is not None:
                clear_marks(connected, endpoint, *judged)
        return written

    def sources(self, endpoint: str) -> list[str]:
        """Return the latest recorded sources, oldest first."""
        with self._database.read() as connected:
            return _sources(connected, endpoint)

    def _find(self, *wanted: sa.ColumnElement[bool]) -> list[Alert]:
        with self._database.read() as connected:
            rows = connected.execute(sa.select(_ALERTS).where(*wanted).order_by(_ALERTS.c.id)).mappings()
            return [_alert(row) for row in rows]


def _of(endpoint: str | None) -> list[sa.ColumnElement[bool]]:
    return [] if endpoint is None else [_ALERTS.c.endpoint == endpoint]


def _remember(connected: sa.Connection, endpoint: str, source: str) -> None:
    known = [*_sources(connected, endpoint), source][-SOURCES_KEPT:]
    connected.execute(_SETTINGS.delete().where(_SETTINGS.c.name == _sources_name(endpoint)))
    connected.execute(_SETTINGS.insert().values(name=_sources_name(endpoint), value=json.dumps(known)))


def _sources_name(endpoint: str) -> str:
    return f"sources of the alerts of {endpoint}"


def _sources(connected: sa.Connection, endpoint: str) -> list[str]:
    kept = connected.scalar(sa.select(_SETTINGS.c.value).where(_SETTINGS.c.name == _sources_name(endpoint)))
    return list(json.loads(kept)) if kept else []


def _write(connected: sa.Connection, record: AlertRecord) -> Alert:
    alert = record.alert
    values = {**asdict(alert), **{name: to_micros(getattr(alert, name)) for name in _TIMES}}
    number = values.pop("id")
    if record.dropped:
        connected.execute(_ALERTS.delete().where(_ALERTS.c.id == number))
        return alert
    if number is None:
        [number] = connected.execute(_ALERTS.insert().values(**values)).inserted_primary_key or (0,)
    else:
        connected.execute(_ALERTS.update().where(_ALERTS.c.id == number).values(**values))
    for event in record.events:
        write_event(connected, number, event)
    return replace(alert, id=number)


def _alert(row: RowMapping) -> Alert:
    return Alert(**{**row, **{name: from_micros(row[name]) for name in _TIMES}})
