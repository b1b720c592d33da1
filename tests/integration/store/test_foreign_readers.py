"""Who reads the lake without us, by Delta's own protocol or file by file, finds what our queries find."""

from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from modelops_pipelines.core.maintenance.compaction import MOST_SMALL
from modelops_pipelines.core.tables import lake as tables
from modelops_pipelines.core.tables.columns import Table
from modelops_pipelines.store.lake.maintenance.compactor import LakeCompactor
from modelops_pipelines.store.lake.reader import Lake
from modelops_pipelines.store.lake.writer import LakeWriter
from tests.fakes.compacted_tables import DAY, LATER, LOG, log_rows
from tests.worlds.erasing import make_world

OLDEST_READER = 1
"""Without table features: every reader of Delta tables knows it."""


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Return a lake of captured, derived and rejected rows."""
    project, _ = make_world(tmp_path_factory.mktemp("world"))
    return project.stores.lake


def test_every_table_can_be_read_by_the_oldest_readers(lake: Lake) -> None:
    found = {log.parent.name: DeltaTable(log.parent).protocol() for log in lake.folder.glob("*/*/_delta_log")}
    assert {"inference_log", "labels", "feedback", "rejects", "service_metrics", "quality_metrics"} <= found.keys()
    assert {OLDEST_READER} == {one.min_reader_version for one in found.values()}
    assert dict.fromkeys(found) == {name: one.reader_features for name, one in found.items()}


@pytest.mark.parametrize("name", ["labels", "feedback", "service_metrics", "quality_metrics"])
def test_others_find_the_rows_that_our_queries_find(lake: Lake, name: str) -> None:
    _assert_same(lake, "cancer", next(one for one in vars(tables).values() if getattr(one, "name", "") == name))


def test_so_do_they_after_a_compaction(tmp_path: Path) -> None:
    lake = LakeWriter(tmp_path / "lake")
    for number in range(MOST_SMALL):
        lake.append_once("e", LOG, log_rows(number), "worker", number + 1)
    LakeCompactor(tmp_path / "lake").compact("e", LOG.name, DAY, LATER)
    _assert_same(lake, "e", LOG)
    assert MOST_SMALL * 20 == len(DeltaTable(lake.path("e", LOG.name)).to_pandas())


def _assert_same(lake: Lake, endpoint: str, table: Table) -> None:
    """Assert that Arrow, pandas and DuckDB read the table's rows, values and moments in UTC, as our query does."""
    delta = DeltaTable(lake.path(endpoint, table.name))
    with lake.query(endpoint, [table]) as connected:
        ours = connected.execute(f"SELECT * FROM {table.name}").to_arrow_table()
    names = [name for name in ours.column_names if name in delta.to_pyarrow_table().column_names]
    assert {column.name for column in table.columns} == set(names)
    with duckdb.connect() as plain:
        plain.execute("SET TimeZone = 'America/St_Johns'")
        by_file = plain.execute("SELECT * FROM read_parquet(?, union_by_name => true)", [delta.file_uris()])
        read = {
            "Arrow": delta.to_pyarrow_table(),
            "pandas": pa.table(delta.to_pandas()),
            "files": by_file.to_arrow_table(),
        }
    expected = _rows(ours, names)
    assert expected
    assert dict.fromkeys(read, expected) == {reader: _rows(found, names) for reader, found in read.items()}


def _rows(found: pa.Table, names: list[str]) -> list[str]:
    """Return each row as text, in order; a moment is in UTC, and a missing value is None in whatever form it comes."""
    frame = found.select(names).to_pandas()
    for name in names:
        if isinstance(frame[name].dtype, pd.DatetimeTZDtype):
            frame[name] = frame[name].dt.tz_convert("UTC").dt.as_unit("us")
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return sorted(str({name: str(value) for name, value in row.items()}) for row in rows)
