"""The newest rows of an endpoint's log: those in the lake, and those still pending in this host's spool."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from modelops_pipelines.core.capture.log_search import LogQuery, LogSearch, log_query
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.feature_columns import feature_of
from modelops_pipelines.core.tables.lake import INFERENCE_LOG
from modelops_pipelines.core.timestamps import from_micros
from modelops_pipelines.operations.capture.pending_rows import pending_rows
from modelops_pipelines.operations.lake.endpoint_tables import feature_types
from modelops_pipelines.store.lake.rows.recent import Row, newest_first
from modelops_pipelines.store.stores import Stores

_SHOWN = [name for name in INFERENCE_LOG.names if name not in {"worker", "segment", "date"}]
_ANSWERED = 200


@dataclass(frozen=True)
class RecentLogs:
    """The rows, newest first; none is older than ``since``.

    ``ingested_up_to`` is when the newest row of the lake was received. Rows received later are from this host's spool;
    ``complete`` is False when more rows are pending there than were read.
    """

    rows: list[Row]
    since: datetime
    ingested_up_to: datetime | None
    complete: bool


def recent_logs(stores: Stores, spec: EndpointSpec, search: LogSearch) -> RecentLogs:
    """Return the newest rows that match the search; raises InputError for an invalid search."""
    query = log_query(search, stores.now())
    pending = pending_rows(stores.settings.spool, spec, query)  # first: rows ingested meanwhile are then in the lake
    up_to = stores.recent.received_up_to(spec.name, INFERENCE_LOG.name)
    found = [*pending.rows, *stores.recent.rows(spec.name, INFERENCE_LOG.name, _newer(query, pending.rows))]
    once = {row["prediction_id"]: row for row in found}.values()
    features = feature_types(stores, spec)
    rows = [_shaped(row, features) for row in newest_first(once)[: query.limit]]
    return RecentLogs(rows, query.since, up_to, pending.complete)


def _newer(query: LogQuery, rows: Sequence[Row]) -> LogQuery:
    """Return the query for rows that may still be among the newest, given these rows."""
    newest = sorted((row["event_time"] for row in rows), reverse=True)[: query.limit]
    return replace(query, since=newest[-1]) if len(newest) == query.limit else query


def _shaped(row: Row, features: Mapping[str, str]) -> Row:
    """Return a row under the declared names, its features as one value: None where none were stored."""
    kept = row["status"] == _ANSWERED and row.get("sampled") is not False and not row.get("truncated")
    values = {feature_of(name): _value(row.get(name), kind) for name, kind in features.items()} if kept else None
    return {**{name: row.get(name) for name in _SHOWN}, "features": values}


def _value(value: Any, kind: str) -> Any:
    """Return a feature's value; the spool keeps a time as microseconds."""
    return from_micros(value) if kind == "timestamp" and isinstance(value, int) else value
