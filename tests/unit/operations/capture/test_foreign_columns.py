"""A whole column is read as its values one by one are, in every type, and a bad value harms no other."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.capture.elsewhere.foreign_ids import foreign_request_id, foreign_request_ids
from modelops_pipelines.core.capture.elsewhere.values import RefusedValueError
from modelops_pipelines.core.ids import parse_prediction_id
from modelops_pipelines.core.timestamps import to_micros
from modelops_pipelines.operations.capture.elsewhere.typed_columns import (
    guess_kind,
    read_column,
    read_distinct,
    read_values,
)

TIMES = st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1))  # noqa: DTZ001 - naive times are among them
TEXTS = st.one_of(
    st.text(max_size=12),
    st.floats().map(str),
    st.integers().map(str),
    TIMES.map(str),
    TIMES.map(datetime.isoformat),
    TIMES.map(lambda one: one.replace(tzinfo=timezone(timedelta(hours=5, minutes=30))).isoformat()),
    st.sampled_from(["1_0", " 1", "0x1F", "inf", "nan", "1e400", "true", "2026-02-30", "2026-01-01T24:00", "1,5", ""]),
)
COLUMNS = st.one_of(
    st.lists(st.none() | TEXTS, min_size=1).map(lambda values: pa.array(values, pa.string())),
    st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=1).map(lambda values: pa.array(values, pa.int64())),
    st.lists(st.none() | st.floats(), min_size=1).map(lambda values: pa.array(values, pa.float64())),
    st.lists(st.none() | st.booleans(), min_size=1).map(lambda values: pa.array(values, pa.bool_())),
    st.lists(st.none() | TIMES, min_size=1).map(lambda values: pa.array(values, pa.timestamp("us"))),
    st.lists(st.none() | st.binary(max_size=6), min_size=1).map(lambda values: pa.array(values, pa.binary())),
    st.lists(st.none() | st.dates(date(1971, 1, 1), date(2100, 1, 1)), min_size=1).map(
        lambda v: pa.array(v, pa.date32())
    ),
)
UNITS = st.sampled_from(["iso", "s", "ms", "us"])


@given(column=COLUMNS, kind=st.sampled_from(["text", "int", "float", "bool", "timestamp"]), unit=UNITS)
def test_a_column_is_read_as_each_of_its_values_alone(column: pa.Array, kind: str, unit: str) -> None:
    whole, faults = read_column(column, kind, unit=unit)
    alone = [read_column(column.slice(place, 1).to_pylist(), kind, unit=unit) for place in range(len(column))]
    assert [one[0].to_pylist()[0] for one in alone] == whole.to_pylist()
    assert {place for place, one in enumerate(alone) if one[1]} == set(faults)


@given(column=COLUMNS | st.lists(st.none() | st.booleans() | st.integers(0, 2) | st.lists(st.just(1), max_size=1)))
def test_a_column_whose_distinct_values_are_read_once_is_read_as_each_of_its_values_alone(column: Any) -> None:
    def reader(value: Any) -> str:
        if str(value)[-1:] in ("1", "e"):
            raise RefusedValueError("ends badly")
        return repr(value)

    whole, faults = read_distinct(column, reader, pa.string())
    alone = [read_values(column[place : place + 1], reader, pa.string()) for place in range(len(column))]
    assert [values.to_pylist()[0] for values, _ in alone] == whole.to_pylist()
    assert {place: wrong[0] for place, (_, wrong) in enumerate(alone) if wrong} == faults


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (pa.array([b"1", b"2.5", None], pa.binary()), "float"),
        (pa.array([b"1", b"x"], pa.binary()), "text"),
        (pa.array([b"1"] * 199 + [b"=cmd()"], pa.binary()), "float"),
        (pa.array(["1"], pa.string()), "text"),
        (pa.array([1], pa.int32()), "float"),
        (pa.array([Decimal("1.5")]), "float"),
        (pa.array([date(2026, 1, 1)]), "timestamp"),
        (pa.array([None, None], pa.binary()), None),
        ([None, 3], "float"),
        ([True], "bool"),
        ([[1], "a"], "text"),
        ([[1]], None),
    ],
)
def test_the_type_of_a_feature_is_that_of_its_values(column: Any, kind: str | None) -> None:
    assert kind == guess_kind(column)


def test_a_bad_value_is_refused_alone() -> None:
    values, faults = read_column(pa.array([b"1.5", b"\xff", b"x", None], pa.binary()), "float")
    assert ([1.5, None, None, None], {1: "is not UTF-8 text", 2: "is not a number"}) == (values.to_pylist(), faults)
    _, faults = read_column([2**53 + 1, 2**53], "float")
    assert [0] == list(faults)


@given(st.text(min_size=1, max_size=50), TIMES, st.integers(0, 100), st.binary(min_size=16, max_size=32))
def test_an_id_follows_from_endpoint_foreign_id_and_time(foreign: str, at: datetime, rows: int, secret: bytes) -> None:
    moment = at.replace(tzinfo=UTC)
    made = foreign_request_id("fraud", foreign, moment, rows, secret)
    several = foreign_request_ids(
        "fraud", [foreign.encode("utf-8", "surrogatepass")], [to_micros(moment)], [rows], secret
    )
    assert made.text.encode() == several
    assert made.text != foreign_request_id("fraud", foreign + "x", moment, rows, secret).text
    if rows:
        assert (made, rows - 1) == parse_prediction_id(made.prediction_id(rows - 1), "fraud", secret)
