"""What a rule would have said of the last days: it is judged on the windows that are there, and nothing is written.

Which alerts it would have opened follows from its verdicts as it does for real, by the end of each window as the time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from modelops_pipelines.core.alerting.alerts import RESOLVED, Alert, Verdict, state_of
from modelops_pipelines.core.alerting.events import OPENED, REOPENED
from modelops_pipelines.core.alerting.life import DROPPED, Standing, Step, steps_of
from modelops_pipelines.core.endpoints.alert_rules import SERVICE_KINDS, VOLUME_KINDS, AlertRule
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.derivations import judged_table
from modelops_pipelines.core.windows import LENGTH, text, window_of, windows_between
from modelops_pipelines.operations.alerting.judges.judge_rules import judge_rules
from modelops_pipelines.operations.alerting.judges.thresholds import MOST_WINDOWS, stored_rows
from modelops_pipelines.store.stores import Stores

DAYS = 30


@dataclass(frozen=True)
class WouldBe:
    """An alert that the rule would have opened: since when, until when (None: it would be open), and what it says.

    Times are those of the ends of windows.
    """

    opened_at: datetime
    resolved_at: datetime | None
    message: str


@dataclass(frozen=True)
class PastDays:
    """A rule's verdicts on the windows of the last ``days``, oldest first, and the alerts that they would have opened.

    ``why_none`` says why there is no verdict, "" where there are some.
    """

    days: int
    verdicts: Sequence[Verdict]
    alerts: Sequence[WouldBe]
    why_none: str = ""

    @property
    def counts(self) -> dict[str, int]:
        """The number of verdicts by their state: passed, failed, not judged."""
        found = {"passed": 0, "failed": 0, "not judged": 0}
        for verdict in self.verdicts:
            found[state_of(verdict.passed)] += 1
        return found

    def describe(self) -> dict[str, Any]:
        """Return it as JSON-safe values: counts, the alerts, the newest verdict that failed, and the newest of all."""
        failed = [one for one in self.verdicts if one.passed is False]
        return {
            "days": self.days,
            "counts": self.counts,
            "alerts": [
                {
                    "opened_at": text(one.opened_at),
                    "resolved_at": None if one.resolved_at is None else text(one.resolved_at),
                    "message": one.message,
                }
                for one in self.alerts
            ],
            "newest_failure": failed[-1].message if failed else None,
            "newest": self.verdicts[-1].message if self.verdicts else None,
            "why_none": self.why_none,
        }


def past_days(stores: Stores, spec: EndpointSpec, rule: AlertRule, days: int = DAYS) -> PastDays:
    """Judge a rule on the windows of the last days that are in the lake; reads it, and changes nothing.

    A rule on SQL is judged on its newest spans only: each is a query on the log.
    """
    windows = _windows(stores, spec, rule, days)
    if not windows:
        return PastDays(days, (), (), f"no window of {judged_table(rule.kind).name} in the last {days} days")
    alone, found = replace(spec, alerts=(rule,)), dict[str, Verdict]()
    for part in _parts(spec, rule, windows):
        found |= {one.window: one for one in judge_rules(stores, alone, [rule.kind], part) if one.window}
    first = text(windows[0])
    verdicts = [found[window] for window in sorted(found) if window >= first]
    why = "" if verdicts else "no window can be judged yet: labels or hours are not complete"
    return PastDays(days, verdicts, _alerts(spec, rule, verdicts), why)


def _windows(stores: Stores, spec: EndpointSpec, rule: AlertRule, days: int) -> list[datetime]:
    """Return the endpoint's windows that the rule has something to judge in; of a rule on volume also empty ones."""
    now, size = stores.now(), _size(spec, rule)
    wanted = windows_between(now - timedelta(days=days), now, size)
    there = sorted({row["window_start"] for row in stored_rows(stores, spec, judged_table(rule.kind), wanted)})
    if there and rule.kind in VOLUME_KINDS:
        there = windows_between(there[0], now, size)
    return sorted({window_of(one, spec.window) for one in there})


def _parts(spec: EndpointSpec, rule: AlertRule, windows: Sequence[datetime]) -> Iterator[Sequence[datetime]]:
    """Yield the windows in parts of as many as are judged at once."""
    hours = LENGTH[spec.window] // LENGTH[_size(spec, rule)]
    most = max(1, MOST_WINDOWS // hours)
    if rule.kind == "sql":
        yield windows[-most:]
        return
    for start in range(0, len(windows), most):
        yield windows[start : start + most]


def _size(spec: EndpointSpec, rule: AlertRule) -> str:
    return "hour" if rule.kind in SERVICE_KINDS else spec.window


def _alerts(spec: EndpointSpec, rule: AlertRule, verdicts: Sequence[Verdict]) -> list[WouldBe]:
    """Return the alerts that verdicts in order would have opened."""
    length, found = LENGTH[_size(spec, rule)], list[WouldBe]()
    current: Alert | None = None
    past: Alert | None = None
    for verdict in verdicts:
        at = datetime.fromisoformat(verdict.window) + length
        for step in steps_of(Standing(current, past), verdict, spec.name, at, rule.for_):
            _note(found, step, at)
            is_over = step.change == DROPPED or step.after.status == RESOLVED
            past = step.after if step.after.status == RESOLVED else past
            current = None if is_over else step.after
    return found


def _note(found: list[WouldBe], step: Step, at: datetime) -> None:
    if step.change in {OPENED, REOPENED}:
        found.append(WouldBe(at, None, step.after.message))
    elif step.after.status == RESOLVED and found:
        found[-1] = replace(found[-1], resolved_at=at)
