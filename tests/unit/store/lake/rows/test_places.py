"""Rows by their places: the same rows with and without a copy, and in one order however they come."""

import random
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from modelops_pipelines.store.lake.rows import places
from modelops_pipelines.store.lake.rows.places import in_order_of_time, taken

START = datetime(2026, 3, 1, tzinfo=UTC)
ROWS = pa.concat_tables(
    [pa.table({"x": list(range(first, first + 7)), "c": [f"word {n}" for n in range(7)]}) for first in (0, 7, 14)]
)


@pytest.mark.parametrize("run_rows", [1, 256])
@pytest.mark.parametrize("block", [2, 1 << 20])
@pytest.mark.parametrize(
    "wanted",
    [[], [3], [0, 1, 2], list(range(21)), [5, 6, 7, 8, 1, 2, 3], [20, 0], [4, 4, 5], list(reversed(range(21)))],
    ids=str,
)
def test_rows_at_places_are_the_same_with_and_without_a_copy(
    monkeypatch: pytest.MonkeyPatch, run_rows: int, block: int, wanted: list[int]
) -> None:
    monkeypatch.setattr(places, "RUN_ROWS", run_rows)
    monkeypatch.setattr(places, "BLOCK_ROWS", block)
    assert ROWS.take(pa.array(wanted, pa.int64())).equals(taken(ROWS, np.array(wanted, np.int64)))


def test_many_rows_in_their_order_are_not_copied() -> None:
    column = pa.table({"x": np.arange(10_000)})
    found = taken(column, np.concatenate([np.arange(5_000, 10_000), np.arange(5_000)]))
    [first, second] = [chunk.buffers()[1].address for chunk in found.column("x").chunks]
    assert first == second == column.column("x").chunk(0).buffers()[1].address


def test_a_negative_place_is_a_row_of_nulls() -> None:
    found = taken(ROWS, np.array([2, -1, 3], np.int64))
    assert [2, None, 3] == found.column("x").to_pylist()
    assert [None, None] == taken(ROWS, np.array([-1, -1], np.int64)).column("c").to_pylist()


@pytest.mark.parametrize("seed", range(60))
def test_places_are_in_order_of_time_and_then_of_the_id(seed: int) -> None:
    chance, count = random.Random(seed), seed % 12
    hours = [chance.randrange(1 + seed % 5) if chance.random() < 0.9 else None for _ in range(count)]
    times = [None if hour is None else START + timedelta(hours=hour) for hour in hours]
    ids = [f"p-{number}" for number in chance.sample(range(20), count)]
    mine = chance.sample(range(count), chance.randrange(count + 1))
    columns = (pa.chunked_array([pa.array(times, pa.timestamp("us", "UTC"))]), pa.chunked_array([pa.array(ids)]))
    if not count:
        columns = (columns[0], pa.chunked_array([pa.array(ids, pa.string())]))
    last = START + timedelta(days=1)
    expected = sorted(mine, key=lambda place: (times[place] or last, ids[place]))
    assert expected == in_order_of_time(*columns, np.array(mine, np.int64)).tolist()
