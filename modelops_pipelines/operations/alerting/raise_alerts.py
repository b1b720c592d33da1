"""Verdicts become alerts: one open alert a rule, counted, resolved after two passes in a row."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from modelops_pipelines.core.alerting.alerts import OPEN, Alert, Verdict, after
from modelops_pipelines.store.filesystem.files import exclusive
from modelops_pipelines.store.stores import Stores


@dataclass(frozen=True)
class AlertChange:
    """What a verdict did to an alert: opened, counted, passed or resolved."""

    alert: Alert
    change: str


def raise_alerts(stores: Stores, endpoint: str, verdicts: Iterable[Verdict], source: str) -> list[AlertChange]:
    """Apply the verdicts of one source (a run) to the endpoint's alerts, all or none; return what changed.

    The same source again changes nothing: a sensor that dies half-way may safely repeat itself.
    """
    with exclusive(stores.settings.home / "locks" / f"{endpoint}.alerts.lock", f"the alerts of {endpoint}"):
        if source in stores.alerts.sources(endpoint):
            return []
        opened = {alert.rule: alert for alert in stores.alerts.find(endpoint, OPEN)}
        changes = _apply(opened, verdicts, endpoint, stores.now())
        stores.alerts.write(endpoint, [change.alert for change in changes], source)
    return changes


def _apply(opened: dict[str, Alert], verdicts: Iterable[Verdict], endpoint: str, now: datetime) -> list[AlertChange]:
    """Take the verdicts one by one; return each alert that changed, as it is at the end."""
    changes: list[AlertChange] = []
    place: dict[str, int] = {}
    for verdict in verdicts:
        before = opened.get(verdict.rule)
        alert = after(before, verdict, endpoint, now)
        if alert is None:
            continue
        if before is None or verdict.rule not in place:
            place[verdict.rule] = len(changes)
            changes.append(AlertChange(alert, what_changed(before, alert)))
        else:
            first = changes[place[verdict.rule]].change
            what = what_changed(before, alert)
            changes[place[verdict.rule]] = AlertChange(
                alert, first if first == "opened" and what != "resolved" else what
            )
        if alert.status == OPEN:
            opened[verdict.rule] = alert
        else:
            opened.pop(verdict.rule)
    return changes


def what_changed(before: Alert | None, now: Alert) -> str:
    """Return what became of an alert: opened, resolved, counted or passed."""
    if before is None:
        return "opened"
    if now.status != OPEN:
        return "resolved"
    return "counted" if now.count > before.count else "passed"
