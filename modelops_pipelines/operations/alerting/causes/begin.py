"""When the trouble of an alert began, by event time."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from modelops_pipelines.core.alerting.alerts import Alert, AlertEvent
from modelops_pipelines.core.alerting.events import OPENINGS
from modelops_pipelines.core.alerting.live_rules import NOW, SPANS
from modelops_pipelines.store.stores import Stores


def began(alert: Alert) -> datetime:
    """Return the start of the window that opened the alert; of an alert without one, when it was opened."""
    window = moment_of(alert.opened_window)
    return min(alert.opened_at, window) if window is not None else alert.opened_at


def judged_from(alert: Alert) -> datetime:
    """Return the earliest moment whose requests may have opened the alert: live counts look back from the moment."""
    return began(alert) - timedelta(seconds=SPANS[-1] if alert.rule.endswith(NOW) else 0)


def since_last_opening(stores: Stores, told: Sequence[tuple[Alert, AlertEvent]]) -> list[Alert]:
    """Return the alerts of these changes; one that was reopened as if it had opened then, in the window that failed.

    What came before its first opening, perhaps hours ago, need not be what is wrong now.
    """
    unknown = {alert.id for alert, event in told if alert.reopened and event.event not in OPENINGS}
    known = stores.alert_events.last_openings([one for one in unknown if one is not None]) if unknown else {}
    return [
        _reopened(alert, event if event.event in OPENINGS else known.get(alert.id or 0)) if alert.reopened else alert
        for alert, event in told
    ]


def _reopened(alert: Alert, opening: AlertEvent | None) -> Alert:
    if opening is None:
        return alert
    window = str(opening.detail.get("window") or alert.data_window)
    return replace(alert, opened_at=opening.at, opened_window=window)


def first_of(alerts: Sequence[Alert]) -> Alert:
    """Return the alert whose trouble began first."""
    return min(alerts, key=began)


def moment_of(window: str) -> datetime | None:
    """Return a verdict's window as a moment; None where it is none."""
    try:
        moment = datetime.fromisoformat(window)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
