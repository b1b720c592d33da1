"""Which pictures each derived table shows, as Markdown by metadata name; ``pictures`` draws them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from modelops_pipelines.core.endpoint import EndpointSpec
from modelops_pipelines.core.tables import DRIFT, ESTIMATED_QUALITY, WHOLE
from modelops_pipelines.operations.history import reference_before
from modelops_pipelines.operations.pictures import Points, as_markdown, distribution, over_time
from modelops_pipelines.operations.profiling import stored_profiles
from modelops_pipelines.operations.rule_verdicts import of_busiest
from modelops_pipelines.operations.shows import newest
from modelops_pipelines.operations.svg import Form
from modelops_pipelines.operations.traffic import summed
from modelops_pipelines.store.stores import Stores

Rows = Sequence[Mapping[str, Any]]
TOP_COLUMNS = 3
DRIFT_WINDOWS = 30
_MAIN: Mapping[str, tuple[tuple[str, Form], ...]] = {
    "binary_classification": (("auc", "number"), ("brier_skill", "number"), ("accuracy", "share")),
    "multiclass": (("accuracy", "share"), ("f1", "share")),
    "regression": (("mae", "number"), ("bias", "number")),
}


def draw_traffic(_: Stores, spec: EndpointSpec, rows: Rows) -> dict[str, str]:
    """Return requests, the error rate and the latency over time, hour by hour."""
    hours: dict[datetime, list[Mapping[str, Any]]] = {}
    for row in rows:
        hours.setdefault(row["window_start"], []).append(row)
    totals = {hour: summed(of_hour) for hour, of_hour in sorted(hours.items())}
    p50, p95, p99 = ([(h, t.percentile(share)) for h, t in totals.items()] for share in (0.50, 0.95, 0.99))
    requests = [(hour, float(total.requests)) for hour, total in totals.items()]
    failing = [(hour, total.error_rate) for hour, total in totals.items()]
    rate, slow = spec.thresholds("error_rate"), spec.thresholds("latency_p95_ms")
    latency = over_time(p95, None, "Latency an hour, ms", slow, name="p95", also={"p50": p50, "p99": p99})
    return {
        "requests_plot": as_markdown(over_time(requests, None, "Requests an hour")),
        "error_rate_plot": as_markdown(over_time(failing, None, "Error rate an hour", rate, form="share")),
        "latency_plot": as_markdown(latency),
    }


def draw_quality(stores: Stores, spec: EndpointSpec, rows: Rows) -> dict[str, str]:
    """Return quality over time, beside its estimate and the limits of the endpoint's rules."""
    whole = [row for row in rows if row["segment"] in {WHOLE, None}]
    estimated = newest(stores, spec, ESTIMATED_QUALITY, DRIFT_WINDOWS) if spec.task == "binary_classification" else []
    drawn = {}
    for name, form in _MAIN[spec.task]:
        also = {"estimated": _points(estimated, name)} if any(row.get(name) is not None for row in estimated) else None
        limits = spec.thresholds("quality", name)
        title = f"{name} on the labels that arrived"
        picture = over_time(_points(whole, name), None, title, limits, name="measured", also=also, form=form)
        drawn[f"{name}_plot"] = as_markdown(picture)
    return drawn


def draw_custom(_: Stores, spec: EndpointSpec, rows: Rows) -> dict[str, str]:
    """Return each of the user's metrics over time."""
    drawn = {}
    for metric in spec.metrics:
        mine = [row for row in rows if row["metric"] == metric.name]
        limits = spec.thresholds("metric", metric.name)
        drawn[f"{metric.name}_plot"] = as_markdown(over_time(_points(mine, "value"), None, metric.name, limits))
    return drawn


def draw_drift(stores: Stores, spec: EndpointSpec, rows: Rows) -> dict[str, str]:
    """Return the columns that moved most: each beside its reference, and its distance over time under its band."""
    last = [row for row in rows if row["window_start"] == max(row["window_start"] for row in rows)]
    busiest = of_busiest(list(map(dict, last)))
    moved = sorted((row for row in busiest if row["value"] is not None), key=_far, reverse=True)[:TOP_COLUMNS]
    if not moved:
        return {}
    window, version = moved[0]["window_start"], moved[0]["model_version"]
    current = stored_profiles(stores, spec, [window]).get((window, version), {})
    reference = reference_before(stores, spec, version, window)
    past = [r for r in newest(stores, spec, DRIFT, DRIFT_WINDOWS) if r["model_version"] == version]
    drawn = {}
    for place, row in enumerate(moved, start=1):
        name = row["column"]
        if name in current and name in reference:
            title = f"{name}: {window:%d %b %H:%M} against its reference"
            drawn[f"top_{place}_distribution"] = as_markdown(distribution(current[name], reference[name], title))
        mine = [one for one in past if one["column"] == name]
        band = [(None, one["threshold"]) for one in mine]
        drawn[f"top_{place}_over_time"] = as_markdown(
            over_time(_points(mine, "value"), band, f"{name}: {row['statistic']} and the band of ordinary windows")
        )
    return {name: picture for name, picture in drawn.items() if picture}


def _far(row: Mapping[str, Any]) -> tuple[bool, float]:
    """Order columns: the drifted ones first, then by how near they come to their threshold."""
    threshold = row["threshold"] or 1.0
    return bool(row["drifted"]), row["value"] / threshold if threshold > 0 else row["value"]


def _points(rows: Rows, name: str) -> Points:
    """Return the values of the version with the most rows of each window, in order of time."""
    windows: dict[datetime, list[dict[str, Any]]] = {}
    for row in rows:
        windows.setdefault(row["window_start"], []).append(dict(row))
    count = "predictions" if rows and "predictions" in rows[0] else "n"
    return [(at, of_busiest(of_window, count)[0][name]) for at, of_window in sorted(windows.items())]
