"""What a record of the spool says, as columns of the table that it is ingested into. Plain values: no Arrow here."""

from datetime import UTC, datetime, timedelta
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def prediction_columns(record: dict[str, Any]) -> dict[str, list[Any]]:
    """Return the columns of a request's rows, features among them; raises LookupError or TypeError for no record."""
    rows = record["n"]
    same = {
        "request_id": record["id"],
        "event_time": moment_of(record["t"]),
        "received_at": moment_of(record["at"]),
        "model_version": record["version"],
        "variant": record["variant"],
        "latency_ms": record["ms"],
        "status": record["status"],
        "error_code": record["error"],
        "user_id": record["user"],
        "session_id": record["session"],
        "client_request_id": record["client"],
        "source": record["source"],
        "key_id": record.get("key"),  # a segment of release 0.1 has none of these four
        "sampled": record.get("sampled", True),
        "truncated": record.get("truncated", False),
        "payload_hash": record.get("payload_hash"),
    }
    spread = {name: [value] * rows for name, value in same.items()}
    own = {
        "prediction_id": [f"{record['id']}-{row}" for row in range(rows)],
        "row_index": list(range(rows)),
        "prediction": record["p"] or [None] * rows,
        "score": record["s"] or [None] * rows,
    }
    return {**record["f"], **spread, **own}


def response_columns(record: dict[str, Any]) -> dict[str, list[Any]]:
    """Return the columns of a record of labels or feedback; raises LookupError or TypeError for no record."""
    rows = record["rows"]
    names = rows[0].keys()
    columns = {name: [row[name] for row in rows] for name in names}
    for name in ("event_time", "labelled_at", "received_at"):
        if name in columns:
            columns[name] = [moment_of(value) for value in columns[name]]
    return columns


def moment_of(micros: int) -> datetime:
    """Return a moment that the spool keeps as UTC microseconds."""
    return _EPOCH + timedelta(microseconds=micros)
