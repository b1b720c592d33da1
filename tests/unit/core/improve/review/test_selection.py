"""Which predictions are put into the review queue."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.improve.review.selection import (
    LIMITED,
    Pool,
    Strengths,
    choose,
    strengths,
)

CLASS = st.sampled_from(("0", "1", None))
ROW = st.tuples(st.sampled_from(("0", "1")), st.floats(0, 1) | st.none(), CLASS, CLASS, st.integers(0, 2), CLASS)
NUMBER = st.floats(-1e6, 1e6) | st.none()
NUMBERS = st.tuples(st.floats(-1e6, 1e6), st.none(), NUMBER, NUMBER, st.integers(0, 2), NUMBER)


def pool(task: str, *rows: tuple[Any, ...]) -> Pool:
    columns = [list(column) for column in zip(*rows, strict=True)] if rows else [[]] * 6
    return Pool(task, *columns)  # type: ignore[arg-type]


@given(st.sampled_from(("binary_classification", "multiclass")), st.lists(ROW, max_size=20))
def test_strengths_of_classes_are_from_zero_to_below_one_or_nothing(task: str, rows: list[tuple[Any, ...]]) -> None:
    check(pool(task, *rows))


@given(st.lists(NUMBERS, max_size=20))
def test_strengths_of_numbers_are_from_zero_to_below_one_or_nothing(rows: list[tuple[Any, ...]]) -> None:
    check(pool("regression", *rows))


def check(made: Pool) -> None:
    for reason in LIMITED:
        found = strengths(made, reason)
        known = found.values[np.isfinite(found.values)]
        assert len(made) == len(found.values)
        assert ((known >= 0) & (known < 1)).all()
        assert (len(known) == 0) == (found.reason is not None)


def test_the_score_nearest_to_even_odds_is_the_most_uncertain() -> None:
    made = pool("binary_classification", *(("1", score, None, None, 0, None) for score in (0.9, 0.52, 0.1, 0.4)))
    assert [1, 3] == [one.place for one in choose({"uncertain": strengths(made, "uncertain")}, 2)]


def test_of_several_classes_the_smallest_score_is_the_most_uncertain() -> None:
    made = pool("multiclass", *(("a", score, None, None, 0, None) for score in (0.9, 0.4, 0.5)))
    assert [1, 2, 0] == [one.place for one in choose({"uncertain": strengths(made, "uncertain")}, 3)]


def test_a_regression_without_a_shadow_has_no_uncertain_predictions_and_says_why() -> None:
    found = strengths(pool("regression", (1.0, None, 2.0, None, 0, None)), "uncertain")
    assert "a regression has no score, and no shadow answered its predictions" == found.reason


def test_the_highest_loss_is_the_most_costly_and_a_right_class_costs_nothing() -> None:
    rows = [("1", 0.99, "0", None, 0, None), ("1", 0.6, "0", None, 0, None), ("1", 0.6, "1", None, 0, None)]
    made = pool("binary_classification", *rows, ("0", 0.3, "1", None, 0, None), ("0", 0.3, None, None, 0, None))
    assert [0, 3, 1] == [one.place for one in choose({"costly": strengths(made, "costly")}, 9)]


def test_more_voices_against_a_prediction_are_more_disagreement() -> None:
    rows = [
        ("1", 0.9, None, None, 1, None),
        ("1", 0.9, "1", "0", 1, "0"),
        ("1", 0.9, None, None, 0, "0"),
        ("1", 0.9, "1", "1", 0, "1"),
        ("1", 0.9, None, "0", 0, "0"),
    ]
    found = choose({"disagreeing": strengths(pool("binary_classification", *rows), "disagreeing")}, 9)
    assert [1, 4, 0, 2] == [one.place for one in found]


def test_numbers_disagree_when_they_are_far_for_the_days_spread() -> None:
    rows = [
        (100.0, None, None, 101.0, 0, None),
        (200.0, None, None, 290.0, 0, None),
        (150.0, None, None, None, 0, 90.0),
    ]
    found = choose({"disagreeing": strengths(pool("regression", *rows), "disagreeing")}, 9)
    assert [1, 2] == [one.place for one in found]


@given(
    st.lists(st.lists(st.floats(0, 0.99) | st.just(float("nan")), min_size=8, max_size=8), min_size=1, max_size=3),
    st.integers(0, 12),
    st.sets(st.integers(0, 7)),
)
def test_reasons_share_the_limit_and_no_prediction_is_chosen_twice(
    values: list[list[float]], most: int, taken: set[int]
) -> None:
    found = {reason: Strengths(np.array(one)) for reason, one in zip(LIMITED, values, strict=False)}
    chosen = choose(found, most, sorted(taken))
    places = [one.place for one in chosen]
    wanted = {place for one in found.values() for place in range(8) if np.isfinite(one.values[place])} - taken
    assert min(most, len(wanted)) == len(places) == len(set(places))
    assert set(places) <= wanted
