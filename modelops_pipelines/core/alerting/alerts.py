"""Verdicts of alert rules, and how a verdict changes the rule's alert."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

OPEN, RESOLVED = "open", "resolved"
PASSES_TO_RESOLVE = 2
PASSED, FAILED, NOT_JUDGED = "passed", "failed", "not judged"
"""The three states of a verdict, as they are shown. Not judged is neither a pass nor a failure."""
_VERDICT_COLUMNS = ("passed", "drifted")
"""Columns of derived tables that hold a verdict; null is not judged."""


@dataclass(frozen=True)
class Verdict:
    """The verdict of a rule on one window. ``passed`` is None with too little data, and the message says why.

    ``kind`` is what the rule judges (drift, quality, pipeline, ...); an endpoint may have several rules of one kind.
    """

    rule: str
    kind: str
    severity: str
    passed: bool | None
    value: float | None
    threshold: float | None
    n: int
    window: str
    message: str


@dataclass(frozen=True)
class Alert:
    """One alert of a rule, open or resolved."""

    endpoint: str
    rule: str
    kind: str
    status: str
    severity: str
    message: str
    count: int
    passes: int
    opened_at: datetime
    last_seen_at: datetime
    resolved_at: datetime | None
    opened_window: str
    data_window: str
    id: int | None = None


def state_of(passed: bool | None) -> str:  # noqa: FBT001 - the verdict itself
    """Return a verdict's state: passed, failed or not judged."""
    if passed is None:
        return NOT_JUDGED
    return PASSED if passed else FAILED


def with_states(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a derived table's row for people: a verdict that is null reads "not judged", not an empty cell."""
    return {n: NOT_JUDGED if value is None and n in _VERDICT_COLUMNS else value for n, value in row.items()}


def apply_verdict(alert: Alert | None, verdict: Verdict, endpoint: str, now: datetime) -> Alert | None:
    """Return the rule's alert after one more verdict; None when there is nothing to write.

    A failure opens an alert or is counted on the open one; two passes in a row resolve it; a verdict of None changes
    nothing.
    """
    if verdict.passed is None:
        return None
    if alert is None:
        return None if verdict.passed else _open_alert(verdict, endpoint, now)
    if not verdict.passed:
        return replace(
            alert,
            count=alert.count + 1,
            passes=0,
            last_seen_at=now,
            kind=verdict.kind,
            severity=verdict.severity,
            message=verdict.message,
            data_window=verdict.window,
        )
    passes = alert.passes + 1
    if passes < PASSES_TO_RESOLVE:
        return replace(alert, passes=passes)
    return replace(alert, passes=passes, status=RESOLVED, resolved_at=now)


def _open_alert(verdict: Verdict, endpoint: str, now: datetime) -> Alert:
    return Alert(
        endpoint=endpoint,
        rule=verdict.rule,
        kind=verdict.kind,
        status=OPEN,
        severity=verdict.severity,
        message=verdict.message,
        count=1,
        passes=0,
        opened_at=now,
        last_seen_at=now,
        resolved_at=None,
        opened_window=verdict.window,
        data_window=verdict.window,
    )


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the verdict to show for a rule's windows: the last failure, else the last pass, else the last."""
    for wanted in (False, True):
        chosen = [verdict for verdict in verdicts if verdict.passed is wanted]
        if chosen:
            return chosen[-1]
    return verdicts[-1]
