"""Judges alert rules on the derived tables, window by window; the verdicts are stored and raise alerts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from modelops_pipelines.core.alerting.alerts import Verdict
from modelops_pipelines.core.endpoints.spec import SERVICE_ALERT_OVER, AlertRule, EndpointSpec
from modelops_pipelines.core.metrics.skill_evidence import SkillEvidence, skill_evidence
from modelops_pipelines.core.tables.columns import Table
from modelops_pipelines.core.tables.derivations import derivation_of, judged_table, rule_kinds
from modelops_pipelines.core.tables.lake import CUSTOM_METRICS, ESTIMATED_QUALITY, SERVICE_METRICS, WHOLE
from modelops_pipelines.core.windows import LENGTH, hours_of, text, windows_between
from modelops_pipelines.operations.alerting.judge_drift import judge_data, judge_drift
from modelops_pipelines.operations.alerting.raise_alerts import AlertChange, raise_alerts
from modelops_pipelines.operations.alerting.thresholds import (
    Rows,
    not_judged,
    rows_of_busiest_version,
    stored_rows,
    threshold_verdict,
    trailing_windows,
)
from modelops_pipelines.operations.lake.incremental import derive_lock
from modelops_pipelines.operations.metrics.quality import judged_rows, quality_of
from modelops_pipelines.operations.metrics.traffic import sum_traffic
from modelops_pipelines.store.stores import Stores

MOST_WINDOWS = 200
MINIMUM_REQUESTS = 20
MINIMUM_LABELLED = 200
_OF_SCORES = {"auc", "log_loss", "brier", "brier_skill", "calibration_error", "confidence", "base_rate"}
"""Quality metrics of the rows that have a score; the others are of rows with a prediction."""
Judge = Callable[[Stores, EndpointSpec, AlertRule, Sequence[datetime]], list[Verdict]]


@dataclass(frozen=True)
class Judged:
    """The verdicts of the endpoint's rules on a derived table, and the alerts that changed."""

    verdicts: Sequence[Verdict] = ()
    changes: Sequence[AlertChange] = ()


def judge_table(stores: Stores, spec: EndpointSpec, table: Table) -> Judged:
    """Judge the windows of a derived table that changed since they were last judged; store verdicts, raise alerts.

    Verdicts, alerts and the marks of judged windows change in one transaction: a run that is killed leaves the
    windows marked, and the next run judges them.
    """
    declared = derivation_of(table.name)
    if not declared.judged_by:
        return Judged()
    with derive_lock(stores, spec, table):
        marked = stores.touched_windows.pending(spec.name, declared.verdict_mark)
        verdicts = judge_rules(stores, spec, [kind.name for kind in declared.judged_by], marked.windows)
        new = _new_verdicts(stores, spec, verdicts) if declared.hourly else verdicts
        changes = raise_alerts(stores, spec.name, new, judged=(declared.verdict_mark, marked))
    return Judged(verdicts, changes)


def _new_verdicts(stores: Stores, spec: EndpointSpec, verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Return the verdicts that differ from the stored ones.

    A changed day judges all its hours again; an hour that has not changed must not open or count on an alert again.
    """
    since = min((one.window for one in verdicts), default="")
    kinds = {one.kind for one in verdicts}
    stored = {one for kind in kinds for one in stores.verdicts.find(spec.name, kind, since)}
    return [one for one in verdicts if one not in stored]


def judge_rules(stores: Stores, spec: EndpointSpec, kinds: Sequence[str], windows: Sequence[datetime]) -> list[Verdict]:
    """Judge the endpoint's rules of these kinds on each window; return a rule's verdicts in order of time.

    A rule without a window to judge gets one verdict, "not judged".
    """
    verdicts: list[Verdict] = []
    for rule in spec.alerts:
        if rule.kind in kinds:
            judge = JUDGES.get(rule.kind, _judge_declared)
            found = judge(stores, spec, rule, sorted(windows)[-MOST_WINDOWS:])
            verdicts += found or [not_judged(rule, "", 0, "no window has changed")]
    return verdicts


def _judge_service(stores: Stores, spec: EndpointSpec, rule: AlertRule, windows: Sequence[datetime]) -> list[Verdict]:
    """Judge the span that ends with each hour that has requests, whatever the endpoint's window is."""
    over = rule.over or SERVICE_ALERT_OVER
    hours = hours_of(windows, spec.window)
    needed = {one for hour in hours for one in trailing_windows(hour, over, "hour")}
    rows = stored_rows(stores, spec, SERVICE_METRICS, sorted(needed))
    by_hour: dict[datetime, Rows] = {}
    for row in rows:
        by_hour.setdefault(row["window_start"], []).append(row)
    judged = [hour for hour in hours if hour in by_hour][-MOST_WINDOWS:]
    return [
        _service_verdict(rule, hour, [row for h in trailing_windows(hour, over, "hour") for row in by_hour.get(h, [])])
        for hour in judged
    ]


def _service_verdict(rule: AlertRule, hour: datetime, rows: Rows) -> Verdict:
    total, minimum = sum_traffic(rows), rule.minimum or MINIMUM_REQUESTS
    if total.requests < minimum:
        why = f"{total.requests} requests; a verdict needs {minimum}"
        return not_judged(rule, text(hour), total.requests, why)
    value = total.error_rate if rule.kind == "error_rate" else total.percentile(0.95)
    return threshold_verdict(rule, text(hour), value, total.requests, "requests")


def _judge_quality(stores: Stores, spec: EndpointSpec, rule: AlertRule, windows: Sequence[datetime]) -> list[Verdict]:
    """Judge windows older than the label horizon: before it, only the labels that come early would be judged."""
    mature = _mature_windows(stores, spec, windows)
    over = rule.over or LENGTH[spec.window]
    needed = sorted({one for window in mature for one in trailing_windows(window, over, spec.window)})
    if not needed:
        return []
    judged = judged_rows(stores, spec, needed)
    return [
        _quality_verdict(spec, rule, window, _slice(judged, trailing_windows(window, over, spec.window), window))
        for window in mature
    ]


def _mature_windows(stores: Stores, spec: EndpointSpec, windows: Sequence[datetime]) -> list[datetime]:
    """Return the windows that ended a label horizon before the watermark, and always the newest of these."""
    watermark = stores.ingest_progress.of(spec.name).watermark
    if watermark is None:
        return []
    length = LENGTH[spec.window]
    latest = watermark - spec.label_horizon - length
    mature = {window for window in windows if window <= latest}
    newest = windows_between(latest - length, latest, spec.window)
    return sorted(mature | ({newest[-1]} if newest else set()))


def _quality_verdict(spec: EndpointSpec, rule: AlertRule, window: datetime, judged: pa.Table) -> Verdict:
    found = [row for row in quality_of(spec, judged).to_pylist() if row["segment"] == WHOLE]
    rows = sorted(found, key=lambda row: -row["predictions"])
    minimum = rule.minimum or MINIMUM_LABELLED
    labelled = _pairs(judged, rows[0]["model_version"], str(rule.metric)) if rows else 0
    if labelled < minimum:
        why = f"{labelled} labelled rows; a verdict needs {minimum}"
        lack = rows[0]["labelled"] - labelled if rows else 0
        why += f"; {lack} more have a label but no {_compared_column(str(rule.metric))}" if lack else ""
        return not_judged(rule, text(window), labelled, why)
    value = rows[0].get(str(rule.metric))
    if value is None:
        return not_judged(rule, text(window), labelled, str(rows[0]["reason"]))
    verdict = threshold_verdict(rule, text(window), value, labelled, "labelled rows")
    if rule.metric == "brier_skill":
        return _with_evidence(rule, verdict, _skill_evidence(spec, judged, rows[0]["model_version"]))
    return verdict


def _with_evidence(rule: AlertRule, verdict: Verdict, found: SkillEvidence) -> Verdict:
    """Return a verdict on Brier skill that fails only when the whole interval does: chance alone fails no rule."""
    if found.lack or found.upper is None:
        return not_judged(rule, verdict.window, verdict.n, found.lack or "the metric is undefined on this window")
    if verdict.passed or rule.below is None or found.upper < rule.below:
        return verdict
    message = f"{verdict.message}; but its interval reaches {found.upper:.3g}, which is not below {rule.below:g}"
    return replace(verdict, passed=True, message=message)


def _skill_evidence(spec: EndpointSpec, judged: pa.Table, version: str) -> SkillEvidence:
    mine = pc.equal(judged.column("model_version"), version)
    both = pc.and_(pc.is_valid(judged.column("label")), pc.is_valid(judged.column("score")))
    rows = judged.filter(pc.and_(mine, both))
    positive = pc.equal(rows.column("label").cast(pa.string()), str(spec.positive_label))
    scores = rows.column("score").to_numpy(zero_copy_only=False)
    return skill_evidence(scores, positive.to_numpy(zero_copy_only=False))


def _pairs(judged: pa.Table, version: str, metric: str) -> int:
    """Return how many rows of a version have both a label and the column that the metric compares with it."""
    both = pc.and_(pc.is_valid(judged.column("label")), pc.is_valid(judged.column(_compared_column(metric))))
    return int(pc.sum(pc.and_(both, pc.equal(judged.column("model_version"), version))).as_py() or 0)


def _compared_column(metric: str) -> str:
    """Return the column that a quality metric compares with the label."""
    return "score" if metric in _OF_SCORES else "prediction"


def _judge_estimate(stores: Stores, spec: EndpointSpec, rule: AlertRule, windows: Sequence[datetime]) -> list[Verdict]:
    rows = stored_rows(stores, spec, ESTIMATED_QUALITY, windows)
    return _stored_verdicts(rule, rows, str(rule.metric))


def _judge_metric(stores: Stores, spec: EndpointSpec, rule: AlertRule, windows: Sequence[datetime]) -> list[Verdict]:
    rows = stored_rows(stores, spec, CUSTOM_METRICS, windows)
    return _stored_verdicts(rule, [row for row in rows if row["metric"] == rule.metric], "value")


def _judge_declared(stores: Stores, spec: EndpointSpec, rule: AlertRule, windows: Sequence[datetime]) -> list[Verdict]:
    """Judge the column that the rule kind's declaration names."""
    rows = stored_rows(stores, spec, judged_table(rule.kind), windows)
    return _stored_verdicts(rule, rows, str(rule_kinds()[rule.kind].value))


def _stored_verdicts(rule: AlertRule, rows: Rows, column: str) -> list[Verdict]:
    """Judge the busiest version's value of each window that has rows."""
    count = rule_kinds()[rule.kind].count
    by_window: dict[datetime, Rows] = {}
    for row in rows:
        by_window.setdefault(row["window_start"], []).append(row)
    return [
        _stored_verdict(rule, window, rows_of_busiest_version(rows, count)[0], column)
        for window, rows in sorted(by_window.items())
    ]


def _stored_verdict(rule: AlertRule, window: datetime, row: dict[str, object], column: str) -> Verdict:
    kind = rule_kinds()[rule.kind]
    n, value = int(str(row[kind.count])), row[column]
    minimum = rule.minimum or kind.minimum
    if n < minimum:
        return not_judged(rule, text(window), n, f"{n} rows; a verdict needs {minimum}")
    if not isinstance(value, float):
        return not_judged(rule, text(window), n, str(row.get("reason") or f"{column} is not a number"))
    return threshold_verdict(rule, text(window), value, n, "rows")


def _slice(judged: pa.Table, windows: Sequence[datetime], window: datetime) -> pa.Table:
    """Return the rows of the windows, all with the start of the one window."""
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
