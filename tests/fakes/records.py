"""Spool records as the gateway writes them, for tests that need many of them without a gateway."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from modelops_pipelines.core.capture import spool_records
from modelops_pipelines.core.capture.spool_records import PREDICTION_FIELDS, Feedback, prediction_record
from modelops_pipelines.core.ids import ENTROPY_BYTES, RequestId, new_request_id
from modelops_pipelines.core.timestamps import from_micros
from modelops_pipelines.store.spool.segments import SegmentWriter, encode
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores

SECRET = b"a secret of tests"
START = datetime(2026, 3, 1, 22, tzinfo=UTC)
VERSION = ModelVersion("tumours", "1", "/nowhere", {"x": "float", "c": "text"}, ["0", "1"], None, None, START)


def request_record(endpoint: str, number: int, at: datetime, rows: int, **changes: Any) -> dict[str, Any]:
    """Return the record of an answered request; ``changes`` go over it, by the record's own keys."""
    assert changes.keys() <= PREDICTION_FIELDS.keys()
    request = new_request_id(endpoint, at, rows, number.to_bytes(ENTROPY_BYTES, "big"), SECRET)
    answered = prediction_record(
        request_id=request.text,
        event_time=at,
        received_at=at,
        model_version="1",
        variant="champion",
        rows=rows,
        status=200,
        error_code=None,
        latency_ms=1.5,
        user_id=None,
        session_id=None,
        client_request_id=None,
        source="live",
        key_id=None,
        prediction=["1"] * rows,
        score=[0.9] * rows,
        features={"x": [float(row) for row in range(rows)], "c": ["a"] * rows},
    )
    return {**answered, **changes}


def _request(record: dict[str, Any]) -> RequestId:
    return RequestId(record["id"], from_micros(record["t"]), record["n"])


def label_row(record: dict[str, Any], row: int, label: str | float, labelled_at: datetime) -> dict[str, Any]:
    return spool_records.label_row(_request(record), row, label, labelled_at, labelled_at)


def feedback_row(record: dict[str, Any], row: int, rating: int | None, thumbs: str | None) -> dict[str, Any]:
    request = _request(record)
    return spool_records.feedback_row(request, row, Feedback(rating, thumbs), request.event_time)


def write_segment(
    stores: Stores,
    endpoint: str,
    stream: str,
    worker: str,
    records: Iterable[dict[str, Any]],
    number: int | None = None,
) -> None:
    """Write the records as one sealed segment of a worker: its next one, unless a number is given."""
    lines = b"".join(encode(record) for record in records)
    if lines:
        writer = SegmentWriter(stores.settings.spool, endpoint, stream, worker)
        folder = stores.settings.spool / endpoint / stream / worker
        last = max((int(path.stem) for path in folder.glob("*.jsonl")), default=0)
        writer._number = last if number is None else number - 1
        writer.append(lines, 0.0)
        writer.seal()
