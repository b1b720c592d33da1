"""Ingests the spool into the lake, exactly once: sealed segments become rows of the log, labels and feedback."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.columns import Table
from modelops_pipelines.core.tables.lake import REJECTS, STREAMS
from modelops_pipelines.core.windows import window_of
from modelops_pipelines.operations.capture.keyed_rows import append_captured
from modelops_pipelines.operations.capture.record_batches import Batch, held_columns, to_batch
from modelops_pipelines.operations.capture.repeats import new_predictions
from modelops_pipelines.operations.lake.endpoint_tables import stream_table
from modelops_pipelines.store.filesystem.files import exclusive, sync_everything
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.lake.arrow_schemas import arrow_schema
from modelops_pipelines.store.lake.maintenance.compactor import LakeCompactor
from modelops_pipelines.store.settings import Settings
from modelops_pipelines.store.spool import segments as spool
from modelops_pipelines.store.state.capture.erased_requests import ErasedRequests
from modelops_pipelines.store.state.capture.ingest_progress import Progress
from modelops_pipelines.store.stores import Stores

CHUNK_BYTES = 64 * 1024 * 1024


@dataclass
class IngestReport:
    """The result of an ingest; ``repeated`` counts rows stored before, ``latest`` is the newest answered event time.

    ``keyed`` counts labels that name their prediction by a key.
    """

    stream: str
    segments: int = 0
    rows: int = 0
    repeated: int = 0
    rejected: int = 0
    keyed: int = 0
    windows: set[datetime] = field(default_factory=set)
    latest: datetime | None = None
    reasons: list[str] = field(default_factory=list)


def ingest(stores: Stores, spec: EndpointSpec, stream: str) -> IngestReport:
    """Move the stream's sealed segments into the lake; report the rows, the rejects and the windows they touch.

    Killed at any instant and run again it gives the same tables: a segment is dropped only after its commit is
    durable, its windows are marked and the progress is written, and the table records which segments it holds.

    Then small files of the days that grow are joined, every 16 of them: each query of such a day opens all of them.
    """
    report = IngestReport(stream)
    with ingest_lock(stores.settings, spec.name, stream):
        finish_direct_rows(stores, spec, stream)
        segments = spool.sealed_segments(stores.settings.spool, spec.name, stream)
        for chunk in _chunks(segments):
            _ingest_chunk(stores, spec, stream, chunk, report)
        if segments:
            record_progress(stores, spec, report.latest)
        for segment in segments:
            spool.drop(segment)
        spool.remove_empty_workers(stores.settings.spool, spec.name, stream)
        if report.rows:
            table = STREAMS[stream].name
            LakeCompactor(stores.settings.lake).join_small_files(spec.name, table, stores.now())
    return report


def ingest_lock(settings: Settings, endpoint: str, stream: str) -> AbstractContextManager[None]:
    """Return the lock under which rows are added and their windows marked: its holder sees both or neither."""
    lock = settings.home / "locks" / f"{endpoint}.{stream}.ingest.lock"
    return exclusive(lock, f"ingesting {stream} of {endpoint}")


def mark_of_direct_rows(stream: str) -> str:
    """Return the consumer under which windows of rows are marked that are written past the spool, until it is done."""
    return f"{stream}.direct"


def finish_direct_rows(stores: Stores, spec: EndpointSpec, stream: str, *, durable: bool = False) -> None:
    """Mark the windows of rows that were written past the spool for what depends on them; the caller has the lock.

    It does so after each such write, which is then ``durable``, and before the next one or ingest if that was killed.
    """
    mark, table = mark_of_direct_rows(stream), STREAMS[stream].name
    touched = stores.touched_windows.pending(spec.name, mark)
    if touched.windows:
        if not durable:
            sync_everything()
        stores.touched_windows.clear(spec.name, mark, touched, dependents=spec.dependents(table))


def _ingest_chunk(
    stores: Stores, spec: EndpointSpec, stream: str, chunk: Sequence[spool.Segment], report: IngestReport
) -> None:
    """Move some segments of any workers in one commit, which also says how far each worker's segments are held."""
    table = stream_table(stores, spec, stream)
    last = {segment.worker: segment.number for segment in chunk}  # a worker's segments are in order
    batch = to_batch(table, stream, chunk, stores.now())
    windows = {window_of(moment, spec.window) for moment in batch.event_times()}
    rejected = _write_rejects(stores, spec, stream, last, batch)
    report.keyed += append_captured(stores, spec, batch.keyed, last)
    committed = stores.lake.all_committed(spec.name, table.name, last)
    fresh = batch.rows_after(committed)
    rows = without_repeats(stores, spec, table, fresh)
    held, kept = held_columns(table, rows)
    if len(rows) and not stores.writer.append_marked(spec.name, held, kept, _newer(last, committed)):
        rows = rows.slice(0, 0)
    if len(fresh) < len(batch.rows) or len(rejected) < len(batch.rejects) or batch.keyed:
        sync_everything()
    stores.touched_windows.mark(spec.name, spec.dependents(table.name), windows)
    report.segments += len(chunk)
    report.rows += len(rows)
    report.repeated += len(batch.rows) - len(rows)
    report.rejected += len(rejected)
    report.windows |= windows
    report.latest = max((*batch.answered_times(), *([report.latest] if report.latest else [])), default=None)
    report.reasons += [str(reject["reason"]) for reject in rejected[:10]]


def _write_rejects(
    stores: Stores, spec: EndpointSpec, stream: str, last: Mapping[str, int], batch: Batch
) -> list[dict[str, Any]]:
    """Write the batch's rejects that the table does not hold yet; return them."""
    source_of = {worker: f"{stream}/{worker}" for worker in last}
    if not batch.rejects:
        return []
    marks = {source_of[worker]: number for worker, number in last.items()}
    committed = stores.lake.all_committed(spec.name, REJECTS.name, marks)
    fresh = batch.rejects_after({worker: committed[source] for worker, source in source_of.items()})
    if fresh:
        rows = pa.Table.from_pylist(fresh, schema=arrow_schema(REJECTS))
        stores.writer.append_marked(spec.name, REJECTS, rows, _newer(marks, committed))
    return fresh


def _newer(last: Mapping[str, int], committed: Mapping[str, int]) -> dict[str, int]:
    """Return the numbers that the table does not hold yet."""
    return {name: number for name, number in last.items() if number > committed[name]}


def _chunks(segments: Iterable[spool.Segment]) -> Iterator[list[spool.Segment]]:
    chunk: list[spool.Segment] = []
    size = 0
    for segment in segments:
        chunk.append(segment)
        size += segment.path.stat().st_size
        if size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def without_repeats(stores: Stores, spec: EndpointSpec, table: Table, rows: pa.Table) -> pa.Table:
    """Return the rows without those whose content id the table or a row that was received earlier already has.

    Nor those about a prediction that was erased. Predictions have ids of their own, but for those from elsewhere.
    """
    key = table.key[0]
    if not len(rows):
        return rows
    if table.name == STREAMS["predictions"].name:
        return new_predictions(stores, spec, rows)
    erased = ErasedRequests(stores.database).among(spec.name, rows.column("prediction_id").to_pylist())
    rows = rows.filter(pa.array([not one for one in erased], pa.bool_()))
    ids: list[str] = rows.column(key).to_pylist()
    dates = sorted(set(rows.column("date").to_pylist()))
    with stores.lake.query(spec.name, [table], dates) as connected:
        connected.execute(sql.id_view(key, table.name))
        seen = {row[0] for row in connected.execute(sql.named("known_ids"), {"ids": ids}).fetchall()}
    keep = []
    for position in _in_order_of_receipt(rows):
        if ids[position] not in seen:
            seen.add(ids[position])
            keep.append(position)
    return rows.take(pa.array(sorted(keep), pa.int64()))


def _in_order_of_receipt(rows: pa.Table) -> list[int]:
    """Return the rows' positions, the one received first first: so a repeat keeps its place in lists of feedback."""
    received = rows.column("received_at").to_pylist()
    return sorted(range(len(rows)), key=lambda position: (received[position] is None, received[position] or 0))


def record_progress(stores: Stores, spec: EndpointSpec, latest: datetime | None) -> None:
    """Count the lake's rows, retired ones too; the watermark advances to the latest answered event time, never back."""
    before = stores.ingest_progress.of(spec.name)
    known = [moment for moment in (before.watermark, latest) if moment is not None]
    predictions = stores.lake.rows_ever(spec.name, STREAMS["predictions"].name)
    labels = stores.lake.rows_ever(spec.name, STREAMS["labels"].name)
    progress = Progress(spec.name, max(known, default=None), predictions, labels)
    stores.ingest_progress.record(progress, stores.now())
