"""The life of an alert: pending, open, worse, resolved, reopened; flapping and steady."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from modelops_pipelines.core.alerting.alerts import (
    OPEN,
    PENDING,
    RESOLVED,
    Alert,
    AlertEvent,
    Traits,
    Verdict,
    after_failure,
    after_pass,
    is_worse,
    open_alert,
)
from modelops_pipelines.core.alerting.events import OPENED, REOPENED, RESOLVED_EVENT, WORSENED
from modelops_pipelines.core.tables.derivations import rule_kinds

REOPEN_WITHIN = timedelta(hours=2)
SAME_WINDOWS = timedelta(hours=6)
"""A rule that fails again within REOPEN_WITHIN of its alert's end, by the clock, reopens that alert; but not for a
window that starts SAME_WINDOWS or more after the last one that failed: weeks of windows may be judged at once."""
MOST_OPENINGS = 3
FLAPPING_WITHIN = timedelta(hours=6)
"""An alert that opens more than MOST_OPENINGS times within it is flapping."""
STEADY_AFTER = timedelta(hours=1)
"""A flapping alert that neither opened nor was resolved for so long is steady."""
COUNTED, PASSED, WAITING, DROPPED = "counted", "passed", "pending", "dropped"


@dataclass(frozen=True)
class Standing:
    """What a rule's verdicts apply to: its alert that is not resolved, and its last one that was."""

    current: Alert | None = None
    past: Alert | None = None


@dataclass(frozen=True)
class Step:
    """What a verdict does: to which alert of the standing, or a new one, and how it is then."""

    before: Alert | None
    after: Alert
    change: str


def steps_of(
    standing: Standing, verdict: Verdict, endpoint: str, now: datetime, wait: timedelta | None = None
) -> list[Step]:
    """Return what a verdict changes; nothing for one that was not judged, or for a pass without an alert.

    A failure opens an alert; with ``wait`` it is pending until the rule has failed for so long without a pass. A
    failure soon after the end of an alert reopens that one; one that is more severe than the last worsens it. Two
    passes in a row resolve. An alert of the product and a rule that has its name have nothing to do with each other.
    """
    current = standing.current
    if verdict.passed is None or (current is not None and not is_of_one_kind(current.kind, verdict.kind)):
        return []
    if current is None:
        return [] if verdict.passed else [_first_failure(standing.past, open_alert(verdict, endpoint, now), wait)]
    if current.status == PENDING:
        return _while_pending(standing, current, verdict, now, wait or timedelta(0))
    after = after_pass(current, now) if verdict.passed else after_failure(current, verdict, now)
    change = _change(current, after)
    return [Step(current, _renewed(after) if change == WORSENED else after, change)]


def failed_for(pending: Alert, verdict: Verdict, now: datetime) -> timedelta:
    """Return for how long a pending alert's rule has failed: by the clock or by its windows, whichever is longer.

    So a rule that is judged on the same window again and again opens, and so does one that is judged on the windows of
    a day at once.
    """
    by_windows = _between(pending.opened_window, verdict.window)
    return max(now - pending.opened_at, by_windows or timedelta(0))


def is_reopened(past: Alert, fresh: Alert) -> bool:
    """Return whether a failure, as a new alert, is a matter of the past alert: not of one that a person resolved."""
    if past.resolved_by is not None or past.resolved_at is None or not is_of_one_kind(past.kind, fresh.kind):
        return False
    between = _between(past.data_window, fresh.opened_window)
    is_near = between is None or between < SAME_WINDOWS
    return past.flapping or (fresh.opened_at - past.resolved_at < REOPEN_WITHIN and is_near)


def is_of_one_kind(kind: str, other: str) -> bool:
    """Return whether alerts of these kinds can be those of one rule: a rule may be edited to be of another kind."""
    return kind == other or {kind, other} <= rule_kinds().keys()


def detail_of(alert: Alert, traits: Traits | None = None) -> Mapping[str, Any]:
    """Return the detail of an event: the alert as the event left it, and what its rule says."""
    numbers = {name: getattr(alert, name) for name in ("state", "severity", "count", "value", "threshold", "n")}
    detail = {**numbers, "window": alert.data_window}
    if traits is None:
        return detail
    said = {"owner": traits.owner, "labels": dict(traits.labels) or None, "runbook": traits.runbook}
    return {**detail, **{name: value for name, value in said.items() if value is not None}}


def traits_in(detail: Mapping[str, Any]) -> Traits:
    """Return what the rule said when the alert opened, from that event's detail."""
    return Traits(None, detail.get("owner"), detail.get("labels") or {}, detail.get("runbook"))


def event_of(alert: Alert, name: str, now: datetime, traits: Traits | None = None) -> AlertEvent:
    """Return the event that a verdict or the clock made of an alert; ``alert`` is as the event left it."""
    detail = detail_of(alert, traits)
    return AlertEvent(alert.id or 0, alert.endpoint, alert.rule, now, name, None, alert.message, detail)


def _first_failure(past: Alert | None, fresh: Alert, wait: timedelta | None) -> Step:
    return Step(None, replace(fresh, status=PENDING), WAITING) if wait else _opening(past, fresh)


def _while_pending(standing: Standing, pending: Alert, verdict: Verdict, now: datetime, wait: timedelta) -> list[Step]:
    if verdict.passed:
        return [Step(pending, pending, DROPPED)]
    after = after_failure(pending, verdict, now)
    if failed_for(pending, verdict, now) < wait:
        return [Step(pending, after, COUNTED)]
    if standing.past is not None and is_reopened(standing.past, pending):
        return [Step(pending, pending, DROPPED), _opening(standing.past, after)]
    return [Step(pending, replace(after, status=OPEN), OPENED)]


def _change(before: Alert, after: Alert) -> str:
    if after.status == RESOLVED:
        return RESOLVED_EVENT
    if is_worse(after.severity, before.severity):
        return WORSENED
    return COUNTED if after.count > before.count else PASSED


def _renewed(alert: Alert) -> Alert:
    """Return an alert that is worse: who took it on did not know that. While it flaps, that is no news."""
    if alert.flapping:
        return alert
    return replace(alert, acknowledged_at=None, acknowledged_by=None, note=None, escalations=0)


def _opening(past: Alert | None, fresh: Alert) -> Step:
    """Open a new alert, or the past one again; ``fresh`` has what the failures said."""
    if past is None or not is_reopened(past, fresh):
        return Step(None, fresh, OPENED)
    names: tuple[str, ...] = ("id", "opened_at", "opened_window", "flapping")
    if past.flapping:
        names += ("acknowledged_at", "acknowledged_by", "note", "escalations")
    kept = {name: getattr(past, name) for name in names}
    count, reopened = past.count + fresh.count, past.reopened + 1
    return Step(past, replace(fresh, **kept, status=OPEN, count=count, reopened=reopened), REOPENED)


def _between(window: str, later: str) -> timedelta | None:
    """Return the time between the starts of two windows, None where one is not named by a time."""
    first, last = _time(window), _time(later)
    return None if first is None or last is None else last - first


def _time(window: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(window)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
