"""The log of a busy endpoint: a month of hourly commits, and the newest day in one small file per few seconds.

Written by the product's writer, which opens the table at every commit; that costs more with every file. Here the table
stays open for some commits; the commits are the same.
"""

import argparse
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from deltalake import DeltaTable

from modelops_pipelines.core.capture.spool_records import PREDICTION_FIELDS, PredictionRecord, prediction_record
from modelops_pipelines.core.tables.columns import ColumnType
from modelops_pipelines.core.tables.lake import inference_log
from modelops_pipelines.core.timestamps import to_micros
from modelops_pipelines.store.lake.arrow_schemas import arrow_schema
from modelops_pipelines.store.lake.maintenance.compactor import LakeCompactor
from modelops_pipelines.store.lake.writer import LakeWriter
from modelops_pipelines.store.spool.segments import SegmentWriter, encode

ENDPOINT, STREAM, WORKER = "cancer", "predictions", "host-0-benchmark"
DAYS = 30
SHARED = [
    field.column.name
    for field in PREDICTION_FIELDS.values()
    if field.per == "request" and field.column.name != "truncated"
]
"""Fields that a record holds once for all its rows; ``truncated`` follows from the payload's hash."""
FEATURES: dict[str, ColumnType] = {**{f"x{number}": "float" for number in range(8)}, "city": "text", "plan": "text"}
TABLE = inference_log("binary_classification", FEATURES)
USERS = 50_000
KEPT_OPEN = 50
_ALPHABET = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz234567", dtype=np.uint8)
_BITS = np.array([16, 8, 4, 2, 1], dtype=np.uint8)


class _Writer(LakeWriter):
    """The product's writer, with the table kept open for some commits."""

    _delta: DeltaTable | None = None
    _calls = 0

    def table(self, endpoint: str, table: str) -> DeltaTable | None:
        self._calls += 1
        if self._delta is None or self._calls % KEPT_OPEN == 0:
            self._delta = super().table(endpoint, table)
        return self._delta


def write_log(lake: Path, rows: int, small_files: int, now: datetime) -> int:
    """Write the log, oldest first; the last 24 hours in ``small_files`` files. Return the number of commits."""
    writer = _Writer(lake)
    start, day = now - timedelta(days=DAYS), now - timedelta(days=1)
    old = _spans(start, day, (DAYS - 1) * 24)
    spans = [*old, *_spans(day, now, small_files)]
    for number, (begin, end) in enumerate(spans, 1):
        share = (end - begin) / timedelta(days=DAYS)
        writer.append_once(ENDPOINT, TABLE, log_rows(begin, end, round(rows * share), number), WORKER, number)
    return len(spans)


def write_spool(spool: Path, rows: int, now: datetime) -> None:
    """Write a backlog as between two ingests: three sealed segments, and an open one whose process has died."""
    for number in range(4):
        writer = SegmentWriter(spool, ENDPOINT, STREAM, f"host-{number}-waiting")
        begin = now - timedelta(seconds=40 - 10 * number)
        table = log_rows(begin, begin + timedelta(seconds=10), rows, 1_000_000 + number)
        writer.append(b"".join(encode(_record(row)) for row in table.to_pylist()), 0.0)
        if number < 3:
            writer.seal()


def compact(lake: Path, now: datetime) -> int:
    """Compact all that is due, as maintenance does; return the number of files that are left."""
    compactor = LakeCompactor(lake)
    while due := compactor.due(ENDPOINT, TABLE.name, now):
        for one in due:
            compactor.compact(ENDPOINT, TABLE.name, one.day, now)
    return len(compactor.files(ENDPOINT, TABLE.name))


def log_rows(begin: datetime, end: datetime, count: int, seed: int) -> pa.Table:
    """Draw rows of a time span, in order."""
    draw = np.random.default_rng(seed)
    times = np.sort(draw.integers(to_micros(begin), to_micros(end), count))
    moments = pa.array(times, pa.timestamp("us", "UTC"))
    ids = _request_ids(times, draw)
    status = draw.choice([200, 422, 500], count, p=[0.97, 0.02, 0.01])
    values: dict[str, Any] = {
        "prediction_id": pa.array([f"{one}-0" for one in ids]),
        "request_id": pa.array(ids),
        "row_index": np.zeros(count, np.int64),
        "event_time": moments,
        "received_at": moments,
        "model_version": _words(["3"], draw, count),
        "variant": _words(["champion"], draw, count),
        "prediction": _words(["0", "1"], draw, count),
        "score": draw.random(count),
        "latency_ms": draw.gamma(2.0, 2.0, count),
        "status": status,
        "error_code": pa.array(np.where(status == 200, "", "input"), mask=status == 200),
        "user_id": pa.array([f"user-{number}" for number in draw.integers(0, USERS, count)]),
        "source": _words(["live"], draw, count),
        "key_id": _words(["abcdefghij"], draw, count),
        "sampled": np.ones(count, np.bool_),
        "truncated": np.zeros(count, np.bool_),
        "worker": _words([WORKER], draw, count),
        "segment": np.full(count, seed),
        "date": moments.cast(pa.date32()),
        **{name: draw.normal(size=count) for name, kind in FEATURES.items() if kind == "float"},
        **{name: _words(["Oslo", "Rome", "Paris", "Lima"], draw, count) for name in ("city", "plan")},
    }
    schema = arrow_schema(TABLE)
    columns = [pa.array(values[f.name]).cast(f.type) if f.name in values else pa.nulls(count, f.type) for f in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def _words(words: list[str], draw: np.random.Generator, count: int) -> pa.Array:
    codes = pa.array(draw.integers(0, len(words), count, dtype=np.int32))
    return pa.DictionaryArray.from_arrays(codes, pa.array(words)).dictionary_decode()


def _request_ids(times: npt.NDArray[np.int64], draw: np.random.Generator) -> list[str]:
    """Return request ids with these times, in the gateway's format, without valid signatures."""
    body = np.zeros((len(times), 25), dtype=np.uint8)
    body[:, :8] = times.astype(">i8").view(np.uint8).reshape(-1, 8)
    body[:, 9] = 1
    body[:, 10:] = draw.integers(0, 256, (len(times), 15), dtype=np.uint8)
    fives = np.unpackbits(body, axis=1).reshape(len(times), 40, 5) @ _BITS
    return [one.decode() for one in np.ascontiguousarray(_ALPHABET[fives]).view("S40").ravel().tolist()]


def _record(row: dict[str, Any]) -> PredictionRecord:
    """Return a row as the gateway captures it."""
    return prediction_record(
        **{name: row[name] for name in SHARED},
        rows=1,
        prediction=[row["prediction"]],
        score=[row["score"]],
        features={name: [row[name]] for name in FEATURES},
    )


def _spans(start: datetime, end: datetime, parts: int) -> list[tuple[datetime, datetime]]:
    edges = [start + (end - start) * part / parts for part in range(parts + 1)]
    return list(pairwise(edges))


def arguments() -> argparse.ArgumentParser:
    """Return the options for the size of the log."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=20_000_000, help="rows in total, over 30 days (default 20 million)")
    parser.add_argument(
        "--small-files", type=int, default=8640, help="files of the last 24 hours (default one per 10 s)"
    )
    return parser
