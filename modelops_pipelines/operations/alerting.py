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


def raise_alerts(stores: Stores, endpoint: str, verdicts: Iterable[Verdict]) -> list[AlertChange]:
    """Apply verdicts to the endpoint's alerts, in order; return what changed."""
    changes = []
    with exclusive(stores.settings.home / "locks" / f"{endpoint}.alerts.lock", f"the alerts of {endpoint}"):
        for verdict in verdicts:
            before = stores.journal.open_alert(endpoint, verdict.rule)
            now = after(before, verdict, endpoint, stores.now())
            if now is not None:
                stores.journal.write_alert(now)
                changes.append(AlertChange(now, _what(before, now)))
    return changes


def _what(before: Alert | None, now: Alert) -> str:
    if before is None:
        return "opened"
    if now.status != OPEN:
        return "resolved"
    return "counted" if now.count > before.count else "passed"
