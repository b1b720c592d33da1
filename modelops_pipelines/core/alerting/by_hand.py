"""What people do to an alert: acknowledge it, and resolve it with a reason."""

from dataclasses import replace
from datetime import datetime

from modelops_pipelines.core.alerting.alerts import RESOLVED, Alert, AlertEvent
from modelops_pipelines.core.alerting.episodes import Episode
from modelops_pipelines.core.alerting.events import ACKNOWLEDGED, RESOLVED_EVENT, SILENCED
from modelops_pipelines.core.alerting.life import detail_of


def acknowledge_alert(alert: Alert, actor: str, note: str | None, now: datetime) -> Episode:
    """Take an open alert on. The first person is kept as who did; a later one's note is kept as an event."""
    if alert.acknowledged_at is None:
        alert = replace(alert, acknowledged_at=now, acknowledged_by=actor, note=note)
    return _by_hand(alert, ACKNOWLEDGED, actor, note, now)


def resolve_alert(alert: Alert, actor: str, reason: str, now: datetime) -> Episode:
    """Resolve an open alert with a reason. A further failure of its rule opens a new one."""
    ended = replace(alert, status=RESOLVED, resolved_at=now, resolved_by=actor, resolution=reason, flapping=False)
    return _by_hand(ended, RESOLVED_EVENT, actor, reason, now)


def silenced_event(alert: Alert, actor: str, reason: str, now: datetime) -> AlertEvent:
    """Return the event that a person silenced an open alert."""
    return AlertEvent(alert.id or 0, alert.endpoint, alert.rule, now, SILENCED, actor, reason, detail_of(alert))


def _by_hand(alert: Alert, name: str, actor: str, note: str | None, now: datetime) -> Episode:
    event = AlertEvent(alert.id or 0, alert.endpoint, alert.rule, now, name, actor, note, detail_of(alert))
    return Episode(alert, is_new=False, change=name, history=[(event, alert)])
