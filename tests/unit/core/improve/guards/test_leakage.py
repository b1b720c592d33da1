"""Columns that know what they could not know are named."""

from typing import Any

import numpy as np
import pytest

from modelops_pipelines.core.improve.guards.leakage import SetColumns, leakage, separation

ROWS = 1000
RNG = np.random.default_rng(1)
TRUTH = RNG.random(ROWS) < 0.3
LABEL = np.where(TRUTH, "1", "0").astype(object)
PROVIDED = np.arange(ROWS) < ROWS // 2
WEAK = TRUTH * 0.5 + RNG.normal(size=ROWS)


def judged(provided: Any = PROVIDED, label: Any = LABEL, **changes: Any) -> Any:
    features = {"weak": WEAK, **changes.pop("features", {})}
    return leakage(SetColumns(features, label, provided, positive=label == "1", **changes))


def test_columns_that_know_no_more_than_they_may_pass() -> None:
    result = judged()
    assert result.passed is True
    assert "weak" == result.numbers["best"]


@pytest.mark.parametrize(
    "copy", [TRUTH.astype(float), 7 - 3 * TRUTH.astype(float), LABEL, np.where(TRUTH, "late", "ok")]
)
def test_a_copy_of_the_label_is_named(copy: Any) -> None:
    result = judged(features={"copied": np.asarray(copy)})
    assert result.passed is False
    assert "suspicious column 'copied': it is a copy of the label" == result.message


def test_a_column_that_knew_the_label_only_in_the_provided_rows_is_named() -> None:
    known = np.where(PROVIDED, TRUTH * 10.0, 0) + RNG.normal(size=ROWS)
    result = judged(features={"arrival_delay": known})
    assert result.passed is False
    assert "suspicious column 'arrival_delay': in the provided rows it tells the label" in result.message


def test_a_column_that_separates_as_served_too_is_no_leak() -> None:
    easy = TRUTH * 20.0 + RNG.normal(size=ROWS)
    assert judged(features={"easy": easy}).passed is True


def test_without_a_log_a_column_that_separates_alone_is_named() -> None:
    result = judged(np.ones(ROWS, np.bool_), features={"easy": TRUTH * 20.0 + RNG.normal(size=ROWS)})
    assert "suspicious column 'easy': alone it separates the labels" in result.message


def test_a_time_after_the_event_is_named_unless_it_was_served_so() -> None:
    planned, landed = np.ones(ROWS, np.bool_), PROVIDED.copy()
    result = judged(late={"planned_arrival": planned, "landed_at": landed})
    assert result.passed is False
    assert "suspicious column 'landed_at': in 500 rows (100.0 %) its time is after the event" == result.message


def test_labels_known_before_their_event_are_named() -> None:
    result = judged(known_before=~PROVIDED & (np.arange(ROWS) % 10 == 0))
    assert "suspicious column 'label': 50 of 500 labels were known before their event" == result.message


def test_a_value_that_was_corrected_later_is_named() -> None:
    result = judged(differing={"weak": 3})
    assert "suspicious column 'weak': in 3 row(s) it has another value than was served" == result.message


def test_a_regression_may_have_a_strong_column_but_no_copy() -> None:
    number = RNG.normal(size=ROWS)
    strong, some = number + RNG.normal(size=ROWS) / 20, np.ones(ROWS, np.bool_)
    of = {"strong": strong, "copied": number.copy()}
    result = leakage(SetColumns(of, number, some, numeric=number))
    assert "suspicious column 'copied': it is a copy of the label" == result.message


def test_an_id_knows_no_label() -> None:
    ids = np.array([f"id{number}" for number in range(ROWS)], object)
    assert separation(ids, LABEL, TRUTH) is None
    assert judged(features={"id": ids}).passed is True


def test_a_category_that_knows_the_label_separates() -> None:
    known = np.where(TRUTH, RNG.choice(["a", "b"], ROWS), RNG.choice(["c", "d"], ROWS)).astype(object)
    assert 1.0 == separation(known, LABEL, TRUTH)


def test_few_rows_are_not_judged() -> None:
    assert leakage(SetColumns({"x": WEAK[:9]}, LABEL[:9], PROVIDED[:9])).passed is None
