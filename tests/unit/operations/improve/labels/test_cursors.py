"""A cursor keeps the largest value of a column, whatever its type, and goes on from it, or from an overlap before it."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from modelops_pipelines.core.errors import InputError
from modelops_pipelines.operations.improve.labels.readings import Cursor

HOUR = timedelta(hours=1)
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def kept(*values: Any, overlap: timedelta | None = None) -> Any:
    """Return from where a second reading goes on after these values, with its position kept as JSON in between."""
    first = Cursor("c", AT)
    for value in values:
        first.look_at({"c": value})
    return Cursor("c", AT, overlap).since(json.loads(json.dumps(first.kept())))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3, None, 7, 5], 7),
        ([1.5, 0.5], 1.5),
        (["2026-03-01 10:00:00", "2026-03-01 12:00:00"], "2026-03-01 12:00:00"),
        ([AT, AT - HOUR], AT),
        ([date(2026, 3, 1), date(2026, 2, 1)], date(2026, 3, 1)),
        ([None], None),
        ([], None),
    ],
)
def test_the_largest_value_is_where_the_next_reading_goes_on(values: list[Any], expected: Any) -> None:
    assert expected == kept(*values)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (AT, AT - HOUR),
        (date(2026, 3, 1), date(2026, 2, 28)),
        ("2026-03-01 12:00:00", "2026-03-01 11:00:00"),
        ("2026-03-01T12:00:00", "2026-03-01T11:00:00"),
        ("2026-03-01", "2026-02-28"),
    ],
)
def test_an_overlap_goes_back_in_the_form_in_which_the_values_are_compared(value: Any, expected: Any) -> None:
    assert expected == kept(value, overlap=HOUR)


def test_an_overlap_of_what_is_no_time_and_values_of_several_types_are_refused_with_a_remedy() -> None:
    with pytest.raises(InputError, match="is no time, and has an overlap"):
        kept(7, overlap=HOUR)
    with pytest.raises(InputError, match="several types"):
        kept(7, "7")
    with pytest.raises(InputError, match="neither a time, a number nor a text"):
        kept([1])


@pytest.mark.parametrize("value", [datetime(9999, 12, 31, tzinfo=UTC), "9999-12-31", float("nan"), float("inf")])
def test_a_value_that_stands_for_something_else_is_counted_and_is_not_where_it_goes_on(value: Any) -> None:
    cursor = Cursor("c", AT)
    cursor.look_at({"c": value})
    assert (None, 1, 1) == (cursor.largest, cursor.passed_over, len(cursor.faults()))
