"""Rows of a log of one day, in no order, as its compaction finds them."""

from datetime import UTC, date, datetime, timedelta

import pyarrow as pa

from modelops_pipelines.core.tables.lake import inference_log
from modelops_pipelines.store.lake.arrow_schemas import arrow_schema

DAY = date(2026, 3, 1)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LOG = inference_log("regression", {"x": "float", "city": "text"})
LATER = datetime(2100, 1, 1, tzinfo=UTC)  # the files are written by the real clock: by then all are quiet


def log_rows(number: int, count: int = 20) -> pa.Table:
    """Return rows of about the same time as those of other numbers, in no order."""
    rows = [
        {
            "prediction_id": f"{number}-{row}",
            "request_id": f"{number}",
            "row_index": row,
            "event_time": NOON + timedelta(seconds=(row * 7919 + number * 31) % 9000),
            "received_at": NOON,
            "status": 200,
            "x": float("nan") if row == 3 else row / 7,
            "city": None if row % 5 == 0 else f"town {row}",
            "date": DAY,
        }
        for row in range(count)
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema(LOG))
