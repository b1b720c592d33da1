"""Which rows of the log count: the same rows as SQL has it, nulls and all."""

from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelops_pipelines.core.tables.columns import Table
from modelops_pipelines.core.tables.lake import INFERENCE_LOG, inference_log
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.lake.parquet_scan import scan_batches
from modelops_pipelines.store.lake.rows.log_filters import answered, by_version, with_features

START = datetime(2026, 3, 1, 22, tzinfo=UTC)
LOG: Table = inference_log("binary_classification", {})
FLAGS = [None, True, False]
ASKED = ["prediction_id", "event_time", "model_version", "status", "source", "sampled", "truncated"]
CASES = list(product([200, 500, None], ["live", "test", None], FLAGS, FLAGS, ["1", "2", None]))


@pytest.fixture
def file(tmp_path: Path) -> str:
    """Return a file with a row of every kind."""
    names = ("status", "source", "sampled", "truncated", "model_version")
    rows = [
        dict(zip(names, case, strict=True))
        | {"prediction_id": f"{n}", "event_time": START + timedelta(minutes=n)}
        | {"user_id": None, "session_id": None, "request_id": f"{n}"}
        for n, case in enumerate(CASES)
    ]
    kinds = {"event_time": pa.timestamp("us", "UTC"), "status": pa.int64()}
    kinds |= dict.fromkeys(("sampled", "truncated"), pa.bool_())
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in rows[0]])
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), tmp_path / "log.parquet")
    return str(tmp_path / "log.parquet")


@pytest.mark.parametrize("size", [5, 1000])
@pytest.mark.parametrize("version", ["1", "2"])
def test_the_rows_that_count_are_those_of_the_queries(file: str, size: int, version: str) -> None:
    with duckdb.connect() as connected:
        connected.execute("SET TimeZone = 'UTC'")
        connected.read_parquet(file).create_view("inference_log")
        query = sql.answered_until(INFERENCE_LOG, ["prediction_id"])
        asked = {"version": version, "start": START, "window": START, "end": START + timedelta(days=9), "most": 0}
        expected = connected.execute(query, asked).fetchall()
    assert len(expected) == len(FLAGS) ** 2
    found = []
    for batch in scan_batches([file], LOG, ASKED, size):
        for name, rows in by_version(answered(batch)):
            kept = set(with_features(rows).column("prediction_id").to_pylist())
            found += [(one, one in kept) for one in rows.column("prediction_id").to_pylist() if name == version]
    assert [(name, sampled) for _, sampled, _, name in expected] == found
