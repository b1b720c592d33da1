"""What a caller has is what the gateway reads: the client's bodies go through the gateway's own parser."""

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from modelops_pipelines.client.rows.bodies import prediction_body
from modelops_pipelines.core.errors import InputError
from modelops_pipelines.core.ids import MAX_ROWS
from modelops_pipelines.core.models.typed_columns import typed_columns
from modelops_pipelines.gateway.bodies.mlflow_json import read_json

KINDS = {"number": "float", "whole": "int", "flag": "bool", "word": "text", "moment": "timestamp"}
NAMES = list(KINDS)
ZONES = st.one_of(st.just(UTC), st.just(ZoneInfo("Europe/Berlin")), st.just(timezone(timedelta(hours=-3, minutes=-30))))
MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=ZONES)  # noqa: DTZ001 - Hypothesis adds zones
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "number": st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
            "whole": st.integers(-(2**63), 2**63 - 1),
            "flag": st.booleans(),
            "word": st.one_of(st.none(), TEXTS),
            "moment": MOMENTS,
        }
    ),
    min_size=1,
    max_size=5,
)


def read(rows: Any, names: list[str] | None = None, kinds: dict[str, str] = KINDS) -> dict[str, list[Any]]:
    """Return what the gateway reads of what the client sends."""
    columns, _, _ = read_json(prediction_body(rows, names, None), list(kinds))
    return typed_columns(columns, kinds)


def columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in NAMES}


def same(expected: dict[str, list[Any]], read: dict[str, list[Any]]) -> bool:
    """Whether both are equal, to the sign of zero; times are equal as moments."""
    signs = [[math.copysign(1, value) for value in one["number"] if value is not None] for one in (expected, read)]
    return in_utc(expected) == in_utc(read) and signs[0] == signs[1]


def in_utc(rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Return them with times in UTC: by Python an hour that a zone has twice is equal to no other zone's (PEP 495)."""
    return rows | {"moment": [None if moment is None else moment.astimezone(UTC) for moment in rows["moment"]]}


@settings(max_examples=40)
@given(rows=ROWS)
def test_rows_in_every_form_are_read_as_they_are(rows: list[dict[str, Any]]) -> None:
    expected = columns(rows)
    assert same(expected, read(rows))
    assert same(expected, read(expected))
    frame = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in expected.items()})
    assert same(expected, read(frame))
    structured = np.array(
        [tuple(row[name] for name in NAMES) for row in rows], dtype=[(name, object) for name in NAMES]
    )
    assert same(expected, read(structured))
    assert same(expected, read(np.array([[row[name] for name in NAMES] for row in rows], dtype=object), NAMES))


TWICE = datetime(1942, 11, 2, 2, tzinfo=ZoneInfo("Europe/Berlin"))
"""The beginning of an hour that the clocks there had twice."""


@settings(max_examples=40)
@example(rows=[{"number": None, "whole": 0, "flag": False, "word": None, "moment": TWICE}])
@given(rows=ROWS)
def test_the_types_of_pandas_and_numpy_are_read_as_their_values(rows: list[dict[str, Any]]) -> None:
    expected = columns(rows)
    frame = pd.DataFrame(
        {
            "number": pd.array(expected["number"], dtype="Float64"),
            "whole": np.array(expected["whole"], dtype=np.int64),
            "flag": np.array(expected["flag"], dtype=bool),
            "word": pd.array(expected["word"], dtype="string"),
            "moment": pd.to_datetime(pd.Series(expected["moment"]), utc=True),
        }
    )
    assert same(expected, read(frame))
    scalars = [{name: _scalar(value) for name, value in row.items()} for row in rows]
    assert same(expected, read(scalars))


@given(
    value=st.floats(width=32, allow_nan=False, allow_infinity=False),
    small=st.floats(width=16, allow_nan=False, allow_infinity=False),
)
def test_narrow_floats_keep_their_value(value: float, small: float) -> None:
    assert {"x": [value, small]} == read([{"x": np.float32(value)}, {"x": np.float16(small)}], kinds={"x": "float"})


@pytest.mark.parametrize("missing", [None, math.nan, np.nan, np.float32("nan"), pd.NA, pd.NaT, np.datetime64("NaT")])
def test_what_is_missing_is_null(missing: Any) -> None:
    assert {"word": [None]} == read([{"word": missing}], kinds={"word": "text"})
    assert {"word": [None, "b"]} == read({"word": [missing, "b"]}, kinds={"word": "text"})


def test_times_without_a_zone_are_utc_as_everywhere() -> None:
    naive, aware = datetime(2026, 3, 1, 12), datetime(2026, 3, 1, 12, tzinfo=UTC)  # noqa: DTZ001 - that is the question
    given_as = [naive, np.datetime64("2026-03-01T12:00"), np.datetime64("2026-03-01T12", "ns"), pd.Timestamp(naive)]
    kinds = {"moment": "timestamp"}
    assert {"moment": [aware] * 4} == read([{"moment": one} for one in given_as], kinds=kinds)
    assert {"moment": [aware]} == read(pd.DataFrame({"moment": [naive]}), kinds=kinds)
    assert {"moment": [aware, None]} == read(
        {"moment": np.array(["2026-03-01T12", "NaT"], "datetime64[ns]")}, kinds=kinds
    )


REFUSED = {
    "infinity": (math.inf, "infinite"),
    "infinity of NumPy": (np.float32("-inf"), "infinite"),
    "a longer integer": (2**64, "more than 64 bits"),
    "a lone surrogate": ("\ud800", "half a character"),
    "bytes": (b"x", "a bytes"),
    "a set": ({1}, "a set"),
    "a complex number": (np.complex128(1j), "JSON does not have"),
    "nanoseconds": (pd.Timestamp("2026-03-01T12:00:00.000000001"), "nanoseconds"),
    "nanoseconds of NumPy": (np.datetime64("2026-03-01T12:00:00.000000001"), "nanoseconds"),
    "a duration": (pd.Timedelta(1, "s"), "a Timedelta"),
    "a duration of NumPy": (np.timedelta64(1, "s"), "JSON does not have"),
    "a year beyond Python's": (np.datetime64("20000-01-01"), "JSON does not have"),
    "a key that is no text": ({1: 2}, "no text"),
    "an object": (object(), "a object"),
    "no end": (None, "nested"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_json_does_not_have_is_refused_before_it_is_sent(case: str) -> None:
    value, why = REFUSED[case]
    if case == "no end":
        value = []
        value.append(value)
    with pytest.raises(InputError, match=why) as error:
        prediction_body([{"x": 1.0}, {"x": value}], None, None)
    assert "Row 1.x" in error.value.message
    with pytest.raises(InputError, match=why):
        prediction_body([{"x": 1.0}], None, {"p": value})


SHAPES = {
    "text": "abc",
    "a generator": iter([{"x": 1}]),
    "rows that are no dicts": [[1, 2]],
    "columns of two lengths": {"x": [1, 2], "y": [1]},
    "a column and a value": {"x": [1, 2], "y": 1},
    "an array without names": np.zeros((2, 2)),
    "an array of one dimension": np.zeros(2),
    "a frame whose columns are numbers": pd.DataFrame([[1, 2]]),
    "no rows": [],
    "an empty column": {"x": []},
    "too many rows": np.zeros((MAX_ROWS + 1, 1)),
}


@pytest.mark.parametrize("case", SHAPES)
def test_what_is_no_rows_is_refused_with_the_remedy(case: str) -> None:
    with pytest.raises(InputError) as error:
        prediction_body(SHAPES[case], ["x"] if case == "too many rows" else None, None)
    assert error.value.remedy


def test_lists_arrays_and_objects_stay_what_they_are() -> None:
    body = prediction_body([{"x": [1, np.float64(2)], "y": np.eye(2), "z": {"a": pd.NA}}], None, {"p": np.int8(3)})
    assert b'{"dataframe_records":[{"x":[1,2.0],"y":[[1.0,0.0],[0.0,1.0]],"z":{"a":null}}],"params":{"p":3}}' == body


def _scalar(value: Any) -> Any:
    if isinstance(value, bool):
        return np.bool_(value)
    if isinstance(value, int):
        return np.int64(value)
    if isinstance(value, float):
        return np.float64(value)
    return pd.Timestamp(value) if isinstance(value, datetime) else value
