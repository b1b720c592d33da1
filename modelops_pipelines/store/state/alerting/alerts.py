"""Alerts, open and resolved, and the runs that have been applied to them."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from modelops_pipelines.core.alerting.alerts import OPEN, Alert, Verdict
from modelops_pipelines.store.state.alerting.verdicts import write_verdicts
from modelops_pipelines.store.state.capture.touched_windows import Touched, clear_marks
from modelops_pipelines.store.state.database import Database, from_micros, moment, to_micros
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

SOURCES_KEPT = 100
_SETTINGS = STATE_TABLES["settings"]
_ALERTS = STATE_TABLES["alerts"]


class Alerts:
    """The store of alerts. Each write is one transaction."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def find(self, endpoint: str | None = None, status: str | None = None) -> list[Alert]:
        """Return alerts, newest first; of one endpoint or status if given."""
        query = sa.select(_ALERTS).order_by(_ALERTS.c.id.desc())
        if endpoint is not None:
            query = query.where(_ALERTS.c.endpoint == endpoint)
        if status is not None:
            query = query.where(_ALERTS.c.status == status)
        with self._database.read() as connected:
            return [_alert(row) for row in connected.execute(query).mappings()]

    def find_open(self, endpoint: str, rule: str) -> Alert | None:
        """Return the rule's open alert, if any."""
        return next((alert for alert in self.find(endpoint, OPEN) if alert.rule == rule), None)

    def write(
        self,
        endpoint: str,
        alerts: Iterable[Alert],
        verdicts: Iterable[Verdict],
        at: datetime,
        *,
        source: str | None = None,
        judged: tuple[str, Touched] | None = None,
    ) -> None:
        """Write the alerts and the verdicts that changed them in one transaction.

        It also records ``source``, and clears the marks of the ``judged`` windows (the consumer's name, and what was
        pending).
        """
        with self._database.begin() as connected:
            for alert in alerts:
                _write(connected, alert)
            write_verdicts(connected, endpoint, verdicts, at)
            if source is not None:
                _remember(connected, endpoint, source)
            if judged is not None:
                clear_marks(connected, endpoint, *judged)

    def sources(self, endpoint: str) -> list[str]:
        """Return the latest recorded sources, oldest first."""
        with self._database.read() as connected:
            return _sources(connected, endpoint)


def _remember(connected: sa.Connection, endpoint: str, source: str) -> None:
    known = [*_sources(connected, endpoint), source][-SOURCES_KEPT:]
    connected.execute(_SETTINGS.delete().where(_SETTINGS.c.name == _sources_name(endpoint)))
    connected.execute(_SETTINGS.insert().values(name=_sources_name(endpoint), value=json.dumps(known)))


def _sources_name(endpoint: str) -> str:
    return f"sources of the alerts of {endpoint}"


def _sources(connected: sa.Connection, endpoint: str) -> list[str]:
    kept = connected.scalar(sa.select(_SETTINGS.c.value).where(_SETTINGS.c.name == _sources_name(endpoint)))
    return list(json.loads(kept)) if kept else []


def _write(connected: sa.Connection, alert: Alert) -> None:
    times = ("opened_at", "last_seen_at", "resolved_at")
    values = {**asdict(alert), **{name: to_micros(getattr(alert, name)) for name in times}}
    number = values.pop("id")
    if number is None:
        connected.execute(_ALERTS.insert().values(**values))
    else:
        connected.execute(_ALERTS.update().where(_ALERTS.c.id == number).values(**values))


def _alert(row: RowMapping) -> Alert:
    times = {"opened_at": moment(row["opened_at"]), "last_seen_at": moment(row["last_seen_at"])}
    return Alert(**{**row, **times, "resolved_at": from_micros(row["resolved_at"])})
