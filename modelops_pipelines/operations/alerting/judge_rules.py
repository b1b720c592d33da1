"""Alert rules held against what the derived tables say, window by window; the verdicts are kept and raise alerts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from modelops_pipelines.core.alerting.alerts import Verdict
from modelops_pipelines.core.endpoints.spec import SERVICE_ALERT_OVER, AlertRule, EndpointSpec
from modelops_pipelines.core.tables.columns import Table
from modelops_pipelines.core.tables.derivations import derivation_of, judged_table, rule_kinds
from modelops_pipelines.core.tables.lake import CUSTOM_METRICS, ESTIMATED_QUALITY, SERVICE_METRICS, WHOLE
from modelops_pipelines.core.windows import LENGTH, hours_of, text, windows_between
from modelops_pipelines.operations.alerting.judge_drift import judge_data, judge_drift
from modelops_pipelines.operations.alerting.raise_alerts import AlertChange, raise_alerts
from modelops_pipelines.operations.alerting.thresholds import (
    Rows,
    held_against,
    not_judged,
    of_busiest,
    stored,
    trailing,
)
from modelops_pipelines.operations.lake.incremental import derive_lock
from modelops_pipelines.operations.metrics.quality import judged_rows, quality_of
from modelops_pipelines.operations.metrics.traffic import summed
from modelops_pipelines.store.stores import Stores

MOST_WINDOWS = 200
MINIMUM_REQUESTS = 20
MINIMUM_LABELLED = 200
_OF_SCORES = {"auc", "log_loss", "brier", "brier_skill", "calibration_error", "confidence", "base_rate"}
"""Quality metrics of the rows that have a score; the others are of those with a prediction."""
Judge = Callable[[Stores, EndpointSpec, AlertRule, Sequence[datetime]], list[Verdict]]


@dataclass(frozen=True)
class Judged:
    """What the endpoint's rules say of a derived table, and what that did to its alerts."""

    verdicts: Sequence[Verdict] = ()
    changes: Sequence[AlertChange] = ()


def judge_table(stores: Stores, spec: EndpointSpec, table: Table) -> Judged:
    """Judge the windows of a derived table that changed since they were last judged; keep the verdicts, raise alerts.

    Verdicts, alerts and the marks of what was judged change in one transaction: a run killed anywhere leaves the
    windows marked, and the next one judges them.
    """
    declared = derivation_of(table.name)
    if not declared.judged_by:
        return Judged()
    with derive_lock(stores, spec, table):
        marked = stores.touched_windows.pending(spec.name, declared.verdict_mark)
        verdicts = judge_rules(stores, spec, [kind.name for kind in declared.judged_by], marked.windows)
        changes = raise_alerts(stores, spec.name, verdicts, judged=(declared.verdict_mark, marked))
    return Judged(verdicts, changes)


def judge_rules(stores: Stores, spec: EndpointSpec, kinds: Sequence[str], windows: Sequence[datetime]) -> list[Verdict]:
    """Judge the endpoint's rules of these kinds on each window; a rule's verdicts in order of time.

    A rule without a window to judge gets one verdict that says so.
    """
    verdicts: list[Verdict] = []
    for rule in spec.alerts:
        if rule.kind in kinds:
            judge = JUDGES.get(rule.kind, _judge_declared)
            found = judge(stores, spec, rule, sorted(windows)[-MOST_WINDOWS:])
            verdicts += found or [not_judged(rule, "", 0, "no window has changed")]
    return verdicts


def _judge_service(stores: Stores, spec: EndpointSpec, rule: AlertRule, windows: Sequence[datetime]) -> list[Verdict]:
    """Judge the time up to the end of each hour with requests, whatever the endpoint's window is."""
    over = rule.over or SERVICE_ALERT_OVER
    hours = hours_of(windows, spec.window)
    needed = {one for hour in hours for one in trailing(hour, over, "hour")}
    rows = stored(stores, spec, SERVICE_METRICS, sorted(needed))
    by_hour: dict[datetime, Rows] = {}
    for row in rows:
        by_hour.setdefault(row["window_start"], []).append(row)
    judged = [hour for hour in hours if hour in by_hour][-MOST_WINDOWS:]
    return [
        _service_verdict(rule, h, [r for o in trailing(h, over, "hour") for r in by_hour.get(o, [])]) for h in judged
    ]


def _service_verdict(rule: AlertRule, hour: datetime, rows: Rows) -> Verdict:
    total, minimum = summed(rows), rule.minimum or MINIMUM_REQUESTS
    if total.requests < minimum:
        why = f"{total.requests} requests of the {minimum} that a verdict takes"
        return not_judged(rule, text(hour), total.requests, why)
    value = total.error_rate if rule.kind == "error_rate" else total.percentile(0.95)
    return held_against(rule, text(hour), value, total.requests, "requests")


def _judge_quality(stores: Stores, spec: EndpointSpec, rule: AlertRule, windows: Sequence[datetime]) -> list[Verdict]:
    """Judge windows whose labels have had their time; a window that is still waiting would judge early ones only."""
    ripe = _ripe_windows(stores, spec, windows)
    over = rule.over or LENGTH[spec.window]
    needed = sorted({one for window in ripe for one in trailing(window, over, spec.window)})
    if not needed:
        return []
    judged = judged_rows(stores, spec, needed)
    return [
        _quality_verdict(spec, rule, window, _slice(judged, trailing(window, over, spec.window), window))
        for window in ripe
    ]


def _ripe_windows(stores: Stores, spec: EndpointSpec, windows: Sequence[datetime]) -> list[datetime]:
    watermark = stores.ingest_progress.of(spec.name).watermark
    if watermark is None:
        return []
    length = LENGTH[spec.window]
    latest = watermark - spec.label_horizon - length
    ripe = {window for window in windows if window <= latest}
    newest = windows_between(latest - length, latest, spec.window)
    return sorted(ripe | ({newest[-1]} if newest else set()))


def _quality_verdict(spec: EndpointSpec, rule: AlertRule, window: datetime, judged: pa.Table) -> Verdict:
    found = [row for row in quality_of(spec, judged).to_pylist() if row["segment"] == WHOLE]
    rows = sorted(found, key=lambda row: -row["predictions"])
    minimum = rule.minimum or MINIMUM_LABELLED
    labelled = _pairs(judged, rows[0]["model_version"], str(rule.metric)) if rows else 0
    if labelled < minimum:
        why = f"{labelled} labelled rows of the {minimum} that a verdict takes"
        lack = rows[0]["labelled"] - labelled if rows else 0
        why += f"; {lack} more have a label but no {_measured(str(rule.metric))}" if lack else ""
        return not_judged(rule, text(window), labelled, why)
    value = rows[0].get(str(rule.metric))
    if value is None:
        return not_judged(rule, text(window), labelled, str(rows[0]["reason"]))
    return held_against(rule, text(window), value, labelled, "labelled rows")


def _pairs(judged: pa.Table, version: str, metric: str) -> int:
    """Return how many rows of a version have both a label and what the metric holds against it."""
    both = pc.and_(pc.is_valid(judged.column("label")), pc.is_valid(judged.column(_measured(metric))))
    return int(pc.sum(pc.and_(both, pc.equal(judged.column("model_version"), version))).as_py() or 0)


def _measured(metric: str) -> str:
    """Return the column that a quality metric holds against the label."""
    return "score" if metric in _OF_SCORES else "prediction"


def _judge_estimate(stores: Stores, spec: EndpointSpec, rule: AlertRule, windows: Sequence[datetime]) -> list[Verdict]:
    rows = stored(stores, spec, ESTIMATED_QUALITY, windows)
    return _stored_verdicts(rule, rows, str(rule.metric))


def _judge_metric(stores: Stores, spec: EndpointSpec, rule: AlertRule, windows: Sequence[datetime]) -> list[Verdict]:
    rows = stored(stores, spec, CUSTOM_METRICS, windows)
    return _stored_verdicts(rule, [row for row in rows if row["metric"] == rule.metric], "value")


def _judge_declared(stores: Stores, spec: EndpointSpec, rule: AlertRule, windows: Sequence[datetime]) -> list[Verdict]:
    """Judge the column that the kind's declaration names."""
    rows = stored(stores, spec, judged_table(rule.kind), windows)
    return _stored_verdicts(rule, rows, str(rule_kinds()[rule.kind].value))


def _stored_verdicts(rule: AlertRule, rows: Rows, column: str) -> list[Verdict]:
    """Judge the busiest version's value of each window that has rows."""
    count = rule_kinds()[rule.kind].count
    by_window: dict[datetime, Rows] = {}
    for row in rows:
        by_window.setdefault(row["window_start"], []).append(row)
    return [_stored_verdict(rule, one, of_busiest(by_window[one], count)[0], column) for one in sorted(by_window)]


def _stored_verdict(rule: AlertRule, window: datetime, row: dict[str, object], column: str) -> Verdict:
    kind = rule_kinds()[rule.kind]
    n, value = int(str(row[kind.count])), row[column]
    minimum = rule.minimum or kind.minimum
    if n < minimum:
        return not_judged(rule, text(window), n, f"{n} rows of the {minimum} that a verdict takes")
    if not isinstance(value, float):
        return not_judged(rule, text(window), n, str(row.get("reason") or f"{column} is not a number"))
    return held_against(rule, text(window), value, n, "rows")


def _slice(judged: pa.Table, windows: Sequence[datetime], window: datetime) -> pa.Table:
    """Return the rows of the windows as if all lay in the one window."""
    starts = pa.array(windows, pa.timestamp("us", "UTC"))
    mine = judged.filter(pc.is_in(judged.column("window_start"), value_set=starts))
    moved = pa.array([window] * len(mine), pa.timestamp("us", "UTC"))
    return mine.set_column(mine.column_names.index("window_start"), "window_start", moved)


JUDGES: dict[str, Judge] = {
    "error_rate": _judge_service,
    "latency_p95_ms": _judge_service,
    "drift": judge_drift,
    "data_quality": judge_data,
    "quality": _judge_quality,
    "estimated_quality": _judge_estimate,
    "metric": _judge_metric,
}
