"""What one line about an endpoint says: its health, its traffic of a day, its quality and drift.

A summary is made where its numbers are made, at the end of a monitoring run, and kept in the state: the overview of a
hundred endpoints reads one small table.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.metrics.latency_sketch import merge, percentile
from modelops_pipelines.core.tables.lake import DRIFT, ESTIMATED_QUALITY, QUALITY_METRICS, WHOLE
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.alerting.judges.thresholds import rows_of_busiest_version
from modelops_pipelines.operations.alerting.objectives.health_score import describe_health, health_score
from modelops_pipelines.operations.alerting.objectives.service_hours import served_hours
from modelops_pipelines.operations.lake.queries import Read, newest_reader
from modelops_pipelines.store.state.summaries import Summary
from modelops_pipelines.store.stores import Stores

HOURS = 24
"""Hours of traffic that a summary has."""
LABELLED_WINDOWS = 30
"""Windows among which the newest one with labels is looked for."""
HEADLINE = {"binary_classification": "auc", "multiclass": "accuracy", "regression": "mae"}
"""The one metric of quality that is shown of each task."""
WORST = 3
"""Drifted columns that are named."""
_DRIFT_COLUMNS = ("window_start", "model_version", "column", "drifted", "n", "n_window", "importance")
Rows = Sequence[Mapping[str, Any]]


def write_summary(stores: Stores, spec: EndpointSpec, health: Mapping[str, Any] | None = None) -> Summary:
    """Make the endpoint's summary, keep it in the state, and return it; ``health``: as ``describe_health`` gives it."""
    now = stores.now()
    found = health or describe_health(health_score(stores, spec, now))
    with newest_reader(stores, spec) as read:
        content = {
            "health": {name: found[name] for name in ("score", "reason", "limited_by")},
            "traffic": _traffic(stores, spec, now),
            "quality": _quality(spec, _whole(read(QUALITY_METRICS, LABELLED_WINDOWS)), by_labels=True),
            "estimated": _quality(spec, read(ESTIMATED_QUALITY, 1), by_labels=False),
            "drift": _drift(read),
        }
    summary = Summary(spec.name, now, content)
    stores.summaries.put(summary)
    return summary


def _traffic(stores: Stores, spec: EndpointSpec, now: datetime) -> dict[str, Any]:
    """Return the sums of the last HOURS hours, and their requests and errors hour by hour, oldest first."""
    hours = served_hours(stores, spec, now)
    last = now.replace(minute=0, second=0, microsecond=0)
    span = [last - timedelta(hours=back) for back in range(HOURS - 1, -1, -1)]
    served = [hours[at] for at in span if at in hours]
    return {
        "requests": sum(one.requests for one in served),
        "server_errors": sum(one.server_errors for one in served),
        "p95_ms": percentile(merge(one.latencies for one in served), 0.95),
        "hours": [[hours[at].requests, hours[at].server_errors] if at in hours else [0, 0] for at in span],
        "until": text(last + timedelta(hours=1)),
    }


def _quality(spec: EndpointSpec, rows: Rows, *, by_labels: bool) -> dict[str, Any] | None:
    """Return the headline metric of the newest window that has it, of its busiest version; None without one."""
    metric = HEADLINE[spec.task]
    known = [row for row in rows if row.get(metric) is not None]
    if not known:
        return None
    newest = max(row["window_start"] for row in known)
    counted = "labelled" if by_labels else "predictions"
    busiest = max((row for row in known if row["window_start"] == newest), key=lambda row: row[counted])
    return {
        "metric": metric,
        "value": busiest[metric],
        "window": text(newest),
        "version": busiest["model_version"],
        "rows": busiest[counted],
    }


def _whole(rows: Rows) -> Rows:
    return [row for row in rows if row["segment"] in {WHOLE, None}]


def _drift(read: Read) -> dict[str, Any] | None:
    """Return how many columns of the newest window drifted, the worst by name; None before one was judged."""
    rows = read(DRIFT, 1, _DRIFT_COLUMNS)
    judged = [row for row in rows_of_busiest_version(rows) if row["drifted"] is not None] if rows else []
    if not judged:
        return None
    drifted = sorted((row for row in judged if row["drifted"]), key=lambda row: row["importance"] or 0.0, reverse=True)
    return {
        "drifted": len(drifted),
        "judged": len(judged),
        "worst": [row["column"] for row in drifted[:WORST]],
        "window": text(judged[0]["window_start"]),
    }
