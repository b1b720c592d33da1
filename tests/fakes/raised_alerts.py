"""Alerts in a real state, as rules raise them, and a message that no channel took."""

from datetime import timedelta

from modelops_pipelines.core.alerting.alerts import Alert, Verdict
from modelops_pipelines.core.alerting.messages import PENDING, Message
from modelops_pipelines.operations.alerting.delivery.compose import compose
from modelops_pipelines.operations.alerting.life.raise_alerts import raise_alerts
from modelops_pipelines.store.stores import Stores

SECOND = timedelta(seconds=1)


def raised(stores: Stores, endpoint: str = "cancer", rule: str = "error_rate", severity: str = "error") -> Alert:
    """Return an alert that a failed verdict has opened now."""
    message = f"{rule} 0.31 is above 0.1 over 1h (1200 requests)"
    failed = Verdict(rule, rule, severity, False, 0.31, 0.1, 1200, "2026-03-01T12:00:00Z", message)
    raise_alerts(stores, endpoint, [failed], source=f"{endpoint} {rule} {stores.now()}")
    found = stores.alerts.find_open(endpoint, rule)
    assert found is not None
    return found


def given_up(stores: Stores, alert: Alert, message_id: str) -> None:
    """Write a message on an alert that its channel has not taken for a day."""
    now, event = stores.now(), stores.alert_events.of(alert.id or 0)[0]
    content = compose(stores, [(alert, event)], now)
    letter = Message(message_id, 0, "ops", alert.endpoint, now - SECOND, content, PENDING, 0, now)
    stores.messages.add(letter, [])
    stores.messages.give_up(message_id, "500 from the receiver", now)
