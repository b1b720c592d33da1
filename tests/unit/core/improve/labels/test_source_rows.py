"""A row of a label source is a label, no label yet, or refused with a reason that has no value in it."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.endpoints.improvement import LabelSource
from modelops_pipelines.core.improve.labels.source_rows import RowError, SourceRow, needed_columns, read_row

NAN = float("nan")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BY_ID = LabelSource("a", "files", path="x", prediction_id="id", labelled_at="at")
BY_CALL = LabelSource("a", "files", path="x", request_id="call", row="n")
BY_ENTITY = LabelSource("a", "files", path="x", entity=("flight", "seat"), time="at", cursor="changed")


def test_a_row_is_read_by_the_key_of_its_source() -> None:
    row = {"label": "1", "id": " p-0 ", "at": "2026-03-01T11:00:00+01:00"}
    assert SourceRow("1", NOW - timedelta(hours=2), prediction_id="p-0") == read_row(BY_ID, row, NOW)
    assert SourceRow(0, None, request=("7", 2)) == read_row(BY_CALL, {"label": 0, "call": 7, "n": "2"}, NOW)
    row = {"label": 1.5, "flight": "AA 1", "seat": 12, "at": date(2026, 2, 28)}
    day = datetime(2026, 2, 28, tzinfo=UTC)
    assert SourceRow(1.5, None, entity={"flight": "AA 1", "seat": 12}, time=day) == read_row(BY_ENTITY, row, NOW)
    assert ["label", "flight", "seat", "at", "changed"] == needed_columns(BY_ENTITY)


@pytest.mark.parametrize("row", [2, 2.0, Decimal("2.0"), "2", " 02 "])
def test_a_whole_number_is_a_row_in_whatever_form_it_is_read(row: object) -> None:
    assert SourceRow(1, None, request=("c", 2)) == read_row(BY_CALL, {"label": 1, "call": "c", "n": row}, NOW)


@pytest.mark.parametrize("label", [None, "", "  "])
def test_a_row_without_a_label_is_no_label_yet(label: str | None) -> None:
    assert read_row(BY_ID, {"label": label, "id": ""}, NOW) is None


@pytest.mark.parametrize(
    ("source", "row", "reason"),
    [
        (BY_ID, {"id": None, "at": NOW}, "id is empty"),
        (BY_ID, {"id": "x" * 201, "at": NOW}, "id has 201 characters, and may have 200"),
        (BY_ID, {"id": "\udcff", "at": NOW}, "id is not UTF-8 text"),
        (BY_ID, {"id": "p-0", "at": "soon"}, "at is not a time in ISO 8601"),
        (BY_ID, {"id": "p-0", "at": None}, "at is empty"),
        (BY_ID, {"id": "p-0", "at": NOW + timedelta(hours=1)}, "at is in the future"),
        (BY_ID, {"id": "p-0", "at": "1800-01-01"}, "at is before 1970"),
        (BY_CALL, {"call": "c", "n": "two"}, "n is not a whole number"),
        *((BY_CALL, {"call": "c", "n": n}, "n is not a whole number") for n in (1.7, True, "1_0", "1.0", NAN, None)),
        (BY_CALL, {"call": "c", "n": Decimal("1.7")}, "n is not a whole number"),
        (BY_CALL, {"call": "c", "n": "-1"}, "n is not a row from 0"),
        (BY_CALL, {"call": "c", "n": "9" * 20}, "n is not a row from 0"),
        (BY_CALL, {"call": "c", "n": -1}, "n is not a row from 0"),
        (BY_ENTITY, {"flight": float("nan"), "seat": 1, "at": NOW}, "flight is not a finite number"),
        (BY_ENTITY, {"flight": "", "seat": 1, "at": NOW}, "flight is empty"),
    ],
)
def test_a_bad_row_is_refused_with_the_column_and_the_reason(
    source: LabelSource, row: dict[str, Any], reason: str
) -> None:
    with pytest.raises(RowError, match=reason):
        read_row(source, {"label": 1, **row}, NOW)


anything = st.one_of(
    st.none(), st.text(), st.integers(), st.floats(), st.binary(), st.datetimes(), st.dates(), st.lists(st.integers())
)


@given(st.fixed_dictionaries(dict.fromkeys(("label", "id", "at", "call", "n", "flight", "seat"), anything)))
def test_no_value_ends_a_reading(row: dict[str, Any]) -> None:
    for source in (BY_ID, BY_CALL, BY_ENTITY):
        try:
            found = read_row(source, row, NOW)
        except RowError as error:
            assert str(error).split()[0] in {"id", "at", "call", "n", "flight", "seat", "label"}  # noqa: PT017
        else:
            assert found is None or row["label"] is not None
