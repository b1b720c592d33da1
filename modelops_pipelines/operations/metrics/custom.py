"""The user's own metrics: one SELECT in a file, or one function of a window's rows.

A SELECT sees one view, ``predictions``: the answered rows of one window and version, features and answers, with the
latest label (null while there is none), ``feedback``, ``complaints`` and ``kept`` (false where sampling dropped the
features). A function gets the same rows as a DataFrame. A failure in one window is that window's ``reason``; the other
windows and metrics have their values.
"""

import importlib
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from modelops_pipelines.core.endpoints.spec import EndpointSpec, Metric
from modelops_pipelines.core.foreign_text import QuotedError, error_text
from modelops_pipelines.core.tables.feature_columns import feature_of
from modelops_pipelines.core.tables.lake import CUSTOM_METRICS
from modelops_pipelines.operations.lake.endpoint_tables import feature_types
from modelops_pipelines.operations.lake.incremental import Range, Recomputed, Windows, recompute
from modelops_pipelines.operations.metrics.quality import judged_rows
from modelops_pipelines.store.lake.arrow_schemas import arrow_schema
from modelops_pipelines.store.lake.reader import connection, interrupted_after
from modelops_pipelines.store.stores import Stores

Compute = Callable[[pa.Table], object]
LONGEST = 60.0
"""Seconds that a query may take for one window and version."""


class MetricError(QuotedError, ValueError):
    """A metric that is none, in words of ours."""


def measure_custom(stores: Stores, spec: EndpointSpec, backfill: Range | None = None) -> Recomputed:
    """Bring ``custom_metrics`` up to date."""

    def compute(windows: Windows) -> pa.Table:
        computed = {metric.name: _computation(metric) for metric in spec.metrics}
        rows = [
            {"window_start": window, "model_version": version, "metric": name, "n": len(frame), "date": window.date()}
            | _value(one, frame)
            for window, version, frame in _groups(stores, spec, windows)
            for name, one in computed.items()
        ]
        return pa.Table.from_pylist(rows, schema=arrow_schema(CUSTOM_METRICS))

    return recompute(stores, spec, CUSTOM_METRICS, compute, backfill=backfill)


def _groups(stores: Stores, spec: EndpointSpec, windows: Windows) -> Iterator[tuple[datetime, str, pa.Table]]:
    """Yield each window and version with its rows; one window is in memory at a time."""
    features = list(feature_types(stores, spec))
    for window in windows:
        rows = _named(judged_rows(stores, spec, [window], features), features)
        for version in sorted(rows.column("model_version").unique().to_pylist()):
            mine = rows.filter(pc.equal(rows.column("model_version"), version))
            yield window, version, mine.drop_columns(["window_start"])


def _named(rows: pa.Table, features: Sequence[str]) -> pa.Table:
    """Return judged rows with the features' own names; a feature named like one of our columns replaces that column.

    One that the log keeps under another name has its own, unless our columns here have it.
    """
    ours = rows.column_names[: len(rows.column_names) - len(features)]
    own = [name if feature_of(name) in ours else feature_of(name) for name in features]
    named = rows.rename_columns([*(f" {name}" if name in own else name for name in ours), *own])
    return named.drop_columns([name for name in named.column_names if name.startswith(" ")])


def _computation(metric: Metric) -> Compute:
    """Return the function that computes the metric, or one that raises why it cannot be loaded."""
    try:
        return _of_file(str(metric.sql)) if metric.function is None else _of_function(metric.function)
    except (OSError, ImportError, AttributeError, ValueError) as error:
        message = f"the metric cannot be loaded: {error_text(error)}"
        return lambda _: _raise(MetricError(message))


def _of_file(named: str) -> Compute:
    query = (Path.cwd() / named).read_text(encoding="utf-8")

    def computed(rows: pa.Table) -> object:
        with connection(None) as connected:
            connected.register("predictions", rows)
            return only_value(connected, query)

    return computed


def only_value(connected: duckdb.DuckDBPyConnection, query: str) -> object:
    """Return the single value of one SELECT; raises MetricError for any other result, duckdb.Error when it fails."""
    statements = connected.extract_statements(query)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise MetricError("the file is not one SELECT")
    with interrupted_after(connected, LONGEST):
        found = connected.execute(statements[0]).fetchall()
    if len(found) != 1 or len(found[0]) != 1:
        raise MetricError(f"the query returns {len(found)} row(s); it must return one row with one number")
    value: object = found[0][0]
    return value


def _of_function(named: str) -> Compute:
    module, _, function = named.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    chosen: Callable[[Any], object] = getattr(importlib.import_module(module), function)
    return lambda rows: chosen(rows.to_pandas())


def _value(compute: Compute, rows: pa.Table) -> dict[str, Any]:
    try:
        value = compute(rows)
    except duckdb.InterruptException:
        return {"value": None, "reason": f"the query took over {LONGEST:.0f} s"}
    except Exception as error:  # noqa: BLE001 - a metric is the user's code: any error becomes the reason
        return {"value": None, "reason": error_text(error)}
    return _number(value)


def _number(value: object) -> dict[str, Any]:
    if value is None:
        return {"value": None, "reason": "the metric returned null"}
    try:
        number = float(value)  # type: ignore[arg-type] # anything but a number raises
    except (TypeError, ValueError):
        return {"value": None, "reason": f"the metric returned a {type(value).__name__}, which is not a number"}
    if not math.isfinite(number):
        return {"value": None, "reason": f"the metric returned {number}, which is not finite"}
    return {"value": number, "reason": None}


def _raise(error: Exception) -> object:
    raise error
