"""Quality, computed from the log and the labels for the windows that changed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import SchemaError
from modelops_pipelines.core.tables.lake import FEEDBACK, LABELS, QUALITY_METRICS, WHOLE, typed_for
from modelops_pipelines.operations.lake.endpoint_tables import feature_types, log_table
from modelops_pipelines.operations.lake.incremental import Range, Recomputed, Windows, dates_of, recompute
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.lake.reader import session
from modelops_pipelines.store.stores import Stores

JUDGED = ("window_start", "model_version", "prediction", "score", "label", "feedback", "complaints")
"""The columns that quality is computed from."""
_ANSWERED = (
    *("prediction_id", "event_time", "model_version", "prediction", "score"),
    *("status", "source", "sampled", "truncated"),
)


def measure_quality(stores: Stores, spec: EndpointSpec, backfill: Range | None = None) -> Recomputed:
    """Bring ``quality_metrics`` up to date."""

    def compute(windows: Windows) -> pa.Table:
        return quality_of(spec, judged_rows(stores, spec, windows, spec.segments), spec.segments)

    return recompute(stores, spec, QUALITY_METRICS, compute, backfill=backfill)


def judged_rows(
    stores: Stores, spec: EndpointSpec, windows: Sequence[datetime], segments: Sequence[str] = ()
) -> pa.Table:
    """Return the answered predictions of the windows with their latest label and their feedback.

    The features named as ``segments`` are the last columns, in order, named by number: a feature may have
    another column's name. Raises SchemaError for a name that is not a feature of the endpoint's model.
    """
    _check(stores, spec, segments)
    table = log_table(stores, spec)
    tables = [table, typed_for(LABELS, spec.task), typed_for(FEEDBACK, spec.task)]
    with stores.lake.query(spec.name, tables, dates_of(windows)) as connected:
        connected.execute(sql.named("label_now"))
        columns = sql.columns_of(table, [*_ANSWERED, *segments])
        connected.execute(sql.temporary_view("answered_log", connected.table(table.name).project(columns)))
        rows = rows_of(connected, "judged", {"size": spec.window, "windows": list(windows)})
    return rows.rename_columns([*JUDGED, "kept", *map(_segment, range(len(segments)))])


def quality_of(spec: EndpointSpec, judged: pa.Table, segments: Sequence[str] = ()) -> pa.Table:
    """Return quality per window and version of judged rows, then per value of each segment.

    ``judged`` has the columns of ``JUDGED``; with segments, what ``judged_rows`` returns for them.
    """
    with session(None) as connected:
        connected.execute(sql.named("score_bin"))
        all_rows = judged.select(JUDGED).append_column("segment_value", _constant("", len(judged)))
        parts = [_quality(connected, spec, WHOLE, all_rows)]
        for number, name in enumerate(segments):
            rows = judged.select([*JUDGED, "kept"]).append_column("value", judged.column(_segment(number)))
            parts.append(_quality(connected, spec, name, _segmented(connected, rows)))
    return pa.concat_tables(parts)


def _check(stores: Stores, spec: EndpointSpec, segments: Sequence[str]) -> None:
    unknown = [name for name in segments if name not in feature_types(stores, spec)]
    if unknown:
        message = f"Endpoint {spec.name!r} has segment(s) {', '.join(unknown)} that the model does not take"
        raise SchemaError(message, "Correct 'segments' in the endpoint's YAML")


def _segment(number: int) -> str:
    return f"segment_{number}"


def _segmented(connected: duckdb.DuckDBPyConnection, judged: pa.Table) -> pa.Table:
    connected.register("judged", judged)
    return rows_of(connected, "segmented", {})


def _quality(connected: duckdb.DuckDBPyConnection, spec: EndpointSpec, segment: str, judged: pa.Table) -> pa.Table:
    connected.register("judged", judged)
    if spec.task == "regression":
        return rows_of(connected, "quality_regression", {"segment": segment})
    positive = spec.positive_label if spec.task == "binary_classification" else None
    return rows_of(connected, "quality_classification", {"segment": segment, "positive": positive})


def _constant(value: str, rows: int) -> pa.Array:
    return pa.repeat(pa.scalar(value), rows)


def rows_of(connected: duckdb.DuckDBPyConnection, query: str, parameters: dict[str, Any]) -> pa.Table:
    """Run a named query and return its rows."""
    return connected.sql(sql.named(query), params=parameters).to_arrow_table()
