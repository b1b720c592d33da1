"""Verdicts become alerts: one open alert a rule, counted, resolved after two passes in a row."""

from collections.abc import Iterable
from dataclasses import dataclass

from modelops_pipelines.core.alerts import OPEN, Alert, Verdict, after
from modelops_pipelines.store.files import exclusive
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
    changes: list[AlertChange] = []
    with exclusive(stores.settings.home / "locks" / f"{endpoint}.alerts.lock", f"the alerts of {endpoint}"):
        if stores.journal.last_alert_source(endpoint) == source:
            return []
        opened = {alert.rule: alert for alert in stores.journal.alerts(endpoint, OPEN)}
        for verdict in {verdict.rule: verdict for verdict in verdicts}.values():
            before = opened.get(verdict.rule)
            now = after(before, verdict, endpoint, stores.now())
            if now is not None:
                changes.append(AlertChange(now, _what(before, now)))
        stores.journal.write_alerts(endpoint, [change.alert for change in changes], source)
    return changes


def _what(before: Alert | None, now: Alert) -> str:
    if before is None:
        return "opened"
    if now.status != OPEN:
        return "resolved"
    return "counted" if now.count > before.count else "passed"
