"""The health score of an endpoint, from its newest hours, windows and verdicts, its spool and its error budgets."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from modelops_pipelines.core.alerting.alerts import Verdict
from modelops_pipelines.core.alerting.objectives.health_score import (
    AT_LIMIT,
    AVAILABILITY,
    BUDGET,
    CAPTURE,
    DATA,
    DRIFT,
    LATENCY,
    QUALITY,
    WEIGHTS,
    WHOLE,
    HealthScore,
    Part,
    points_beyond,
    points_of_share,
    points_within,
    score_of,
)
from modelops_pipelines.core.alerting.objectives.slo_messages import share_text
from modelops_pipelines.core.capture.health import CaptureHealth
from modelops_pipelines.core.endpoints.alert_rules import OUTSIDE
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.metrics.latency_sketch import merge, percentile
from modelops_pipelines.core.release.desired_state import ACTIVE, DesiredState
from modelops_pipelines.core.tables import lake
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.alerting.judges.rule_states import newest_verdicts
from modelops_pipelines.operations.alerting.judges.thresholds import rows_of_busiest_version
from modelops_pipelines.operations.alerting.objectives.service_hours import ServedHour, served_hours
from modelops_pipelines.operations.alerting.objectives.slos import SloState, slo_states
from modelops_pipelines.operations.alerting.rules.effective_rules import with_runtime_rules
from modelops_pipelines.operations.alerting.watches.capture_watch import capture_health
from modelops_pipelines.operations.lake.queries import newest_reader
from modelops_pipelines.store.spool.backlog import backlog
from modelops_pipelines.store.stores import Stores

DAY = timedelta(days=1)
"""What availability and latency are of: long enough for night and day, short enough to be the present."""
STALE = timedelta(days=7)
"""Verdicts on windows that are older say nothing of the present; those on labels are a label horizon older."""
ERROR_LIMIT, LATENCY_LIMIT_MS = 0.10, 10_000.0
"""The limits of the default rules, for endpoints without a rule on errors or latency."""
_QUALITY_KINDS = ("quality", "estimated_quality")
_DRIFT_COLUMNS = ("window_start", "model_version", "column", "drifted", "n", "n_window", "importance")
Rows = Sequence[Mapping[str, Any]]


def health_score(stores: Stores, spec: EndpointSpec, now: datetime) -> HealthScore:
    """Return the endpoint's score with its parts; None, with the reason, when it is not in service or never was."""
    effective, state = with_runtime_rules(stores, spec), stores.deployments.desired(spec.name)
    if state.generation and state.status != ACTIVE:
        return HealthScore(None, f"the endpoint is {state.status}", ())
    hours = [one for at, one in served_hours(stores, spec, now).items() if now - DAY <= at <= now]
    available = _availability(stores, effective, state, hours, now)
    with newest_reader(stores, spec) as read:
        drift = read(lake.DRIFT, 1, _DRIFT_COLUMNS)
        chunks = read(lake.DATA_QUALITY, 24 if spec.window == "hour" else 1, ("window_start", "passed"))
    verdicts = [one for one in newest_verdicts(stores, effective) if one.kind in _QUALITY_KINDS]
    capture = capture_health(stores.settings, spec.name, now)
    return score_of(
        [
            available,
            _latency(stores, effective, hours),
            _quality(verdicts, now - STALE - spec.label_horizon),
            _drift(_recent(drift, now)),
            _data(_recent(chunks, now)),
            _capture(capture, is_used=available.points is not None),
            _budget(slo_states(stores, spec, now)),
        ]
    )


def describe_health(found: HealthScore) -> dict[str, Any]:
    """Return a score for people and programs, its parts with their weights and what they allow the score to be."""
    parts = [{**asdict(part), **asdict(WEIGHTS[part.name])} for part in found.parts]
    return {"score": found.score, "reason": found.reason, "limited_by": found.limited_by, "parts": parts}


def _availability(
    stores: Stores, spec: EndpointSpec, state: DesiredState, hours: Sequence[ServedHour], now: datetime
) -> Part:
    down = _why_down(stores, state, now)
    if down is not None:
        return Part(AVAILABILITY, 0.0, down)
    requests, failed = sum(one.requests for one in hours), sum(one.server_errors for one in hours)
    if not requests:
        return Part(AVAILABILITY, None, _why_no_requests(stores, spec))
    limit = _limit(spec, ("error_rate",), ERROR_LIMIT)
    said = f"{failed:,} of {requests:,} requests failed in the last 24 h (limit {share_text(limit)})"
    return Part(AVAILABILITY, points_within(failed / requests, limit or 1 / requests), said)


def _why_down(stores: Stores, state: DesiredState, now: datetime) -> str | None:
    """Return why an endpoint that was deployed serves nothing; None where it does, or was never deployed."""
    if not state.generation:
        return None
    if state.champion is None:
        return "no version is served"
    reports = stores.deployments.acknowledgements(state.endpoint, now)
    if not reports:
        return "no gateway worker lives"
    faults = [one.error for one in reports if one.error and one.generation == state.generation]
    return f"no gateway worker can serve it: {faults[0]}" if len(faults) == len(reports) else None


def _why_no_requests(stores: Stores, spec: EndpointSpec) -> str:
    """Return why the lake has no requests of the last 24 h: those that were answered may wait to be ingested."""
    waiting = backlog(stores.settings.spool, spec.name)
    if waiting.sealed_at is not None or waiting.opened_at is not None:
        return "its requests are not ingested yet: Dagster does that, see modelops doctor"
    return "no requests in the last 24 h"


def _latency(stores: Stores, spec: EndpointSpec, hours: Sequence[ServedHour]) -> Part:
    p95 = percentile(merge(one.latencies for one in hours), 0.95)
    if p95 is None:
        return Part(LATENCY, None, _why_no_requests(stores, spec))
    limit = max(1.0, _limit(spec, ("latency", "latency_p95_ms"), LATENCY_LIMIT_MS))
    return Part(LATENCY, points_within(p95, limit), f"p95 {p95:.3g} ms in the last 24 h (limit {limit:g} ms)")


def _limit(spec: EndpointSpec, kinds: Sequence[str], default: float) -> float:
    """Return the lowest limit above which a rule of these kinds fails."""
    conditions = [rule.condition for rule in spec.alerts if rule.kind in kinds]
    above = [one for one in conditions if one is not None and (one.grows_into_failure or one.operator == OUTSIDE)]
    return min((one.high for one in above), default=default)


def _quality(verdicts: Sequence[Verdict], since: datetime) -> Part:
    """Judge by the worst newest verdict: a failed rule of severity warning, as on an estimate, leaves half."""
    judged = [one for one in verdicts if one.passed is not None and one.window >= text(since)]
    if not judged:
        reasons = {one.message for one in verdicts} or {"no rule judges quality"}
        several = f"no rule on quality was judged on a window since {text(since)[:10]}"
        return Part(QUALITY, None, reasons.pop() if len(reasons) == 1 else several)
    points = {one.rule: WHOLE if one.passed else AT_LIMIT if one.severity == "warning" else 0.0 for one in judged}
    worst = min(judged, key=lambda one: points[one.rule])
    return Part(QUALITY, points[worst.rule], worst.message)


def _drift(rows: Rows) -> Part:
    judged = (
        [row for row in rows_of_busiest_version(list(map(dict, rows))) if row["drifted"] is not None] if rows else []
    )
    if not judged:
        return Part(DRIFT, None, "no column was judged in the last 7 days")
    importances = [row["importance"] for row in judged]
    weights = [1.0] * len(judged) if None in importances or not sum(importances) else importances
    drifted = sum(weight for weight, row in zip(weights, judged, strict=True) if row["drifted"]) / sum(weights)
    count = sum(bool(row["drifted"]) for row in judged)
    said = f"{count} of {len(judged)} columns drifted, with {share_text(drifted)} of the importance"
    return Part(DRIFT, points_of_share(1 - drifted), said)


def _data(rows: Rows) -> Part:
    judged = [row["passed"] for row in rows if row["passed"] is not None]
    if not judged:
        return Part(DATA, None, "no requests were compared with the days before in the last 7 days")
    good = sum(judged) / len(judged)
    said = f"{len(judged) - sum(judged)} of {len(judged)} chunks of requests differ from the days before"
    return Part(DATA, points_of_share(good), said)


def _capture(found: CaptureHealth, *, is_used: bool) -> Part:
    if found.ok and not is_used:
        return Part(CAPTURE, None, "there was nothing to capture")
    worsts = {"disk": 1.0}
    points = [points_beyond(check.value, check.threshold, worsts.get(check.name)) for check in found.checks]
    return Part(CAPTURE, min(points), "all checks pass" if found.ok else found.message)


def _budget(states: Sequence[SloState]) -> Part:
    left = {one.slo.name: one.budget.left for one in states if one.budget.left is not None}
    if not left:
        return Part(BUDGET, None, states[0].reason or "no events" if states else "no objective is set (slos)")
    worst = min(left, key=lambda name: left[name])
    return Part(BUDGET, points_of_share(left[worst]), f"{left[worst] * 100:.0f} % of the budget of {worst} is left")


def _recent(rows: Rows, now: datetime) -> Rows:
    return [row for row in rows if now - row["window_start"] <= STALE]
