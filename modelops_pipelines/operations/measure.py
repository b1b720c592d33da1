"""Traffic and quality, computed from the log and the labels for the windows that changed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa

from modelops_pipelines.core.endpoint import EndpointSpec
from modelops_pipelines.core.tables import FEEDBACK, LABELS, QUALITY_METRICS, SERVICE_METRICS, typed_for
from modelops_pipelines.operations.recompute import Range, Recomputed, Windows, dates_of, recompute
from modelops_pipelines.operations.schemas import log_table
from modelops_pipelines.store import sql
from modelops_pipelines.store.stores import Stores


def measure_service(stores: Stores, spec: EndpointSpec, asked: Range | None = None) -> Recomputed:
    """Bring ``service_metrics`` up to date."""

    def compute(windows: Windows) -> pa.Table:
        with stores.lake.query(spec.name, [log_table(stores, spec)], dates_of(windows)) as connected:
            return rows_of(connected, "service_metrics", {"size": spec.window, "windows": list(windows)})

    return recompute(stores, spec, SERVICE_METRICS, compute, asked=asked)


def measure_quality(stores: Stores, spec: EndpointSpec, asked: Range | None = None) -> Recomputed:
    """Bring ``quality_metrics`` up to date."""

    def compute(windows: Windows) -> pa.Table:
        return quality_of(spec, judged_rows(stores, spec, windows))

    return recompute(stores, spec, QUALITY_METRICS, compute, asked=asked)


def judged_rows(stores: Stores, spec: EndpointSpec, windows: Sequence[datetime]) -> pa.Table:
    """Return the answered predictions of the windows with the label that counts and their feedback."""
    tables = [log_table(stores, spec), typed_for(LABELS, spec.task), typed_for(FEEDBACK, spec.task)]
    with stores.lake.query(spec.name, tables, dates_of(windows)) as connected:
        connected.execute(sql.named("label_now"))
        return rows_of(connected, "judged", {"size": spec.window, "windows": list(windows)})


def quality_of(spec: EndpointSpec, judged: pa.Table) -> pa.Table:
    """Return quality a window and version of judged rows."""
    with duckdb.connect(":memory:") as connected:
        connected.execute("SET TimeZone = 'UTC'")
        connected.register("judged", judged)
        if spec.task == "regression":
            return rows_of(connected, "quality_regression", {})
        positive = spec.positive_label if spec.task == "binary_classification" else None
        return rows_of(connected, "quality_classification", {"positive": positive})


def rows_of(connected: duckdb.DuckDBPyConnection, query: str, parameters: dict[str, Any]) -> pa.Table:
    """Run a named query and return its rows."""
    return connected.sql(sql.named(query), params=parameters).to_arrow_table()
