"""After a deployment: what callers got since, what became of it, and whether the way back is still open."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from modelops_pipelines.core.alerting.objectives.burn_rates import BURNS, CLEAR
from modelops_pipelines.core.durations import format_duration
from modelops_pipelines.core.release.checklist import (
    FAILED,
    PASSED,
    UNKNOWN,
    Compared,
    Finding,
    State,
    failed,
    judge_errors,
    judge_latency,
    passed,
    together,
    unknown,
)
from modelops_pipelines.core.release.desired_state import CHALLENGER
from modelops_pipelines.core.release.event_log import Placement, guard_withdrawal, replacement
from modelops_pipelines.core.release.sequential_tests import FAIL
from modelops_pipelines.core.tables.lake import QUALITY_METRICS, WHOLE
from modelops_pipelines.core.windows import LENGTH, text, window_of
from modelops_pipelines.operations.alerting.judges.rule_states import newest_verdicts
from modelops_pipelines.operations.alerting.objectives.health_score import ERROR_LIMIT
from modelops_pipelines.operations.alerting.objectives.slos import SloState, slo_states
from modelops_pipelines.operations.testing.checklist.endpoint_items import (
    captured,
    judge_alerts,
    rollback_to,
    unresolved,
)
from modelops_pipelines.operations.testing.checklist.rollout_items import newest_verdict
from modelops_pipelines.operations.testing.checklist.subject import Subject
from modelops_pipelines.operations.testing.checklist.version_items import files_of, trust_found
from modelops_pipelines.operations.testing.checklist.words import at
from modelops_pipelines.store.lake import sql

MOST_ALERTS = 1000
LONGEST_LABELS = timedelta(days=60)
"""Labels are counted for so long after the switch."""


def requests(subject: Subject) -> Finding:
    """Judge whether requests were answered since, as far as the log reaches."""
    place = subject.served
    if place is None:
        return unknown(subject.unserved)
    found = subject.answered
    served = _compared(subject, place).served
    reach = "the log has no row" if found.up_to is None else f"the log reaches to {at(found.up_to)}"
    if not served.requests:
        return unknown(f"no request {found.since} is in the log; {reach}")
    last = "" if served.last is None else f", the last on {at(served.last)}"
    answered = served.requests - served.failed
    return passed(f"{served.requests:,} request(s) {found.since}, {answered:,} without a server error{last}; {reach}")


def errors(subject: Subject) -> Finding:
    """Judge the share of requests that failed since, beside the time before."""
    place = subject.served
    if place is None:
        return unknown(subject.unserved)
    limit = min(subject.with_rules.upper_limits("error_rate"), default=ERROR_LIMIT)
    return judge_errors(_compared(subject, place), subject.spec.guard, limit, subject.spec.promotion.minimum)


def latency(subject: Subject) -> Finding:
    """Judge the latency of answers since, beside the time before."""
    place = subject.served
    if place is None:
        return unknown(subject.unserved)
    return judge_latency(_compared(subject, place), subject.spec.guard, subject.spec.promotion.minimum)


def _compared(subject: Subject, place: Placement) -> Compared:
    return subject.answered.compared(subject.version, place.role, subject.state.champion)


def log(subject: Subject) -> Finding:
    """Judge whether what was acknowledged since is in the log, or on its way there in time."""
    if subject.served is None:
        return unknown(subject.unserved)
    found, waiting = subject.answered, captured(subject)
    if found.rejected:
        switch = at(found.spans.before_until)
        return failed(f"{found.rejected:,} captured line(s) were rejected since {switch}. {waiting.evidence}")
    reach = "The log has no row" if found.up_to is None else f"The log reaches to {at(found.up_to)}"
    return Finding(waiting.state, f"{reach}, and no captured line was rejected. {waiting.evidence}")


def drift(subject: Subject) -> Finding:
    """Judge the newest verdict of each drift rule, on windows since the version answers callers."""
    if subject.since is None:
        return unknown(subject.unserved)
    verdicts = [one for one in newest_verdicts(subject.stores, subject.spec) if one.kind == "drift"]
    if not verdicts:
        return unknown("no alert rule judges drift")
    first = text(window_of(subject.since, subject.spec.window))
    mine = [one for one in verdicts if one.window >= first]
    said = "; ".join(f"{one.rule}, {subject.spec.window} from {one.window[:16]}Z: {one.message}" for one in mine)
    if any(one.passed is False for one in mine):
        return failed(said)
    if not mine or any(one.passed is None for one in mine):
        return unknown(said or f"no {subject.spec.window} since {first[:16]}Z has been judged yet")
    return passed(said)


def labels(subject: Subject) -> Finding:
    """Judge whether labels come in of what the version answered; they are due a label horizon after the answer."""
    if subject.since is None:
        return unknown(subject.unserved)
    horizon = format_duration(subject.spec.label_horizon)
    rows = _quality_rows(subject, subject.since)
    answered, labelled = (sum(row[name] for row in rows) for name in ("predictions", "labelled"))
    since = f"since {at(subject.since)}"
    if labelled:
        return passed(f"{labelled:,} of {answered:,} predictions of the version {since} have a label")
    due = subject.now - subject.spec.label_horizon - LENGTH[subject.spec.window]
    late = sum(row["predictions"] for row in rows if row["window_start"] <= due)
    if late:
        return failed(f"{late:,} predictions of the version {since} are over {horizon} old, and none has a label")
    return unknown(f"no prediction of the version {since} has a label yet; labels are due within {horizon}")


def _quality_rows(subject: Subject, since: datetime) -> Sequence[dict[str, Any]]:
    """Return the version's windows of ``quality_metrics`` since a time, for LONGEST_LABELS at most."""
    first = window_of(since, subject.spec.window)
    columns = ("window_start", "model_version", "segment", "predictions", "labelled")
    with subject.stores.lake.query(subject.spec.name, [QUALITY_METRICS], _days(since, subject.now)) as connected:
        read = connected.table(QUALITY_METRICS.name).project(sql.columns_of(QUALITY_METRICS, columns))
        rows = [dict(zip(columns, row, strict=True)) for row in read.fetchall()]
    mine = [row for row in rows if row["model_version"] == subject.version and row["segment"] in {None, WHOLE}]
    return [row for row in mine if row["window_start"] >= first]


def _days(since: datetime, now: datetime) -> list[date]:
    count = min(now - since, LONGEST_LABELS).days + 2
    return [since.date() + timedelta(days=day) for day in range(count)]


def alerts(subject: Subject) -> Finding:
    """Judge the alerts that opened since the version answers callers: one that is open fails."""
    if subject.since is None:
        return unknown(subject.unserved)
    since = subject.since
    found = subject.stores.alerts.find(subject.spec.name, most=MOST_ALERTS)
    opened = [alert for alert in found if alert.opened_at > since]
    still = [alert for alert in unresolved(subject) if alert.opened_at > since]
    judged = judge_alerts(still, f"since {at(since)}")
    return Finding(judged.state, f"{judged.evidence}; {len(opened) - len(still)} that opened since are over")


def objectives(subject: Subject) -> Finding:
    """Judge the endpoint's objectives: an error budget that burns too fast fails."""
    states = slo_states(subject.stores, subject.spec, subject.now)
    if not states:
        return unknown("no objective is set for the endpoint (slos)")
    return together([_objective(one) for one in states])


def _objective(found: SloState) -> Finding:
    states: Mapping[str, State] = {BURNS: FAILED, CLEAR: PASSED}
    left = found.reason if found.budget.left is None else f"{found.budget.left:.0%} of its budget is left"
    return Finding(states.get(found.state, UNKNOWN), f"{found.slo.name}: {found.state}, {left}")


def guard(subject: Subject) -> Finding:
    """Judge the guards on the version: none has failed, and who applies them works."""
    place, failure = subject.served, _guard_failure(subject)
    if failure is not None:
        return failed(failure)
    if place is None:
        return unknown(subject.unserved)
    off = "" if subject.spec.guard.automatic else "; 'guard.automatic' is off: a person has to roll back"
    if place.role == CHALLENGER:
        return _watching(subject, "while it is on trial", off)
    release = replacement(subject.events, subject.version)
    if release is None:
        return unknown(f"version {subject.version} replaced no other that the guards could return to{off}")
    until = release.at + subject.spec.guard.watch
    if until > subject.now:
        return _watching(subject, f"until {at(until)}", off)
    return passed(f"the guards watched it until {at(until)}, and none has failed{off}")


def _guard_failure(subject: Subject) -> str | None:
    """Return which guard failed since the version got its place, or took it from the version; None without one."""
    withdrawn, place = guard_withdrawal(subject.events, subject.version), subject.served
    if withdrawn is not None and (place is None or withdrawn.at > place.by.at):
        by = f"the guard {withdrawn.evidence.get('guard')!r} rolled version {subject.version} back"
        return f"{by} on {at(withdrawn.at)}: {withdrawn.reason}"
    newest = newest_verdict(subject)
    if place is None or newest is None or newest.verdict != FAIL or newest.at <= place.by.at:
        return None
    return f"a guard failed on {at(newest.at)}, and nothing was rolled back: {newest.numbers.get('reason')}"


def _watching(subject: Subject, when: str, off: str) -> Finding:
    if not subject.workers:
        return unknown(f"the guards watch it {when}, and no gateway worker lives that applies them{off}")
    return passed(f"the guards watch it {when}, and none has failed{off}")


def rollback_files(subject: Subject) -> Finding:
    """Judge whether the version that a rollback returns to can still be loaded."""
    if subject.served is None:
        return unknown(subject.unserved)
    target = rollback_to(subject)
    if isinstance(target, Finding):
        return target
    known = subject.stores.deployments.version(subject.spec.model_name, target)
    if known is None:
        return failed(f"version {target}, which a rollback returns to, is not recorded here")
    return together([files_of(known), trust_found(subject, known)])
