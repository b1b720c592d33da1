"""Spool records as the gateway writes them, for tests that need many of them without a gateway."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from modelops_pipelines.core.ids import ENTROPY_BYTES, content_id, new_request_id
from modelops_pipelines.store.spool.segments import SegmentWriter, encode
from modelops_pipelines.store.state.deployments import ModelVersion
from modelops_pipelines.store.stores import Stores

SECRET = b"a secret of tests"
START = datetime(2026, 3, 1, 22, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
VERSION = ModelVersion("tumours", "1", "/nowhere", {"x": "float", "c": "text"}, ["0", "1"], None, None, START)


def micros(moment: datetime) -> int:
    return round((moment - EPOCH).total_seconds() * 1_000_000)


def request_record(endpoint: str, number: int, at: datetime, rows: int, **changes: Any) -> dict[str, Any]:
    """Return the record of an answered request; ``changes`` go over it."""
    request = new_request_id(endpoint, at, rows, number.to_bytes(ENTROPY_BYTES, "big"), SECRET)
    answered = {
        "id": request.text,
        "t": micros(at),
        "at": micros(at),
        "version": "1",
        "variant": "champion",
        "n": rows,
        "status": 200,
        "error": None,
        "ms": 1.5,
        "user": None,
        "session": None,
        "client": None,
        "source": "live",
        "f": {"x": [float(row) for row in range(rows)], "c": ["a"] * rows},
        "p": ["1"] * rows,
        "s": [0.9] * rows,
    }
    return answered | changes


def _identity(record: dict[str, Any], row: int) -> dict[str, Any]:
    ids = {"prediction_id": f"{record['id']}-{row}", "request_id": record["id"]}
    return {**ids, "row_index": row, "event_time": record["t"]}


def label_row(record: dict[str, Any], row: int, label: str | float, labelled_at: datetime) -> dict[str, Any]:
    number = content_id(f"{record['id']}-{row}", label, micros(labelled_at))
    said = {"label_id": number, "label": label, "labelled_at": micros(labelled_at), "received_at": micros(labelled_at)}
    return _identity(record, row) | said


def feedback_row(record: dict[str, Any], row: int, rating: int | None, thumbs: str | None) -> dict[str, Any]:
    number = content_id(f"{record['id']}-{row}", rating, thumbs, None, None, None, None)
    said = {"feedback_id": number, "rating": rating, "thumbs": thumbs, "comment": None, "corrected_label": None}
    return _identity(record, row) | said | {"user_id": None, "session_id": None, "received_at": record["t"]}


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
