"""The content hash: the same for the same values in any encoding, another for any other value, name or order."""

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.operations.improve.training.content import content_hash, csv_hash, is_content

MOMENT = datetime(2026, 3, 1, tzinfo=UTC)
ROWS = pa.table(
    {
        "row_id": ["a", "", None, "ä"],
        "event_time": pa.array([MOMENT, None, MOMENT, MOMENT], pa.timestamp("us", "UTC")),
        "x": [1.0, float("nan"), None, -0.5],
        "n": [1, 2, None, 4],
        "b": [True, None, False, True],
    }
)


def column(name: str, values: list[Any], kind: Any = None) -> pa.Table:
    return ROWS.set_column(ROWS.column_names.index(name), name, pa.array(values, kind))


@pytest.mark.parametrize(
    "same",
    [
        pa.concat_tables([ROWS.slice(0, 1), ROWS.slice(1)]),
        pa.concat_tables([ROWS, ROWS]).slice(4),
        ROWS.set_column(0, "row_id", ROWS.column("row_id").dictionary_encode()),
        ROWS.set_column(0, "row_id", ROWS.column("row_id").cast(pa.large_string())),
        column("n", [1, 2, None, 4], pa.int16()),
        column("x", [1.0, float("-nan"), None, -0.5], pa.float32()),
        ROWS.replace_schema_metadata({"made": "elsewhere"}),
    ],
    ids=["chunks", "a slice", "a dictionary", "large strings", "narrow numbers", "short floats", "metadata"],
)
def test_the_same_values_in_another_encoding_have_the_same_hash(same: pa.Table) -> None:
    assert content_hash(ROWS) == content_hash(same)


@pytest.mark.parametrize(
    "other",
    [
        ROWS.take([1, 0, 2, 3]),
        ROWS.slice(1),
        ROWS.rename_columns(["row_id", "event_time", "y", "n", "b"]),
        ROWS.select(["event_time", "row_id", "x", "n", "b"]),
        column("row_id", ["", "a", None, "ä"]),
        column("row_id", ["a", None, "", "ä"]),
        column("x", [1.0, None, float("nan"), -0.5]),
        column("x", [1.0, float("nan"), 0.0, -0.5]),
        column("n", [1, 2, 0, 4]),
        column("b", [True, False, None, True]),
    ],
    ids=range(10),
)
def test_other_values_have_another_hash(other: pa.Table) -> None:
    assert content_hash(ROWS) != content_hash(other)


def test_texts_are_told_apart_where_one_ends() -> None:
    assert content_hash(pa.table({"c": ["ab", "c"]})) != content_hash(pa.table({"c": ["a", "bc"]}))


def test_a_set_of_an_older_release_is_known_by_its_older_hash() -> None:
    assert is_content(ROWS, content_hash(ROWS))
    assert is_content(ROWS, csv_hash(ROWS))
    assert not is_content(ROWS, csv_hash(ROWS.slice(1)))


def test_where_the_nulls_are_is_never_taken_for_the_length_of_a_text() -> None:
    """Both columns have 64 rows, and the same bytes where the parts are written one after the other."""
    nulls = [None, *[""] * 62, "y" * 120]
    full = [(120).to_bytes(8, "little").decode() + "y" * 120, *[""] * 63]
    assert content_hash(pa.table({"c": nulls})) != content_hash(pa.table({"c": full}))


CELLS = st.one_of(st.none(), st.text(st.sampled_from("\0\x01ab"), max_size=3))


@given(st.lists(st.tuples(CELLS, CELLS), max_size=9), st.lists(st.tuples(CELLS, CELLS), max_size=9))
def test_two_tables_have_one_hash_only_if_they_are_equal(first: list[tuple[Any, Any]], second: list[Any]) -> None:
    kind = pa.schema([("a", pa.string()), ("b", pa.string())])
    tables = [pa.Table.from_pylist([{"a": a, "b": b} for a, b in rows], kind) for rows in (first, second)]
    assert (first == second) == (content_hash(tables[0]) == content_hash(tables[1]))


def test_names_of_columns_and_their_number_belong_to_the_content() -> None:
    hashes = {
        content_hash(one)
        for one in (
            pa.table({"a": ["x"], "b": ["y"]}),
            pa.table({"ab": ["x"], "": ["y"]}),
            pa.table({"a": ["x"]}),
            pa.table({"a": ["x"], "b": [None]}),
            pa.table({"a": pa.array([0], pa.int64())}),
            pa.table({"a": pa.array([0.0], pa.float64())}),
        )
    }
    assert 6 == len(hashes)


@pytest.mark.parametrize("unit", ["ns", "ms", "s"])
def test_a_set_older_than_the_rule_of_times_is_known_by_the_times_of_its_file(unit: str) -> None:
    stored = ROWS.append_column("at", ROWS.column("event_time"))
    named = stored.set_column(5, "at", stored.column("at").cast(pa.timestamp(unit)))
    assert is_content(stored, csv_hash(named))
