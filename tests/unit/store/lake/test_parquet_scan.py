"""Parquet files read straight: batches of the size asked for, strings as dictionaries, and files kept in memory."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelops_pipelines.core.tables.columns import Table
from modelops_pipelines.core.tables.lake import inference_log
from modelops_pipelines.store.lake.parquet_scan import FileCache, read_files, scan_batches

LOG: Table = inference_log("binary_classification", {"x.y": "float", "c": "text"})
NAMES = ["c", "x.y", "status"]


def written(folder: Path, name: str, rows: dict[str, list[Any]]) -> str:
    path = folder / f"{name}.parquet"
    pq.write_table(pa.table(rows), path)
    return str(path)


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Return a file of many rows, and some of few that lack columns."""
    many = {"c": [None if n % 7 == 0 else f"word {n % 5}" for n in range(1000)], "x.y": [n / 2 for n in range(1000)]}
    few = [written(tmp_path, f"few {n}", {"c": [f"few {n}"], "x": [1.0]}) for n in range(3)]
    return [few[0], written(tmp_path, "many", many | {"status": [200] * 1000}), *few[1:]]


def rows_of(batches: Any) -> list[dict[str, Any]]:
    return [row for batch in batches for row in batch.to_pylist()]


@pytest.mark.parametrize("size", [1, 64, 5000])
def test_all_rows_come_in_order_in_batches_of_the_size_asked_for(files: list[str], size: int) -> None:
    batches = list(scan_batches(files, LOG, NAMES, size))
    assert all(size <= 2 * len(batch) <= 3 * size for batch in batches[:-1])
    assert {pa.dictionary(pa.int32(), pa.string())} == {batch.schema.field("c").type for batch in batches}
    nothing = {"x.y": None, "status": None}
    many = [{"c": None if n % 7 == 0 else f"word {n % 5}", "x.y": n / 2, "status": 200} for n in range(1000)]
    expected = [{"c": "few 0"} | nothing, *many, {"c": "few 1"} | nothing, {"c": "few 2"} | nothing]
    assert expected == rows_of(batches)
    assert expected == read_files(files, LOG, NAMES).to_pylist()


def test_no_file_is_no_row_and_a_name_that_is_not_declared_is_refused(files: list[str]) -> None:
    assert [] == list(scan_batches([], LOG, NAMES, 10))
    assert (0, NAMES) == (len(read_files([], LOG, NAMES)), read_files([], LOG, NAMES).column_names)
    with pytest.raises(KeyError):
        read_files(files, LOG, ["unheard_of"])


def test_a_file_that_was_read_is_not_read_again_until_others_take_its_place(tmp_path: Path) -> None:
    wanted = pa.schema([pa.field("x", pa.float64())])
    paths = [written(tmp_path, f"{n}", {"x": [float(n)] * 100}) for n in range(3)]
    kept = FileCache(most=1700)
    for path in (paths[0], paths[1], paths[0], paths[2]):
        kept.read(path, wanted)
    for path in paths:
        Path(path).unlink()
    assert [[0.0] * 100, [2.0] * 100] == [kept.read(paths[n], wanted).column("x").to_pylist() for n in (0, 2)]
    with pytest.raises(FileNotFoundError):
        kept.read(paths[1], wanted)
    kept.clear()
    with pytest.raises(FileNotFoundError):
        kept.read(paths[0], wanted)


def test_a_file_kept_with_some_columns_is_read_again_for_others(tmp_path: Path) -> None:
    kept = FileCache(most=1 << 20)
    path = written(tmp_path, "both", {"x": [1.0], "y": [2.0]})
    assert [{"x": 1.0}] == kept.read(path, pa.schema([pa.field("x", pa.float64())])).to_pylist()
    assert [{"y": 2.0}] == kept.read(path, pa.schema([pa.field("y", pa.float64())])).to_pylist()
