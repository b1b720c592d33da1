"""What one transaction writes about an alert: the alert, what happened to it, and who is told of that."""

from dataclasses import dataclass
from datetime import datetime

from modelops_pipelines.core.alerting.alerts import Alert, AlertEvent


@dataclass(frozen=True)
class Notification:
    """That a channel is told of an event, or why it is not.

    It is due at ``due_at``, with all that happens on the endpoint until then; ``message_id`` is the message that tells
    it. ``event_id`` and ``alert_id`` are 0 until it is written.
    """

    channel: str
    endpoint: str
    created_at: datetime
    due_at: datetime
    withheld: str | None = None
    message_id: str | None = None
    event_id: int = 0
    alert_id: int = 0
    id: int | None = None


@dataclass(frozen=True)
class EventRecord:
    """An event to write, with its notifications."""

    event: AlertEvent
    notifications: tuple[Notification, ...] = ()


@dataclass(frozen=True)
class AlertRecord:
    """An alert to write, with what happened to it in this order.

    ``dropped``: the alert was pending and its rule passed, so its row is deleted.
    """

    alert: Alert
    events: tuple[EventRecord, ...] = ()
    dropped: bool = False
