"""What the lake says of an alert: drifted columns, faulty requests, and the segment with the worst quality."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from modelops_pipelines.core.alerting.alerts import Alert
from modelops_pipelines.core.alerting.message_content import Cause
from modelops_pipelines.core.drift.ranking import by_drift
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.endpoints.validation.alerts import EXCESS_ERRORS
from modelops_pipelines.core.tables.lake import DATA_QUALITY, DRIFT, QUALITY_METRICS, WHOLE
from modelops_pipelines.core.windows import LENGTH, text
from modelops_pipelines.operations.alerting.causes.begin import began, first_of
from modelops_pipelines.operations.lake.queries import Read, newest_reader
from modelops_pipelines.store.stores import Stores

COLUMNS = 3
"""Drifted columns that are named."""
LEAST_LABELLED = 30
"""Labelled rows of a segment whose quality is compared."""
NEAR = timedelta(days=1)
"""A window is evidence when it ends so long before the trouble, at most."""
_QUALITY_WINDOWS = 3
_HIGH_IS_BAD = {"log_loss", "brier", "calibration_error", "mae", "rmse"}
Row = Mapping[str, Any]


def evidence_of(stores: Stores, spec: EndpointSpec, alerts: Sequence[Alert]) -> list[Cause]:
    """Return what the newest windows of the endpoint's tables say."""
    since = began(first_of(alerts)) - NEAR
    metrics = _quality_metrics(spec, alerts)
    with newest_reader(stores, spec) as read:
        found = [*_drifted(spec, read, since), *_faults(spec, read, since)]
        return found + (_worst_segments(spec, read, metrics) if metrics and spec.segments else [])


def _quality_metrics(spec: EndpointSpec, alerts: Sequence[Alert]) -> list[str]:
    names = {alert.rule for alert in alerts if alert.kind == "quality"}
    metrics = [rule.metric for rule in spec.alerts if rule.name in names and rule.metric]
    return ["accuracy" if metric == EXCESS_ERRORS else metric for metric in metrics]


def _drifted(spec: EndpointSpec, read: Read, since: datetime) -> list[Cause]:
    rows = [row for row in read(DRIFT, 1) if row["drifted"] and _is_near(spec, row, since)]
    ordered = by_drift(rows)
    if not ordered:
        return []
    ordered = [row for row in ordered if row["model_version"] == ordered[0]["model_version"]]
    named = "; ".join(_describe_column(row) for row in ordered[:COLUMNS])
    more = f"; and {len(ordered) - COLUMNS} more" if len(ordered) > COLUMNS else ""
    return [Cause(spec.name, "drift", f"columns drifted on {_clock(ordered[0])}: {named}{more}")]


def _describe_column(row: Row) -> str:
    channel = f" {row['channel']}" if row["channel"] not in {None, "distribution"} else ""
    numbers = []
    if row["value"] is not None and row["threshold"] is not None:
        numbers.append(f"{row['statistic']} {row['value']:.3g}, threshold {row['threshold']:.3g}")
    if row["importance"] is not None:
        numbers.append(f"importance {row['importance']:.2f}")
    if row["severity"]:
        numbers.append(f"severity {row['severity']}")
    return f"{row['column']}{channel}" + (f" ({', '.join(numbers)})" if numbers else "")


def _faults(spec: EndpointSpec, read: Read, since: datetime) -> list[Cause]:
    failed = [row for row in read(DATA_QUALITY, 1) if row["passed"] is False and _is_near(spec, row, since)]
    if not failed:
        return []
    first = min(failed, key=lambda row: row["first_event"])
    return [Cause(spec.name, "data", f"requests since {text(first['first_event'])[:16]}Z: {first['reason']}")]


def _worst_segments(spec: EndpointSpec, read: Read, metrics: Sequence[str]) -> list[Cause]:
    names = ("window_start", "model_version", "segment", "segment_value", "labelled", *dict.fromkeys(metrics))
    rows = read(QUALITY_METRICS, _QUALITY_WINDOWS, names)
    return [cause for metric in dict.fromkeys(metrics) for cause in _worst_segment(spec, rows, metric)]


def _worst_segment(spec: EndpointSpec, rows: Sequence[Row], metric: str) -> list[Cause]:
    """Return the segment whose value is worst in the newest window that has one, if it is worse than the whole."""
    known = [row for row in rows if row[metric] is not None and row["labelled"] >= LEAST_LABELLED]
    parts = [row for row in known if row["segment"] not in {WHOLE, None}]
    if not parts:
        return []
    window = max(row["window_start"] for row in parts)
    worst = max((row for row in parts if row["window_start"] == window), key=lambda row: _badness(row, metric))
    same = (worst["window_start"], worst["model_version"])
    whole = [r for r in known if r["segment"] in {WHOLE, None} and (r["window_start"], r["model_version"]) == same]
    if whole and _badness(worst, metric) <= _badness(whole[0], metric):
        return []
    of_all = f"; all rows: {whole[0][metric]:.4g}" if whole else ""
    what = f"{worst['segment']} = {worst['segment_value']}: {metric} {worst[metric]:.4g}"
    return [
        Cause(spec.name, "segment", f"worst segment on {_clock(worst)}: {what} on {worst['labelled']:,} rows{of_all}")
    ]


def _badness(row: Row, metric: str) -> float:
    value = float(row[metric])
    if metric == "bias":
        return abs(value)
    return value if metric in _HIGH_IS_BAD else -value


def _is_near(spec: EndpointSpec, row: Row, since: datetime) -> bool:
    start: datetime = row["window_start"]
    return start + LENGTH[spec.window] >= since


def _clock(row: Row) -> str:
    return f"{text(row['window_start'])[:16]}Z"
