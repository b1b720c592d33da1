"""Judges the share of predictions that have a label, of windows older than the label horizon."""

from collections.abc import Sequence
from datetime import datetime

from modelops_pipelines.core.alerting.alerts import Verdict
from modelops_pipelines.core.endpoints.alert_rules import AlertRule
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.lake import QUALITY_METRICS, WHOLE
from modelops_pipelines.core.windows import LENGTH, text
from modelops_pipelines.operations.alerting.judges.thresholds import (
    Rows,
    mature_windows,
    not_judged,
    stored_rows,
    threshold_verdict,
    trailing_windows,
)
from modelops_pipelines.store.stores import Stores

MINIMUM_PREDICTIONS = 200


def judge_coverage(stores: Stores, spec: EndpointSpec, rule: AlertRule, windows: Sequence[datetime]) -> list[Verdict]:
    """Judge the predictions of all versions in the span that ends with each window."""
    mature = mature_windows(stores, spec, windows)
    over = rule.over or LENGTH[spec.window]
    spans = {window: trailing_windows(window, over, spec.window) for window in mature}
    needed = sorted({one for span in spans.values() for one in span})
    rows = [row for row in stored_rows(stores, spec, QUALITY_METRICS, needed) if row["segment"] == WHOLE]
    return [
        _verdict(spec, rule, window, [row for row in rows if row["window_start"] in span])
        for window, span in spans.items()
    ]


def _verdict(spec: EndpointSpec, rule: AlertRule, window: datetime, rows: Rows) -> Verdict:
    predictions, labelled = (sum(row[name] for row in rows) for name in ("predictions", "labelled"))
    minimum = rule.minimum or MINIMUM_PREDICTIONS
    if predictions < minimum:
        return not_judged(rule, text(window), predictions, f"{predictions} predictions; a verdict needs {minimum}")
    return threshold_verdict(rule, window, labelled / predictions, predictions, "predictions", spec.window)
