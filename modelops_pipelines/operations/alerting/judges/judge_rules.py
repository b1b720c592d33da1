"""Judges alert rules on the derived tables, window by window; the verdicts are stored and raise alerts."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from modelops_pipelines.core.alerting.alerts import Verdict
from modelops_pipelines.core.endpoints.alert_rules import VOLUME_KINDS, AlertRule
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.endpoints.validation.alerts import EXCESS_ERRORS
from modelops_pipelines.core.foreign_text import error_text, error_trace
from modelops_pipelines.core.metrics.skill_evidence import SkillEvidence, skill_evidence
from modelops_pipelines.core.tables.columns import Table
from modelops_pipelines.core.tables.derivations import derivation_of, judged_table, rule_kinds
from modelops_pipelines.core.tables.lake import CUSTOM_METRICS, ESTIMATED_QUALITY, WHOLE
from modelops_pipelines.core.windows import LENGTH, text
from modelops_pipelines.operations.alerting.judges.coverage import judge_coverage
from modelops_pipelines.operations.alerting.judges.excess_errors import judge_excess_errors
from modelops_pipelines.operations.alerting.judges.judge_drift import judge_data, judge_drift
from modelops_pipelines.operations.alerting.judges.service import judge_service
from modelops_pipelines.operations.alerting.judges.sql_file import judge_sql
from modelops_pipelines.operations.alerting.judges.thresholds import (
    MOST_WINDOWS,
    Rows,
    mature_windows,
    not_judged,
    rows_of_busiest_version,
    stored_rows,
    threshold_verdict,
    trailing_windows,
)
from modelops_pipelines.operations.alerting.judges.volume import judge_volume
from modelops_pipelines.operations.alerting.life.policy import traits_of
from modelops_pipelines.operations.alerting.life.raise_alerts import AlertChange, raise_alerts
from modelops_pipelines.operations.lake.incremental import derive_lock, parts_of
from modelops_pipelines.operations.metrics.quality import judged_rows, quality_of
from modelops_pipelines.store.stores import Stores

MINIMUM_LABELLED = 200
MOST_ROWS = 200_000
"""Judged rows whose quality one query computes."""
_OF_SCORES = {"auc", "log_loss", "brier", "brier_skill", "calibration_error", "confidence", "base_rate"}
"""Quality metrics of the rows that have a score; the others are of rows with a prediction."""
_Span = tuple[datetime, pa.Table]
"""A window, and the judged rows of the time that ends with it."""
Judge = Callable[[Stores, EndpointSpec, AlertRule, Sequence[datetime]], list[Verdict]]
_OF_THE_RULE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""Faults that judging a rule again would meet again. Those of a file, a lock or the state end the run, which is tried
again: no window is lost."""
_LOG = logging.getLogger("modelops.alerting")


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
        changes = raise_alerts(
            stores, spec.name, new, judged=(declared.verdict_mark, marked), traits=traits_of(spec.alerts)
        )
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

    A rule without a window to judge gets one verdict, "not judged". So does each window of a rule whose judge stumbles:
    no rule stops the others.
    """
    verdicts: list[Verdict] = []
    for rule in spec.alerts:
        if rule.kind in kinds:
            found = _judge_alone(stores, spec, rule, sorted(windows)[-MOST_WINDOWS:])
            verdicts += found or [not_judged(rule, "", 0, "no window has changed")]
    return verdicts


def _judge_alone(stores: Stores, spec: EndpointSpec, rule: AlertRule, windows: Sequence[datetime]) -> list[Verdict]:
    try:
        return JUDGES.get(rule.kind, _judge_declared)(stores, spec, rule, windows)
    except _OF_THE_RULE as error:
        _LOG.error("The rule %s of %s cannot be judged: %s", rule.name, spec.name, error_trace(error))
        why = f"judging it failed: {error_text(error)}"
        return [not_judged(rule, text(window), 0, why) for window in windows]


def _judge_quality(stores: Stores, spec: EndpointSpec, rule: AlertRule, windows: Sequence[datetime]) -> list[Verdict]:
    """Judge windows older than the label horizon: before it, only the labels that come early would be judged."""
    if rule.metric == EXCESS_ERRORS:
        return judge_excess_errors(stores, spec, rule, windows, rule.minimum or MINIMUM_LABELLED)
    return [
        _quality_verdict(spec, rule, window, judged, rows)
        for part in parts_of(mature_windows(stores, spec, windows))
        for judged_windows in _groups(_spans(stores, spec, part, rule.over or LENGTH[spec.window]))
        for window, judged, rows in _with_quality(spec, judged_windows)
    ]


def _spans(stores: Stores, spec: EndpointSpec, windows: Sequence[datetime], over: timedelta) -> Iterator[_Span]:
    """Yield each window with the rows of the time ``over`` that ends with it."""
    spans = {window: trailing_windows(window, over, spec.window) for window in windows}
    judged = judged_rows(stores, spec, sorted({one for span in spans.values() for one in span}))
    for window, span in spans.items():
        yield window, _slice(judged, span, window)


def _groups(spans: Iterable[_Span]) -> Iterator[list[_Span]]:
    """Yield the spans in lists of MOST_ROWS together: a query for each window alone would cost more than its rows."""
    group: list[_Span] = []
    for window, judged in spans:
        if group and sum(len(one) for _, one in group) + len(judged) > MOST_ROWS:
            yield group
            group = []
        group.append((window, judged))
    if group:
        yield group


def _with_quality(spec: EndpointSpec, spans: Sequence[_Span]) -> Iterator[tuple[datetime, pa.Table, Rows]]:
    """Yield each span with its rows of quality metrics, one for each version."""
    by_window: dict[datetime, Rows] = {}
    for row in quality_of(spec, pa.concat_tables([judged for _, judged in spans])).to_pylist():
        if row["segment"] == WHOLE:
            by_window.setdefault(row["window_start"], []).append(row)
    for window, judged in spans:
        yield window, judged, by_window.get(window, [])


def _quality_verdict(spec: EndpointSpec, rule: AlertRule, window: datetime, judged: pa.Table, found: Rows) -> Verdict:
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
    verdict = threshold_verdict(rule, window, value, labelled, "labelled rows", spec.window)
    if rule.metric == "brier_skill":
        return _with_evidence(rule, verdict, _skill_evidence(spec, judged, rows[0]["model_version"]))
    return verdict


def _with_evidence(rule: AlertRule, verdict: Verdict, found: SkillEvidence) -> Verdict:
    """Return a verdict on Brier skill that fails only when the whole interval does: chance alone fails no rule."""
    if found.lack or found.upper is None:
        return not_judged(rule, verdict.window, verdict.n, found.lack or "the metric is undefined on this window")
    condition = rule.condition
    if verdict.passed or condition is None or condition.operator not in {"lt", "le"} or condition.fails(found.upper):
        return verdict
    message = f"{verdict.message}; but its interval reaches {found.upper:.3g}, which is not {condition.words}"
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
    return _stored_verdicts(spec, rule, rows, str(rule.metric))


def _judge_metric(stores: Stores, spec: EndpointSpec, rule: AlertRule, windows: Sequence[datetime]) -> list[Verdict]:
    rows = stored_rows(stores, spec, CUSTOM_METRICS, windows)
    return _stored_verdicts(spec, rule, [row for row in rows if row["metric"] == rule.metric], "value")


def _judge_declared(stores: Stores, spec: EndpointSpec, rule: AlertRule, windows: Sequence[datetime]) -> list[Verdict]:
    """Judge the column that the rule kind's declaration names."""
    rows = stored_rows(stores, spec, judged_table(rule.kind), windows)
    return _stored_verdicts(spec, rule, rows, str(rule_kinds()[rule.kind].value))


def _stored_verdicts(spec: EndpointSpec, rule: AlertRule, rows: Rows, column: str) -> list[Verdict]:
    """Judge the busiest version's value of each window that has rows."""
    count = rule_kinds()[rule.kind].count
    by_window: dict[datetime, Rows] = {}
    for row in rows:
        by_window.setdefault(row["window_start"], []).append(row)
    return [
        _stored_verdict(spec, rule, window, rows_of_busiest_version(rows, count)[0], column)
        for window, rows in sorted(by_window.items())
    ]


def _stored_verdict(
    spec: EndpointSpec, rule: AlertRule, window: datetime, row: dict[str, object], column: str
) -> Verdict:
    kind = rule_kinds()[rule.kind]
    n, value = int(str(row[kind.count])), row[column]
    minimum = rule.minimum or kind.minimum
    if n < minimum:
        return not_judged(rule, text(window), n, f"{n} rows; a verdict needs {minimum}")
    if not isinstance(value, float):
        return not_judged(rule, text(window), n, str(row.get("reason") or f"{column} is not a number"))
    return threshold_verdict(rule, window, value, n, "rows", spec.window)


def _slice(judged: pa.Table, windows: Sequence[datetime], window: datetime) -> pa.Table:
    """Return the rows of the windows, all with the start of the one window."""
    starts = pa.array(windows, pa.timestamp("us", "UTC"))
    mine = judged.filter(pc.is_in(judged.column("window_start"), value_set=starts))
    moved = pa.array([window] * len(mine), pa.timestamp("us", "UTC"))
    return mine.set_column(mine.column_names.index("window_start"), "window_start", moved)


JUDGES: dict[str, Judge] = {
    **dict.fromkeys(("error_rate", "availability", "latency_p95_ms", "latency"), judge_service),
    **dict.fromkeys(VOLUME_KINDS, judge_volume),
    "sql": judge_sql,
    "drift": judge_drift,
    "data_quality": judge_data,
    "quality": _judge_quality,
    "label_coverage": judge_coverage,
    "estimated_quality": _judge_estimate,
    "metric": _judge_metric,
}
