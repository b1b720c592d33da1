"""Seasons: which earlier hours a window is held against, and how far it is widened."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.drift.seasonal_reference import (
    Matching,
    prior_window,
    reference_of,
    reference_spans,
    season_of,
    widened,
)
from modelops_pipelines.core.profiles.profile import fit_bins, profile
from modelops_pipelines.core.profiles.profile_stack import Stack

pytestmark = pytest.mark.filterwarnings("error")

BINS = fit_bins("x", [float(i) for i in range(50)], "numeric")
MONDAY = 24 * 18_267  # 6 January 2020
FRIDAY, SATURDAY = MONDAY + 4 * 24, MONDAY + 5 * 24


def hourly(rows):
    return Stack.of(BINS, [profile([float(i % 50)] * n, BINS) for i, n in enumerate(rows)])


def traffic(first, end, rows=5):
    return np.arange(first, end), hourly([rows] * (end - first))


def weekday(hour):
    return (hour // 24 + 3) % 7


def test_an_hour_is_held_against_the_same_hour_and_its_neighbours_of_every_earlier_day():
    start = FRIDAY + 9
    starts, days, _ = reference_spans(start, start + 1, 28)
    expected = {start - 24 * back + shift for back in range(1, 29) for shift in (-1, 0, 1)} - {start - 28 * 24 - 1}
    assert expected == set(starts.tolist())
    assert {start // 24 - back for back in range(1, 29)} == set(days.tolist())


def test_a_day_is_held_against_whole_earlier_days_but_not_the_last():
    starts, days, alike = reference_spans(SATURDAY, SATURDAY + 24, 28)
    assert [SATURDAY - 24 * back for back in range(2, 29)] == starts.tolist()
    assert (starts // 24).tolist() == days.tolist()
    assert [weekday(start) >= 5 for start in starts] == alike.tolist()


@given(st.integers(MONDAY, MONDAY + 300), st.integers(1, 168), st.integers(1, 40))
def test_reference_spans_are_as_long_as_the_window_and_end_before_it(start, length, days):
    starts, numbers, alike = reference_spans(start, start + length, days)
    assert len(starts) == len(numbers) == len(alike)
    assert (starts + 2 * length <= start).all()
    assert (starts >= start - 24 * days).all()


@given(st.integers(MONDAY, MONDAY + 300), st.integers(24, 168))
def test_reference_spans_of_a_day_or_longer_never_overlap(start, length):
    starts, _, _ = reference_spans(start, start + length, 60)
    assert (np.diff(np.sort(starts)) >= length).all()


def test_weekends_are_held_against_weekends():
    at, stack = traffic(MONDAY - 28 * 24, SATURDAY + 24)
    found = reference_of(at, stack, SATURDAY, SATURDAY + 24, Matching())
    assert {5, 6} == {weekday(24 * day) for day in found.days.tolist()}
    assert found.day_count == 8


def test_a_first_weekend_has_nothing_to_be_held_against():
    at, stack = traffic(SATURDAY - 5 * 24, SATURDAY + 24)
    assert 0 == reference_of(at, stack, SATURDAY, SATURDAY + 24, Matching()).day_count
    at, stack = traffic(SATURDAY - 14 * 24, SATURDAY + 24)
    assert 4 == reference_of(at, stack, SATURDAY, SATURDAY + 24, Matching()).day_count


def test_the_window_that_could_confirm_is_the_last_one_that_shares_no_row():
    at = np.array([0, 1, 5, 30, 31])
    assert (30, 5, None) == tuple(prior_window(at, start, 1) for start in (31, 30, 0))
    assert 5 == prior_window(at, 29, 1)
    assert (24, 0, 0) == tuple(prior_window(at, start, 24) for start in (48, 47, 24))
    assert (5, None) == tuple(prior_window(np.array([5]), start, 1) for start in (5 + 168, 6 + 168))


@given(st.integers(0, 400), st.sampled_from([1, 3, 24, 60]), st.integers(1, 400), st.integers(7, 60))
def test_no_reference_span_reaches_into_the_window_that_could_confirm_or_beyond_its_length(start, length, gap, days):
    starts, _, _ = reference_spans(start, start + length, days, start - gap)
    assert (starts + length <= start - max(gap, length)).all()
    kept, _, _ = reference_spans(start, start + length, days)
    assert set(starts.tolist()) == {one for one in kept.tolist() if one + length <= start - gap}


def test_a_batch_a_day_is_confirmed_by_yesterdays_and_not_held_against_it():
    at = np.arange(0, 24 * 28, 24) + MONDAY + 10
    found = season_of(at, hourly([5] * 28), int(at[-1]), int(at[-1]) + 1, minimum=1)
    assert found.prior == at[-2]
    assert found.prior // 24 not in found.reference.days


def test_spans_without_rows_are_left_out():
    at, stack = traffic(FRIDAY - 24, FRIDAY + 24, rows=0)
    found = reference_of(at, stack, FRIDAY, FRIDAY + 24, Matching())
    assert (0, 0) == (len(found.windows), found.day_count)


def test_hours_that_lack_count_as_hours_without_rows():
    at, stack = traffic(FRIDAY - 48, FRIDAY - 24)
    kept = np.arange(0, 24, 2)
    found = reference_of(at[kept], stack.take(kept), FRIDAY, FRIDAY + 24, Matching())
    assert [12 * 5] == found.windows.n.tolist()


@given(st.lists(st.integers(0, 9), min_size=24, max_size=24), st.integers(1, 60))
def test_a_window_is_widened_by_as_few_hours_as_hold_enough_rows(rows, minimum):
    at, stack = np.arange(24), hourly(rows)
    found = widened(at, stack, 23, 24, minimum)
    assert found <= 23
    held = sum(rows[found:])
    assert held == sum(rows) or held >= minimum
    assert found == 23 or sum(rows[found + 1 :]) < min(minimum, sum(rows))


def test_an_hour_is_widened_to_a_day_at_most_and_a_day_to_a_week():
    at, stack = traffic(MONDAY - 500, MONDAY + 24)
    assert MONDAY + 24 - 24 == widened(at, stack, MONDAY + 23, MONDAY + 24, 10**6)
    assert MONDAY + 24 - 168 == widened(at, stack, MONDAY, MONDAY + 24, 10**6)


def test_the_reference_of_a_widened_window_is_as_long_as_it():
    at, stack = traffic(MONDAY - 28 * 24, FRIDAY + 12)
    found = season_of(at, stack, FRIDAY + 11, FRIDAY + 12, minimum=20)
    assert (FRIDAY + 8, FRIDAY + 12) == (found.start, found.end)
    assert {20} == {found.current.n, *found.reference.windows.n.astype(int).tolist()}


def test_a_window_without_rows_has_an_empty_profile_and_a_reference():
    at, stack = traffic(FRIDAY - 24 * 10, FRIDAY - 24)
    found = season_of(at, stack, FRIDAY, FRIDAY + 1, minimum=20)
    assert (0, FRIDAY, 7) == (found.current.n, found.start, found.reference.day_count)


def test_no_history_at_all_gives_an_empty_reference():
    found = season_of(np.arange(0), hourly([]), FRIDAY, FRIDAY + 1, minimum=20)
    assert (0, 0) == (found.current.n, found.reference.day_count)


def test_a_window_that_ends_before_it_starts_is_refused():
    with pytest.raises(ValueError, match="not after its start"):
        widened(np.arange(0), hourly([]), 5, 5, 1)
