"""The only place where a verdict becomes an alert: it is stored, and opens, counts on or resolves the rule's alert."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime

from modelops_pipelines.core.alerting.alerts import OPEN, Alert, Verdict, apply_verdict
from modelops_pipelines.core.tables.derivations import rule_kinds
from modelops_pipelines.store.filesystem.files import LOCK_SECONDS, exclusive
from modelops_pipelines.store.state.capture.touched_windows import Touched
from modelops_pipelines.store.stores import Stores


@dataclass(frozen=True)
class AlertChange:
    """What a verdict did to an alert: opened, counted, passed or resolved."""

    alert: Alert
    change: str


def raise_alerts(
    stores: Stores,
    endpoint: str,
    verdicts: Sequence[Verdict],
    *,
    source: str | None = None,
    judged: tuple[str, Touched] | None = None,
) -> list[AlertChange]:
    """Store the verdicts and apply them to the endpoint's alerts in one transaction; return the changes.

    The same ``source`` (a run) again changes nothing, so that a sensor that dies half-way may safely repeat its tick.
    With ``judged``, the marks of the windows that were judged are cleared in the same transaction.
    """
    with alerts_lock(stores, endpoint):
        if source is not None and source in stores.alerts.sources(endpoint):
            return []
        return apply_verdicts(stores, endpoint, verdicts, stores.now(), source=source, judged=judged)


def alerts_lock(stores: Stores, endpoint: str, seconds: float = LOCK_SECONDS) -> AbstractContextManager[None]:
    """Return the lock under which an endpoint's alerts change; raises BusyError where it is held for longer."""
    lock = stores.settings.home / "locks" / f"{endpoint}.alerts.lock"
    return exclusive(lock, f"the alerts of {endpoint}", seconds=seconds)


def apply_verdicts(
    stores: Stores,
    endpoint: str,
    verdicts: Sequence[Verdict],
    now: datetime,
    *,
    source: str | None = None,
    judged: tuple[str, Touched] | None = None,
) -> list[AlertChange]:
    """Do the same as ``raise_alerts``, for a caller that already holds the lock."""
    opened = {alert.rule: alert for alert in stores.alerts.find(endpoint, OPEN)}
    changes = _changes(opened, verdicts, endpoint, now)
    changed = {change.alert.rule for change in changes}
    kept = [one for one in verdicts if one.window and (one.kind in rule_kinds() or one.rule in changed)]
    stores.alerts.write(endpoint, [change.alert for change in changes], kept, now, source=source, judged=judged)
    return changes


def _changes(opened: dict[str, Alert], verdicts: Iterable[Verdict], endpoint: str, now: datetime) -> list[AlertChange]:
    """Apply the verdicts one by one; return each alert that changed, in its final state."""
    changes: list[AlertChange] = []
    place: dict[str, int] = {}
    for verdict in verdicts:
        before = opened.get(verdict.rule)
        alert = apply_verdict(before, verdict, endpoint, now)
        if alert is None:
            continue
        if before is None or verdict.rule not in place:
            place[verdict.rule] = len(changes)
            changes.append(AlertChange(alert, describe_change(before, alert)))
        else:
            first = changes[place[verdict.rule]].change
            then = describe_change(before, alert)
            changes[place[verdict.rule]] = AlertChange(
                alert, first if first == "opened" and then != "resolved" else then
            )
        if alert.status == OPEN:
            opened[verdict.rule] = alert
        else:
            opened.pop(verdict.rule)
    return changes


def describe_change(before: Alert | None, now: Alert) -> str:
    """Return how an alert changed: opened, resolved, counted or passed."""
    if before is None:
        return "opened"
    if now.status != OPEN:
        return "resolved"
    return "counted" if now.count > before.count else "passed"
