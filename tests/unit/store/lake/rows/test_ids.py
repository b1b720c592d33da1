"""Ids among others are found as Arrow finds them, whatever they look like and whatever numbers are made of them."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.store.lake.rows import ids
from modelops_pipelines.store.lake.rows.ids import all_differ, index_in

IDS = st.text(st.sampled_from("ab"), min_size=1, max_size=18)
ANYTHING = st.one_of(st.none(), st.text(st.sampled_from("a\0ä"), max_size=12))


def chunked(values: list[Any], size: int) -> pa.ChunkedArray:
    """Return texts in chunks, each a slice of a longer one."""
    parts = [values[start : start + size] for start in range(0, len(values), size)]
    return pa.chunked_array(
        [pa.array(["x", *part, "y"], pa.string()).slice(1, len(part)) for part in parts], pa.string()
    )


@given(st.lists(IDS, max_size=30), st.lists(IDS, max_size=30), st.integers(1, 9))
def test_ids_are_found_where_they_are_first(mine: list[str], others: list[str], size: int) -> None:
    given_ids, among = chunked(mine, size), chunked(others, size + 1)
    assert pc.index_in(given_ids, value_set=among).to_pylist() == index_in(given_ids, among).to_pylist()


@given(st.lists(ANYTHING, max_size=20), st.lists(ANYTHING, max_size=20), st.integers(1, 9))
def test_texts_that_are_no_ids_are_found_too(mine: list[Any], others: list[Any], size: int) -> None:
    given_ids, among = chunked(mine, size), chunked(others, size + 1)
    assert pc.index_in(given_ids, value_set=among).to_pylist() == index_in(given_ids, among).to_pylist()


@given(st.lists(IDS, max_size=8) | st.lists(ANYTHING, max_size=8), st.integers(1, 9))
def test_an_id_that_is_there_twice_is_noticed(mine: list[Any], size: int) -> None:
    assert all_differ(chunked(mine, size)) == (len({*mine}) == len(mine))


def test_ids_are_looked_up_as_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = []
    lookup = pc.index_in

    def noted(values: Any, value_set: Any) -> Any:
        kinds.append(values.type)
        return lookup(values, value_set=value_set)

    monkeypatch.setattr(pc, "index_in", noted)
    names = [f"{n:042}-{n % 11}" for n in range(500)]
    assert [3, 499, None] == index_in(chunked([names[3], names[499], "z" * 44], 2), chunked(names, 100)).to_pylist()
    assert [pa.uint64()] == kinds


def test_two_ids_with_the_same_number_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "_mixed", lambda texts: np.ones(len(texts), np.uint64))
    among = chunked(["a", "b", "c", "b"], 3)
    assert [1, None, 0, 2] == index_in(chunked(["b", "x", "a", "c"], 2), among).to_pylist()
    assert all_differ(chunked(["b", "x", "a", "c"], 2))
