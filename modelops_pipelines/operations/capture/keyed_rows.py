"""Adds labels with a key to their table, each once. What matches them to predictions: ``operations.improve.labels``."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import pyarrow as pa

from modelops_pipelines.core.capture.keyed_labels import keyed_columns
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.columns import Table
from modelops_pipelines.core.tables.keyed_labels import KEYED_LABELS
from modelops_pipelines.core.tables.lake import typed_for
from modelops_pipelines.store.filesystem.files import exclusive
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.lake.arrow_schemas import arrow_schema
from modelops_pipelines.store.settings import Settings
from modelops_pipelines.store.stores import Stores

DIRECT = "modelops.direct"
"""The worker of rows that come from no gateway; their segments are numbered in order of their commits."""


def keyed_table(spec: EndpointSpec) -> Table:
    """Return the declaration of the endpoint's labels with a key."""
    return typed_for(KEYED_LABELS, spec.task)


def keyed_lock(settings: Settings, endpoint: str) -> AbstractContextManager[None]:
    """Return the lock under which the table is changed; it is the innermost one."""
    return exclusive(
        settings.home / "locks" / f"{endpoint}.keyed_labels.changes.lock", f"labels with a key of {endpoint}"
    )


def append_keyed(stores: Stores, spec: EndpointSpec, rows: Sequence[Mapping[str, Any]]) -> int:
    """Add rows as ``core.capture.keyed_labels`` makes them; return how many the table did not hold yet."""
    if not rows:
        return 0
    with keyed_lock(stores.settings, spec.name):
        segment = stores.lake.committed(spec.name, KEYED_LABELS.name, DIRECT) + 1
        given = [{**keyed_columns(row), "worker": DIRECT, "segment": segment} for row in rows]
        return _append(stores, spec, given, {DIRECT: segment})


def append_captured(
    stores: Stores, spec: EndpointSpec, rows: Sequence[Mapping[str, Any]], last: Mapping[str, int]
) -> int:
    """Add rows of gateways' segments, whose numbers by worker are ``last``; return how many were new."""
    if not rows:
        return 0
    with keyed_lock(stores.settings, spec.name):
        committed = stores.lake.all_committed(spec.name, KEYED_LABELS.name, last)
        fresh = [row for row in rows if row["segment"] > committed[row["worker"]]]
        return _append(stores, spec, fresh, {name: n for name, n in last.items() if n > committed[name]})


def _append(stores: Stores, spec: EndpointSpec, rows: Sequence[Mapping[str, Any]], marks: Mapping[str, int]) -> int:
    table = keyed_table(spec)
    known = _known(stores, spec, table, [row["keyed_id"] for row in rows])
    fresh = {
        row["keyed_id"]: {**row, "date": row["received_at"].date()} for row in rows if row["keyed_id"] not in known
    }
    if not fresh:
        return 0
    made = pa.Table.from_pylist(list(fresh.values()), schema=arrow_schema(table))
    stores.writer.append_marked(spec.name, table, made, marks)
    return len(fresh)


def _known(stores: Stores, spec: EndpointSpec, table: Table, ids: Sequence[str]) -> Collection[str]:
    with stores.lake.query(spec.name, [table]) as connected:
        connected.execute(sql.id_view(table.key[0], table.name))
        return {row[0] for row in connected.execute(sql.named("known_ids"), {"ids": list(ids)}).fetchall()}
