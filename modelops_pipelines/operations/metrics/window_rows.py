"""The rows of each derived table as people and programs get them: by routes, commands and CSV files alike."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from modelops_pipelines.core.drift.ranking import newest_and_worst_first
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import InputError, UnknownError
from modelops_pipelines.core.tables.columns import Table
from modelops_pipelines.core.tables.lake import (
    CUSTOM_METRICS,
    DATA_QUALITY,
    DRIFT,
    ESTIMATED_QUALITY,
    QUALITY_METRICS,
    SERVICE_METRICS,
    WHOLE,
)
from modelops_pipelines.operations.lake.queries import newest
from modelops_pipelines.operations.metrics.traffic import newest_traffic
from modelops_pipelines.store.stores import Stores

TRAFFIC_COLUMNS = (
    "window_start",
    "model_version",
    "variant",
    "requests",
    "predictions",
    "client_errors",
    "server_errors",
    "error_rate",
    "availability",
    "throughput",
    "errors",
    "latency_mean_ms",
    "latency_p50_ms",
    "latency_p95_ms",
    "latency_p99_ms",
)
DRIFT_COLUMNS = (
    "window_start",
    "model_version",
    "column",
    "drifted",
    "since",
    "severity",
    "statistic",
    "value",
    "threshold",
    "effect",
    "importance",
    "n",
    "method",
    "reference",
    "reason",
)
BY_SEGMENT = ("quality", "segments")
"""The tables that can be narrowed to one segment value."""
_NOT_SHOWN = {"date", "feedback", "complaints", "confusion", "confidence", "mean_score", "score_counts"}
Rows = list[dict[str, Any]]
Newest = Callable[[Stores, EndpointSpec, int], Rows]


@dataclass(frozen=True)
class WindowTable:
    """What can be listed per window: the lake's table that it comes from, its columns, and its route's query."""

    name: str
    table: Table
    columns: tuple[str, ...]
    route: str
    newest: Newest


def window_rows(
    stores: Stores,
    spec: EndpointSpec,
    name: str,
    windows: int,
    *,
    version: str | None = None,
    segment: str | None = None,
) -> Rows:
    """Return a table's rows of the newest windows, of one version unless that is None.

    ``segment`` is as in ``segment_text``: quality is then of that segment value's rows. Raises UnknownError for an
    unknown table, InputError for a segment of a table that has none.
    """
    listed = listed_table(name)
    if segment is not None and name not in BY_SEGMENT:
        raise InputError(f"The table {name!r} has no segments", f"Leave the segment out, or use {BY_SEGMENT[0]!r}")
    asked = TABLES["segments"] if segment is not None else listed
    return [
        row
        for row in asked.newest(stores, spec, windows)
        if (version is None or row["model_version"] == version) and (segment is None or segment == segment_of(row))
    ]


def listed_table(name: str) -> WindowTable:
    """Return a table by its name in addresses; raises UnknownError."""
    if name not in TABLES:
        raise UnknownError(f"There is no table {name[:80]!r} to export", f"Name one of: {', '.join(TABLES)}")
    return TABLES[name]


def newest_quality(stores: Stores, spec: EndpointSpec, windows: int) -> Rows:
    """Return the quality of the last windows by version, oldest first."""
    return [row for row in _quality(stores, spec, windows) if row["segment"] == WHOLE]


def newest_segments(stores: Stores, spec: EndpointSpec, windows: int) -> Rows:
    """Return the quality of the last windows by version and segment value, oldest first."""
    return [row for row in _quality(stores, spec, windows) if row["segment"] != WHOLE]


def newest_drift(stores: Stores, spec: EndpointSpec, windows: int) -> Rows:
    """Return the drift verdicts of the last windows: the newest window and the worst drift first."""
    return newest_and_worst_first(newest(stores, spec, DRIFT, windows))


def known_segments(stores: Stores, spec: EndpointSpec, windows: int) -> list[tuple[str, str]]:
    """Return the segments' features and values in the last windows, sorted."""
    rows = newest(stores, spec, QUALITY_METRICS, windows, ("segment", "segment_value"))
    return sorted({(row["segment"], row["segment_value"] or "") for row in rows if row["segment"] not in {WHOLE, None}})


def segment_text(feature: str, value: str) -> str:
    """Return a segment value as it is named in addresses: ``feature=value``, each percent-encoded."""
    return f"{quote(feature, safe='')}={quote(value, safe='')}"


def segment_of(row: Mapping[str, Any]) -> str:
    """Return the name of the segment value that a row of ``quality_metrics`` is of."""
    return segment_text(row["segment"], row["segment_value"])


def with_whole(rows: Sequence[Mapping[str, Any]]) -> Rows:
    """Return rows of ``quality_metrics`` with the segment that those of release 0.1 lack."""
    return [{**row, "segment": row["segment"] or WHOLE, "segment_value": row["segment_value"] or ""} for row in rows]


def _quality(stores: Stores, spec: EndpointSpec, windows: int) -> Rows:
    return with_whole(newest(stores, spec, QUALITY_METRICS, windows))


def _newest_of(table: Table) -> Newest:
    def read(stores: Stores, spec: EndpointSpec, windows: int) -> Rows:
        return newest(stores, spec, table, windows)

    return read


def _shown(table: Table) -> tuple[str, ...]:
    return tuple(name for name in table.names if name not in _NOT_SHOWN)


TABLES: Mapping[str, WindowTable] = {
    one.name: one
    for one in (
        WindowTable("traffic", SERVICE_METRICS, TRAFFIC_COLUMNS, "traffic", newest_traffic),
        WindowTable("quality", QUALITY_METRICS, _shown(QUALITY_METRICS), "quality", newest_quality),
        WindowTable("segments", QUALITY_METRICS, _shown(QUALITY_METRICS), "quality?segments=true", newest_segments),
        WindowTable(
            "estimated-quality",
            ESTIMATED_QUALITY,
            _shown(ESTIMATED_QUALITY),
            "estimated-quality",
            _newest_of(ESTIMATED_QUALITY),
        ),
        WindowTable(
            "custom-metrics", CUSTOM_METRICS, _shown(CUSTOM_METRICS), "custom-metrics", _newest_of(CUSTOM_METRICS)
        ),
        WindowTable("drift", DRIFT, DRIFT_COLUMNS, "drift", newest_drift),
        WindowTable("data-quality", DATA_QUALITY, _shown(DATA_QUALITY), "data-quality", _newest_of(DATA_QUALITY)),
    )
}
"""Every table that can be exported, by its name in addresses."""
