"""Whether a drift that an alert is open on does harm: quality since then, by labels and by the estimate."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from modelops_pipelines.core.alerting.alerts import Alert
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.improve.retraining.harm import NEEDED, Harm, judge_harm
from modelops_pipelines.core.metrics.fall import Fall, judge_fall
from modelops_pipelines.core.tables.columns import Table
from modelops_pipelines.core.tables.lake import DRIFT, ESTIMATED_QUALITY, QUALITY_METRICS, WHOLE
from modelops_pipelines.core.windows import LENGTH, windows_between
from modelops_pipelines.operations.alerting.judges.thresholds import rows_of_busiest_version, stored_rows
from modelops_pipelines.store.stores import Stores

BEFORE = {"day": 56, "hour": 14 * 24}
"""Windows before a drift that show how much quality varies."""
METRICS = {"binary_classification": ("log_loss", True), "multiclass": ("accuracy", False), "regression": ("mae", True)}
"""The metric of each task, and whether lower is better."""
BINARY = "binary_classification"


def drift_harm(stores: Stores, spec: EndpointSpec, alert: Alert, watermark: datetime) -> Harm:
    """Judge the drift of an open alert. Reads the windows of a few weeks of the derived tables."""
    began, length = datetime.fromisoformat(alert.opened_window), LENGTH[spec.window]
    windows = windows_between(began - BEFORE[spec.window] * length, watermark, spec.window)
    newest = datetime.fromisoformat(alert.data_window)
    drifted = [row for row in _busiest(stores, spec, DRIFT, [newest]) if row["drifted"]]
    columns = {str(row["column"]): row["importance"] for row in drifted}
    return judge_harm(columns, _falls(stores, spec, windows, began, watermark))


def _falls(
    stores: Stores, spec: EndpointSpec, windows: Sequence[datetime], began: datetime, watermark: datetime
) -> list[Fall]:
    metric, lower = METRICS.get(str(spec.task), METRICS["multiclass"])
    mature = [one for one in windows if one + LENGTH[spec.window] + spec.label_horizon <= watermark]
    sources: list[tuple[str, Table, Sequence[datetime]]] = [(metric, QUALITY_METRICS, mature)]
    if spec.task == BINARY:
        sources.append((f"estimated {metric}", ESTIMATED_QUALITY, windows))
    falls = []
    for name, table, of in sources:
        values = _series(stores, spec, table, of, metric)
        before = [value for window, value in values if window < began]
        since = [value for window, value in values if window >= began]
        falls.append(judge_fall(name, before, since, lower_is_better=lower, needed=NEEDED))
    return falls


def _series(
    stores: Stores, spec: EndpointSpec, table: Table, windows: Sequence[datetime], metric: str
) -> list[tuple[datetime, float]]:
    """Return the metric of each window's busiest version, in order of time; without those that have none."""
    rows = stored_rows(stores, spec, table, windows)
    by_window: dict[datetime, list[dict[str, Any]]] = {}
    for row in rows:
        if row.get("segment", WHOLE) == WHOLE:
            by_window.setdefault(row["window_start"], []).append(row)
    chosen = [(window, rows_of_busiest_version(of, "predictions")[0][metric]) for window, of in by_window.items()]
    return sorted((window, float(value)) for window, value in chosen if value is not None)


def _busiest(stores: Stores, spec: EndpointSpec, table: Table, windows: Sequence[datetime]) -> list[dict[str, Any]]:
    rows = stored_rows(stores, spec, table, windows)
    return rows_of_busiest_version(rows) if rows else []
