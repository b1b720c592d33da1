"""Verdicts of alert rules, alerts, and what a failure or a pass makes of an alert."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

PENDING, OPEN, ACKNOWLEDGED, RESOLVED = "pending", "open", "acknowledged", "resolved"
"""The states of an alert as people see them. An acknowledged alert is stored as open, with who acknowledged it."""
WORST_FIRST = ("error", "warning")
"""The severities of alerts."""
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
    """One alert of a rule: pending, open or resolved. See ``core.tables.state`` for what each field says."""

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
    value: float | None = None
    threshold: float | None = None
    n: int | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    note: str | None = None
    resolved_by: str | None = None
    resolution: str | None = None
    reopened: int = 0
    flapping: bool = False
    escalations: int = 0

    @property
    def state(self) -> str:
        """Its state as people see it: pending, open, acknowledged or resolved."""
        return ACKNOWLEDGED if self.status == OPEN and self.acknowledged_at is not None else self.status


@dataclass(frozen=True)
class Traits:
    """What a rule says of its alerts beside the threshold: how long it fails before one opens, whose it is, its labels.

    ``wait`` is the rule's ``for``; None: an alert opens at the first failure.
    """

    wait: timedelta | None = None
    owner: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    runbook: str | None = None


@dataclass(frozen=True)
class AlertEvent:
    """What happened to an alert: one row of its history, and what channels are told.

    ``actor`` is None where the rule's verdict or the clock did it. ``alert_id`` is 0 until the alert is written.
    ``detail`` has the alert's ``state`` after it, and at an opening what the rule says: owner, labels, runbook.
    """

    alert_id: int
    endpoint: str
    rule: str
    at: datetime
    event: str
    actor: str | None = None
    note: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    id: int | None = None


def state_of(passed: bool | None) -> str:  # noqa: FBT001 - the verdict itself
    """Return a verdict's state: passed, failed or not judged."""
    if passed is None:
        return NOT_JUDGED
    return PASSED if passed else FAILED


def is_worse(severity: str, before: str) -> bool:
    """Return whether a severity is worse than one before it."""
    return severity in WORST_FIRST[: _rank(before)]


def with_states(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a derived table's row for people: a verdict that is null reads "not judged", not an empty cell."""
    return {n: NOT_JUDGED if value is None and n in _VERDICT_COLUMNS else value for n, value in row.items()}


def open_alert(verdict: Verdict, endpoint: str, now: datetime) -> Alert:
    """Return a new alert for a failure."""
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
        value=verdict.value,
        threshold=verdict.threshold,
        n=verdict.n,
    )


def after_failure(alert: Alert, verdict: Verdict, now: datetime) -> Alert:
    """Return the alert after one more failure: counted, in the words and numbers of the newest."""
    return replace(
        alert,
        count=alert.count + 1,
        passes=0,
        last_seen_at=now,
        kind=verdict.kind,
        severity=verdict.severity,
        message=verdict.message,
        data_window=verdict.window,
        value=verdict.value,
        threshold=verdict.threshold,
        n=verdict.n,
    )


def after_pass(alert: Alert, now: datetime) -> Alert:
    """Return the alert after a pass: the second one in a row resolves it."""
    passes = alert.passes + 1
    if passes < PASSES_TO_RESOLVE:
        return replace(alert, passes=passes)
    return replace(alert, passes=passes, status=RESOLVED, resolved_at=now)


def _rank(severity: str) -> int:
    return WORST_FIRST.index(severity) if severity in WORST_FIRST else len(WORST_FIRST)


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the verdict to show for a rule's windows: the last failure, else the last pass, else the last."""
    for wanted in (False, True):
        chosen = [verdict for verdict in verdicts if verdict.passed is wanted]
        if chosen:
            return chosen[-1]
    return verdicts[-1]
