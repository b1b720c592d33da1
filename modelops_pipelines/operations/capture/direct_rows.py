"""Rows that do not come through a gateway's spool, written straight into the lake."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from modelops_pipelines.core.capture.spool_records import response_columns
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.columns import Table
from modelops_pipelines.operations.capture.ingest import (
    finish_direct_rows,
    ingest_lock,
    mark_of_direct_rows,
    record_progress,
    without_repeats,
)
from modelops_pipelines.operations.capture.keyed_rows import DIRECT
from modelops_pipelines.operations.capture.record_batches import held_columns
from modelops_pipelines.operations.capture.repeats import new_rows
from modelops_pipelines.operations.lake.endpoint_tables import stream_table
from modelops_pipelines.store.lake.arrow_schemas import arrow_schema
from modelops_pipelines.store.lake.maintenance.compactor import LakeCompactor
from modelops_pipelines.store.lake.writer import conform
from modelops_pipelines.store.stores import Stores

_ROWS_A_COMMIT = 200_000


def append_rows(stores: Stores, spec: EndpointSpec, stream: str, rows: Sequence[Mapping[str, Any]]) -> int:
    """Append rows of labels or feedback, each content once; return how many the table did not hold yet.

    Rows are as ``core.capture.spool_records`` makes them. Those about erased predictions are not stored. Their windows
    are marked for what depends on them. Killed at any instant and called again with the same rows it gives the same
    table and marks: what was under way is marked before the commit, and finished by the next call or ingest.
    """
    if not rows:
        return 0
    written = 0
    with ingest_lock(stores.settings, spec.name, stream):
        finish_direct_rows(stores, spec, stream)
        for start in range(0, len(rows), _ROWS_A_COMMIT):
            written += _append(stores, spec, stream, rows[start : start + _ROWS_A_COMMIT])
        if written:
            record_progress(stores, spec, None)
            table = stream_table(stores, spec, stream)
            LakeCompactor(stores.settings.lake).join_small_files(spec.name, table.name, stores.now())
    return written


def append_new(stores: Stores, spec: EndpointSpec, stream: str, rows: pa.Table) -> pa.Table:
    """Append rows of a stream's table, each id once; return those that the table did not hold yet.

    ``rows`` have the table's columns but those that ingest adds. As safe as ``append_rows``, and made for many rows.
    """
    with ingest_lock(stores.settings, spec.name, stream):
        finish_direct_rows(stores, spec, stream)
        table = stream_table(stores, spec, stream)
        fresh = new_rows(stores, spec, table, _placed(stores, spec, table, rows))
        if len(fresh):
            _commit(stores, spec, stream, table, fresh)
            answered = _answered_times(fresh)
            record_progress(stores, spec, answered)
        return fresh


def join_small_files(stores: Stores, spec: EndpointSpec, stream: str) -> None:
    """Join the small files that many commits have left; an import calls it once, at its end."""
    with ingest_lock(stores.settings, spec.name, stream):
        table = stream_table(stores, spec, stream)
        LakeCompactor(stores.settings.lake).join_small_files(spec.name, table.name, stores.now())


def _append(stores: Stores, spec: EndpointSpec, stream: str, rows: Sequence[Mapping[str, Any]]) -> int:
    table = stream_table(stores, spec, stream)
    columns = response_columns({"rows": list(rows)})
    own = [one for one in arrow_schema(table) if one.name in columns]
    given = pa.table({one.name: pa.array(columns[one.name], one.type) for one in own})
    fresh = without_repeats(stores, spec, table, _placed(stores, spec, table, given))
    if len(fresh):
        _commit(stores, spec, stream, table, fresh)
    return len(fresh)


def _placed(stores: Stores, spec: EndpointSpec, table: Table, rows: pa.Table) -> pa.Table:
    """Return the rows with all of the table's columns: where they come from, and their day."""
    segment = stores.lake.committed(spec.name, table.name, DIRECT) + 1
    added = {
        "worker": pa.repeat(pa.scalar(DIRECT), len(rows)),
        "segment": pa.repeat(pa.scalar(segment, pa.int64()), len(rows)),
        "date": rows.column("event_time").cast(pa.date32()),
    }
    for name, values in added.items():
        rows = rows.append_column(name, values)
    return conform(rows, arrow_schema(table))


def _commit(stores: Stores, spec: EndpointSpec, stream: str, table: Table, fresh: pa.Table) -> None:
    """Commit new rows and mark their windows, so that a kill in between leaves nothing undone."""
    starts = pc.floor_temporal(fresh.column("event_time"), unit=spec.window).unique().to_pylist()
    stores.touched_windows.mark(spec.name, [mark_of_direct_rows(stream)], {start.astimezone(UTC) for start in starts})
    held, kept = held_columns(table, fresh)
    stores.writer.append_marked(spec.name, held, kept, {DIRECT: fresh.column("segment")[0].as_py()})
    finish_direct_rows(stores, spec, stream, durable=True)


def _answered_times(rows: pa.Table) -> datetime | None:
    """Return the newest time of an answered prediction; None for labels."""
    if "status" not in rows.column_names:
        return None
    newest: datetime | None = pc.max(rows.filter(pc.equal(rows.column("status"), 200)).column("event_time")).as_py()
    return newest
