"""The one door through which a verdict becomes an alert: kept, counted on the rule's open alert, or resolving it."""

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
    """Keep the verdicts and apply them to the endpoint's alerts, all or nothing; return what changed.

    The same ``source`` (a run) again changes nothing, so that a sensor that dies half-way may safely repeat itself.
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
    """Do what ``raise_alerts`` does, for a caller that holds the lock."""
    opened = {alert.rule: alert for alert in stores.alerts.find(endpoint, OPEN)}
    changes = _changes(opened, verdicts, endpoint, now)
    changed = {change.alert.rule for change in changes}
    kept = [one for one in verdicts if one.window and (one.kind in rule_kinds() or one.rule in changed)]
    stores.alerts.write(endpoint, [change.alert for change in changes], kept, now, source=source, judged=judged)
    return changes


def _changes(opened: dict[str, Alert], verdicts: Iterable[Verdict], endpoint: str, now: datetime) -> list[AlertChange]:
    """Take the verdicts one by one; return each alert that changed, as it is at the end."""
    changes: list[AlertChange] = []
    place: dict[str, int] = {}
    for verdict in verdicts:
        before = opened.get(verdict.rule)
        alert = apply_verdict(before, verdict, endpoint, now)
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
