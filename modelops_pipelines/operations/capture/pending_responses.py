"""Labels and feedback that this host has acknowledged and the lake does not hold yet; and writing them to the spool."""

import os
import secrets
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pyarrow as pa

from modelops_pipelines.core.capture.spool_records import PredictionRecord, response_record
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import CaptureError
from modelops_pipelines.operations.capture.pending_rows import rows_of
from modelops_pipelines.operations.capture.record_batches import rows_of_records
from modelops_pipelines.operations.lake.endpoint_tables import stream_table
from modelops_pipelines.store.lake.rows.recent import Row
from modelops_pipelines.store.spool.segments import SegmentWriter, encode
from modelops_pipelines.store.spool.tail import newest_records, segments_by_last_write
from modelops_pipelines.store.state.capture.erased_requests import ErasedRequests
from modelops_pipelines.store.stores import Stores

MOST_BYTES = 16 * 1024 * 1024
_LOCK = threading.Lock()
_WRITERS: dict[tuple[int, Path, str, str], SegmentWriter] = {}
"""By process too: a forked one that went on with its parent's numbers would repeat them."""


@dataclass(frozen=True)
class PendingResponses:
    """Rows of labels or feedback, newest segments first; a row may be there twice, or have been ingested just now.

    ``complete`` is False when more than MOST_BYTES are pending: the oldest were not read.
    """

    rows: pa.Table
    complete: bool


def pending_responses(stores: Stores, spec: EndpointSpec, stream: str) -> PendingResponses:
    """Return the rows of the stream in this host's spool, as the lake will hold them.

    Read it before the lake: what is ingested meanwhile is then in the lake. Rows about erased predictions, and records
    that do not fit the table, are left out, as the ingest will.
    """
    records, complete = [], True
    for size, record in _records(stores.settings.spool, spec.name, stream):
        complete = size <= MOST_BYTES
        if not complete:
            break
        records.append(record)
    rows = rows_of_records(stream_table(stores, spec, stream), stream, records)
    if len(rows):
        erased = ErasedRequests(stores.database).among(spec.name, rows.column("prediction_id").to_pylist())
        rows = rows.filter(pa.array([not one for one in erased], pa.bool_()))
    return PendingResponses(rows, complete)


def pending_predictions(spool: Path, spec: EndpointSpec, predictions: Collection[str]) -> dict[str, Row]:
    """Return the rows of these predictions that are still in this host's spool, among its newest MOST_BYTES."""
    requests, found = {one.rpartition("-")[0] for one in predictions}, dict[str, Row]()
    for size, record in _records(spool, spec.name, "predictions") if requests else ():
        if size > MOST_BYTES:
            break
        if record.get("id") in requests:
            found |= {row["prediction_id"]: row for row in rows_of(cast(PredictionRecord, record))}
    return {name: row for name, row in found.items() if name in set(predictions)}


def write_responses(stores: Stores, endpoint: str, stream: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows of labels or feedback to the spool, as a gateway does; durable, and ready to be ingested, on return.

    Raises CaptureError when the disk refuses: then none of them is written.
    """
    line = encode(response_record([dict(row) for row in rows]))
    place = (stores.settings.spool, endpoint, stream)
    with _LOCK:
        writer = _WRITERS.setdefault((os.getpid(), *place), SegmentWriter(*place, _worker()))
        try:
            writer.append(line, 0.0)
            writer.seal()
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise CaptureError(
                f"The spool cannot be written ({why})", "Free space on the disk of MODELOPS_HOME, then try again"
            ) from error


def _worker() -> str:
    """Return a name that no other process uses."""
    return f"operation-{secrets.token_hex(6)}"


def _records(spool: Path, endpoint: str, stream: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the stream's records, each with the bytes read so far."""
    read = 0
    for _, path in segments_by_last_write(spool, endpoint, stream):
        for size, record in newest_records(path):
            read += size
            yield read, record
