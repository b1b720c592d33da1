"""What is to be told to which channel, in the order in which it happened to an alert."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from modelops_pipelines.core.alerting.alerts import OPEN, RESOLVED
from modelops_pipelines.core.alerting.events import ACKNOWLEDGED, ESCALATED, OPENED, REOPENED
from modelops_pipelines.core.alerting.records import Notification
from modelops_pipelines.core.alerting.routing import NO_CHANNEL
from modelops_pipelines.core.alerting.silencing.silences import MAINTENANCE, SILENCE
from modelops_pipelines.store.state.database import Database, moment, to_micros
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

_NOTIFICATIONS, _EVENTS = STATE_TABLES["notifications"], STATE_TABLES["alert_events"]
_ALERTS = STATE_TABLES["alerts"]
_TIMES = ("created_at", "due_at")
_UNRESOLVED = _ALERTS.c.status != sa.literal_column(f"'{RESOLVED}'")
"""In the words of the index ``one_open_alert``, which SQLite uses only for a literal."""
_AT_ONCE = 500
"""Numbers per statement, because SQLite limits the number of parameters."""


class Notifications:
    """The store of notifications. ``Alerts.write`` writes them, together with the alerts."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def of(self, alert_id: int) -> list[Notification]:
        """Return an alert's notifications, oldest first."""
        query = sa.select(_NOTIFICATIONS).where(_NOTIFICATIONS.c.alert_id == alert_id).order_by(_NOTIFICATIONS.c.id)
        with self._database.read() as connected:
            return [_notification(row) for row in connected.execute(query).mappings()]

    def told(self, alert_ids: Collection[int]) -> Mapping[int, list[tuple[str, Mapping[str, Any]]]]:
        """Return the channel and the event's detail of all that is or will be told of the alerts, in order."""
        found: dict[int, list[tuple[str, Mapping[str, Any]]]] = {}
        wanted = sorted(alert_ids)
        joined = _NOTIFICATIONS.join(_EVENTS, _EVENTS.c.id == _NOTIFICATIONS.c.event_id)
        columns = (_NOTIFICATIONS.c.alert_id, _NOTIFICATIONS.c.channel, _EVENTS.c.detail)
        with self._database.read() as connected:
            for start in range(0, len(wanted), _AT_ONCE):
                some = _NOTIFICATIONS.c.alert_id.in_(wanted[start : start + _AT_ONCE])
                query = sa.select(*columns).select_from(joined).where(some, _NOTIFICATIONS.c.withheld.is_(None))
                for alert_id, channel, detail in connected.execute(query.order_by(_NOTIFICATIONS.c.id)):
                    found.setdefault(alert_id, []).append((channel, detail))
        return found

    def withheld(self, endpoint: str | None = None) -> list[Notification]:
        """Return what of open alerts is withheld by silences, maintenance windows and for want of the channel."""
        joined = _NOTIFICATIONS.join(_ALERTS, _ALERTS.c.id == _NOTIFICATIONS.c.alert_id)
        reasons = (SILENCE, MAINTENANCE, NO_CHANNEL)
        why = sa.or_(*(_NOTIFICATIONS.c.withheld.startswith(f"{name} ") for name in reasons))
        mine = [] if endpoint is None else [_ALERTS.c.endpoint == endpoint]
        query = sa.select(_NOTIFICATIONS).select_from(joined).where(_UNRESOLVED, _ALERTS.c.status == OPEN, why, *mine)
        with self._database.read() as connected:
            return [_notification(row) for row in connected.execute(query.order_by(_NOTIFICATIONS.c.id)).mappings()]

    def withheld_ends(
        self, since: datetime, channels: Collection[str], endpoint: str | None = None
    ) -> list[Notification]:
        """Return what of ended alerts was withheld since for want of a channel, if it is one of the channels now."""
        joined = _NOTIFICATIONS.join(_ALERTS, _ALERTS.c.id == _NOTIFICATIONS.c.alert_id)
        recent = (_NOTIFICATIONS.c.message_id.is_(None), _NOTIFICATIONS.c.due_at >= to_micros(since))
        mine = [] if endpoint is None else [_NOTIFICATIONS.c.endpoint == endpoint]
        why = _NOTIFICATIONS.c.withheld.startswith(NO_CHANNEL)
        lost = (*recent, *mine, why, _NOTIFICATIONS.c.channel.in_(channels), _ALERTS.c.status == RESOLVED)
        query = sa.select(_NOTIFICATIONS).select_from(joined).where(*lost).order_by(_NOTIFICATIONS.c.id)
        with self._database.read() as connected:
            return [_notification(row) for row in connected.execute(query).mappings()]

    def unknown_alerts(self, channels: Collection[str], endpoint: str | None = None) -> list[int]:
        """Return the numbers of the open alerts which none of the channels was told of since they opened last."""
        mine_too = (_EVENTS.c.alert_id == _NOTIFICATIONS.c.alert_id, _EVENTS.c.event.in_((OPENED, REOPENED)))
        opened = sa.select(sa.func.max(_EVENTS.c.id)).where(*mine_too).correlate(_NOTIFICATIONS)
        sent = (_NOTIFICATIONS.c.channel.in_(channels), _NOTIFICATIONS.c.withheld.is_(None))
        since = _NOTIFICATIONS.c.event_id >= opened.scalar_subquery()
        told = sa.exists().where(_NOTIFICATIONS.c.alert_id == _ALERTS.c.id, *sent, since).correlate(_ALERTS)
        mine = [] if endpoint is None else [_ALERTS.c.endpoint == endpoint]
        open_ones = (_UNRESOLVED, _ALERTS.c.status == OPEN, _ALERTS.c.flapping.is_(False))
        with self._database.read() as connected:
            return list(connected.scalars(sa.select(_ALERTS.c.id).where(*open_ones, ~told, *mine)))

    def tell(self, notifications: Iterable[Notification], due_at: datetime) -> None:
        """Have some sent, in one transaction: those that were withheld, and new ones, which have no number yet."""
        given = list(notifications)
        wanted = sorted(one.id for one in given if one.id is not None)
        with self._database.begin() as connected:
            for notification in (one for one in given if one.id is None):
                write_notification(connected, notification)
            for start in range(0, len(wanted), _AT_ONCE):
                some = _NOTIFICATIONS.c.id.in_(wanted[start : start + _AT_ONCE])
                changed = _NOTIFICATIONS.update().where(some, _NOTIFICATIONS.c.withheld.is_not(None))
                connected.execute(changed.values(withheld=None, due_at=to_micros(due_at)))


def write_notification(connected: sa.Connection, notification: Notification) -> None:
    """Write one that is new."""
    values = asdict(notification) | {name: to_micros(getattr(notification, name)) for name in _TIMES}
    del values["id"]
    connected.execute(_NOTIFICATIONS.insert().values(**values))


def withdraw_escalations(connected: sa.Connection, alert_id: int, acknowledgement: int) -> None:
    """Withhold an alert's escalations that are in no message yet: somebody has acknowledged it.

    ``acknowledgement`` is the event that says so; whom nothing else was told of the alert is not told of it either.
    """
    of_alert = _NOTIFICATIONS.c.alert_id == alert_id
    escalations = sa.select(_EVENTS.c.id).where(_EVENTS.c.alert_id == alert_id, _EVENTS.c.event == ESCALATED)
    told = of_alert & _NOTIFICATIONS.c.withheld.is_(None)
    unsent = told & _NOTIFICATIONS.c.event_id.in_(escalations) & _NOTIFICATIONS.c.message_id.is_(None)
    channels = set(connected.scalars(sa.select(_NOTIFICATIONS.c.channel).where(unsent)))
    if not channels:
        return
    connected.execute(_NOTIFICATIONS.update().where(unsent).values(withheld=ACKNOWLEDGED))
    before = sa.select(_NOTIFICATIONS.c.channel).where(told, _NOTIFICATIONS.c.event_id < acknowledgement)
    unknowing = sorted(channels - set(connected.scalars(before)))
    mine = told & (_NOTIFICATIONS.c.event_id == acknowledgement) & _NOTIFICATIONS.c.channel.in_(unknowing)
    connected.execute(_NOTIFICATIONS.update().where(mine).values(withheld=ACKNOWLEDGED))


def _notification(row: RowMapping) -> Notification:
    return Notification(**{**row, **{name: moment(row[name]) for name in _TIMES}})
