"""The sections of an endpoint's health, from rows of the derived tables: charts and the rows beside them."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from modelops_pipelines.core.drift.ranking import by_drift
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.windows import window_of
from modelops_pipelines.operations.alerting.judges.thresholds import rows_of_busiest_version
from modelops_pipelines.operations.metrics.traffic import Traffic, sum_traffic
from modelops_pipelines.operations.reports.asset_charts import distributions
from modelops_pipelines.operations.reports.charts import Points, over_time
from modelops_pipelines.operations.reports.summaries import HEADLINE
from modelops_pipelines.operations.reports.time_series import Rows, all_windows, busiest, data_lines, drift_line, line
from modelops_pipelines.store.stores import Stores

CHARTS = 12
LINES = 6
"""Columns that are drawn over time."""
RECENT_CHUNKS = 10
QUALITY = {
    "binary_classification": ("auc", "f1", "precision", "recall", "brier_skill", "log_loss", "calibration_error"),
    "multiclass": ("accuracy", "f1", "confidence"),
    "regression": ("mae", "rmse", "bias", "r2"),
}
"""The metrics that are drawn. Accuracy alone misleads where classes are unequal in size."""
ByWindow = Mapping[datetime, Traffic]


@dataclass(frozen=True)
class Drift:
    """The newest window's verdicts, most drifted first, with charts of the first columns: now, and over time."""

    window: datetime
    version: str
    rows: Rows
    charts: Sequence[str]
    lines: Sequence[str]


@dataclass(frozen=True)
class Data:
    """How the newest requests compare with the days before, and the newest chunks that failed.

    ``judged`` and ``unjudged`` count chunks: of those that were not judged nothing is known.
    """

    charts: Sequence[str]
    failed: Rows
    more: int
    judged: int
    unjudged: int


def traffic_by_window(spec: EndpointSpec, served: Rows) -> ByWindow:
    """Return the sums of hourly rows of ``service_metrics`` by the endpoint's window that each belongs to."""
    found: dict[datetime, list[Mapping[str, Any]]] = {}
    for row in served:
        found.setdefault(window_of(row["window_start"], spec.window), []).append(row)
    return {window: sum_traffic(rows) for window, rows in found.items()}


def traffic_points(
    spec: EndpointSpec, by_window: ByWindow, value: Callable[[Traffic], float | None]
) -> list[tuple[datetime, float | None]]:
    """Return a value of the traffic of each window, with gaps in windows without any."""
    return [(at, value(by_window[at]) if at in by_window else None) for at in all_windows(spec, by_window)]


def traffic_charts(spec: EndpointSpec, by_window: ByWindow) -> list[str]:
    """Draw requests, error rate and latency over time."""

    def points(value: Callable[[Traffic], float | None]) -> Points:
        return traffic_points(spec, by_window, value)

    errors, requests = points(lambda one: one.error_rate), points(lambda one: one.requests)
    p50, p95, p99 = (points(lambda one, q=q: one.percentile(q)) for q in (0.5, 0.95, 0.99))  # type: ignore[misc]
    slow = spec.thresholds("latency_p95_ms")
    return [
        over_time(requests, None, f"Requests per {spec.window}", name="requests"),
        over_time(errors, None, "Error rate (5xx)", spec.thresholds("error_rate"), name="error rate", form="share"),
        over_time(p95, None, "Latency", slow, name="p95", also={"p50": p50, "p99": p99}, form="ms"),
    ]


def quality_charts(spec: EndpointSpec, quality: Rows, estimated: Rows) -> list[str]:
    """Draw each metric that has a value, with its estimate."""
    measured, expected = busiest(quality), busiest(estimated)
    windows = all_windows(spec, [*measured, *expected])
    charts = []
    for name in QUALITY[spec.task]:
        actual, estimate = (line(rows, name, windows) for rows in (measured, expected))
        known = any(value is not None for _, value in estimate)
        if known or any(value is not None for _, value in actual):
            also = {"estimated before labels": estimate} if known else None
            limits = spec.thresholds("quality", name)
            charts.append(over_time(actual, None, name.replace("_", " "), limits, name="from labels", also=also))
    return charts


def coverage_chart(spec: EndpointSpec, quality: Rows) -> str:
    """Draw which share of the predictions of each window has a label so far."""
    counts: dict[datetime, Counter[str]] = {}
    for row in quality:
        counts.setdefault(row["window_start"], Counter()).update(
            {"labelled": row["labelled"], "predictions": row["predictions"]}
        )
    points: list[tuple[datetime, float | None]] = []
    for at in all_windows(spec, counts):
        found = counts.get(at, Counter())
        points.append((at, found["labelled"] / found["predictions"] if found["predictions"] else None))
    return over_time(points, None, "Label coverage", name="with a label", form="share")


def segment_rows(spec: EndpointSpec, quality: Rows) -> list[dict[str, Any]]:
    """Return, for each value of each segment, the newest window that has the headline metric, of its busiest version.

    A value without one has its newest window, and the reason why there is no metric.
    """
    metric = HEADLINE[spec.task]
    newest: dict[tuple[str, str], Mapping[str, Any]] = {}
    for row in quality:
        key = (row["segment"], row["segment_value"])
        if key not in newest or _segment_rank(row, metric) > _segment_rank(newest[key], metric):
            newest[key] = row
    return [{**row, "metric": metric, "value": row[metric]} for _, row in sorted(newest.items())]


def _segment_rank(row: Mapping[str, Any], metric: str) -> tuple[bool, datetime, int]:
    return row[metric] is not None, row["window_start"], row["labelled"]


def error_rows(total: Traffic) -> list[dict[str, Any]]:
    """Return failed requests by error code with their share of all requests, the most frequent first."""
    ordered = sorted(total.errors.items(), key=lambda one: (-one[1], one[0]))
    return [
        {"code": code, "requests": count, "share": count / total.requests if total.requests else None}
        for code, count in ordered
        if count
    ]


def drift_section(stores: Stores, spec: EndpointSpec, rows: Rows, past: Rows) -> Drift | None:
    """Return the section of drift from a window's verdicts and earlier ones; None without a verdict."""
    if not rows:
        return None
    ordered = by_drift(rows_of_busiest_version(list(map(dict, rows))))
    window, version = ordered[0]["window_start"], ordered[0]["model_version"]
    drawn = distributions(stores, spec, version, window, [row["column"] for row in ordered], most=CHARTS)
    mine: dict[str, list[Mapping[str, Any]]] = {name: [] for name in columns_over_time(rows)}
    for row in past:
        if row["model_version"] == version and row["column"] in mine:
            mine[row["column"]].append(row)
    lines = [drift_line(spec, of_column) for of_column in mine.values()]
    return Drift(window, version, ordered, list(drawn.values()), lines)


def columns_over_time(verdicts: Rows) -> list[str]:
    """Return the columns that are drawn over time: the most drifted ones of a window's verdicts that have a value."""
    ordered = by_drift(rows_of_busiest_version(list(map(dict, verdicts))))
    return [row["column"] for row in ordered if row["value"] is not None][:LINES]


def data_section(spec: EndpointSpec, chunks: Rows) -> Data | None:
    """Return the section of data quality; None without a chunk."""
    failed = sorted((row for row in chunks if row["passed"] is False), key=lambda row: row["first_event"], reverse=True)
    shown, more = failed[:RECENT_CHUNKS], max(0, len(failed) - RECENT_CHUNKS)
    judged = sum(row["passed"] is not None for row in chunks)
    drawn = list(data_lines(spec, chunks).values())
    return Data(drawn, shown, more, judged, len(chunks) - judged) if chunks else None
