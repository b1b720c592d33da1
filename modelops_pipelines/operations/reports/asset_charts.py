"""The charts that each derived table's asset shows, as Markdown by metadata name; ``charts`` draws them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from modelops_pipelines.core.drift.ranking import by_drift
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.lake import DRIFT, ESTIMATED_QUALITY, QUALITY_METRICS, WHOLE
from modelops_pipelines.core.windows import window_of
from modelops_pipelines.operations.alerting.judges.thresholds import rows_of_busiest_version
from modelops_pipelines.operations.drift.profiles import stored_profiles
from modelops_pipelines.operations.drift.reference_hours import reference_before
from modelops_pipelines.operations.lake.queries import newest
from modelops_pipelines.operations.metrics.traffic import sum_traffic
from modelops_pipelines.operations.reports.charts import as_markdown, distribution, over_time
from modelops_pipelines.operations.reports.known_values import Known, known_values
from modelops_pipelines.operations.reports.svg import Form
from modelops_pipelines.operations.reports.time_series import (
    DRIFT_COLUMNS,
    ByWindow,
    Rows,
    all_windows,
    busiest,
    custom_lines,
    data_lines,
    drift_line,
    line,
)
from modelops_pipelines.store.stores import Stores

TOP_COLUMNS = 3
PROFILED = 4
"""Columns that are drawn where none has a verdict: the two answer columns, and two features."""
WINDOWS = 30
_MAIN: Mapping[str, tuple[tuple[str, Form], ...]] = {
    "binary_classification": (("auc", "number"), ("brier_skill", "number"), ("accuracy", "share")),
    "multiclass": (("accuracy", "share"), ("f1", "share")),
    "regression": (("mae", "number"), ("bias", "number")),
}
_ESTIMATED: tuple[tuple[str, Form], ...] = (("auc", "number"), ("f1", "number"), ("accuracy", "share"))


def draw_traffic(_: Stores, spec: EndpointSpec, rows: Rows) -> dict[str, str]:
    """Return charts of requests, error rate and latency per hour."""
    hours: dict[datetime, list[Mapping[str, Any]]] = {}
    for row in rows:
        hours.setdefault(row["window_start"], []).append(row)
    totals = {hour: sum_traffic(of_hour) for hour, of_hour in sorted(hours.items())}
    p50, p95, p99 = ([(h, t.percentile(share)) for h, t in totals.items()] for share in (0.50, 0.95, 0.99))
    requests = [(hour, float(total.requests)) for hour, total in totals.items()]
    failing = [(hour, total.error_rate) for hour, total in totals.items()]
    rate, slow = spec.thresholds("error_rate"), spec.thresholds("latency_p95_ms")
    latency = over_time(p95, None, "Latency per hour, ms", slow, name="p95", also={"p50": p50, "p99": p99})
    return {
        "requests_plot": as_markdown(over_time(requests, None, "Requests per hour")),
        "error_rate_plot": as_markdown(over_time(failing, None, "Error rate per hour", rate, form="share")),
        "latency_plot": as_markdown(latency),
    }


def draw_quality(stores: Stores, spec: EndpointSpec, rows: Rows) -> dict[str, str]:
    """Return charts of quality over time, with its estimate and the limits of the endpoint's rules."""
    estimated = newest(stores, spec, ESTIMATED_QUALITY, WINDOWS) if spec.task == "binary_classification" else []
    sides = {"measured": _whole(rows), "estimated": busiest(estimated)}
    return _compare_sides(spec, sides, _MAIN[spec.task], "quality", "on the labels that have arrived")


def draw_estimate(stores: Stores, spec: EndpointSpec, rows: Rows) -> dict[str, str]:
    """Return charts of estimated quality over time, with the quality later measured on labels."""
    sides = {"estimated": busiest(rows), "measured": _whole(newest(stores, spec, QUALITY_METRICS, WINDOWS))}
    return _compare_sides(spec, sides, _ESTIMATED, "estimated_quality", "estimated from scores")


def draw_custom(_: Stores, spec: EndpointSpec, rows: Rows) -> dict[str, str]:
    """Return a chart of each of the user's metrics over time."""
    return {f"{name}_plot": as_markdown(picture) for name, picture in custom_lines(spec, rows).items()}


def draw_data(_: Stores, spec: EndpointSpec, rows: Rows) -> dict[str, str]:
    """Return charts of the share of requests that differ from the days before, over time."""
    return {f"{name}_plot": as_markdown(picture) for name, picture in data_lines(spec, rows).items()}


def draw_profiles(stores: Stores, spec: EndpointSpec, rows: Rows) -> dict[str, str]:
    """Return charts of the newest window's answers and of the most important features, with their reference."""
    window = window_of(max(row["window_start"] for row in rows), spec.window)
    counts: Counter[str] = Counter()
    for row in rows:
        counts[row["model_version"]] += row["n"]
    version = max(counts, key=lambda one: (counts[one], one))
    reference = stores.references.read(spec.model_name, version)
    weights = {"score": 2.0, "prediction": 1.0, **(reference.importance if reference else {})}
    names = {row["column"] for row in rows if row["model_version"] == version}
    chosen = sorted(names, key=lambda name: (-weights.get(name, 0.0), name))
    about = f"{window:%d %b %H:%M} and its reference"
    known = known_values(stores, spec, counts)
    drawn = distributions(stores, spec, version, window, chosen, about, PROFILED, known)
    return {f"top_{n}_distribution": as_markdown(picture) for n, picture in enumerate(drawn.values(), start=1)}


def draw_drift(stores: Stores, spec: EndpointSpec, rows: Rows) -> dict[str, str]:
    """Return charts of the most drifted columns: each with its reference, and its distance over time with its band."""
    last = [row for row in rows if row["window_start"] == max(row["window_start"] for row in rows)]
    drifted = by_drift(rows_of_busiest_version(list(map(dict, last))))[:TOP_COLUMNS]
    window, version = drifted[0]["window_start"], drifted[0]["model_version"]
    names = [row["column"] for row in drifted]
    about, known = f"{window:%d %b %H:%M} and its reference", known_values(stores, spec, [version])
    sides = distributions(stores, spec, version, window, names, about, known=known)
    past = [r for r in newest(stores, spec, DRIFT, WINDOWS, DRIFT_COLUMNS) if r["model_version"] == version]
    drawn = {}
    for place, row in enumerate(drifted, start=1):
        name, mine = row["column"], [one for one in past if one["column"] == row["column"]]
        drawn[f"top_{place}_distribution"] = as_markdown(sides.get(name, ""))
        drawn[f"top_{place}_over_time"] = as_markdown(drift_line(spec, mine)) if row["value"] is not None else ""
    return {name: picture for name, picture in drawn.items() if picture}


def distributions(
    stores: Stores,
    spec: EndpointSpec,
    version: str,
    window: datetime,
    names: Sequence[str],
    about: str = "",
    most: int = TOP_COLUMNS,
    known: Known | None = None,
) -> dict[str, str]:
    """Draw the first ``most`` columns of a window with the reference that judges them, by name.

    Text columns have no chart, nor have columns that one side lacks. A title is the column's name, then ``about``.
    Categories that are not ``known`` are drawn as one, where that is given.
    """
    current = stored_profiles(stores, spec, [window]).get((window, version), {})
    reference = reference_before(stores, spec, version, window)
    drawn: dict[str, str] = {}
    for name in names:
        if name in current and name in reference and len(drawn) < most:
            shown = None if known is None else known.get(name, frozenset())
            picture = distribution(current[name], reference[name], f"{name}: {about}" if about else name, shown)
            drawn |= {name: picture} if picture else {}
    return drawn


def _whole(rows: Rows) -> ByWindow:
    return busiest([row for row in rows if row["segment"] in {WHOLE, None}])


def _compare_sides(
    spec: EndpointSpec, sides: Mapping[str, ByWindow], metrics: Sequence[tuple[str, Form]], rules: str, about: str
) -> dict[str, str]:
    """Draw metrics over time: those of the first side, with the second side's where it has any."""
    (name, first), (other, second) = sides.items()
    windows, drawn = all_windows(spec, [*first, *second]), {}
    for metric, form in metrics:
        known = any(row.get(metric) is not None for row in second.values())
        also = {other: line(second, metric, windows)} if known else None
        points, limits = line(first, metric, windows), spec.thresholds(rules, metric)
        picture = over_time(points, None, f"{metric} {about}", limits, name=name, also=also, form=form)
        drawn[f"{metric}_plot"] = as_markdown(picture)
    return drawn
