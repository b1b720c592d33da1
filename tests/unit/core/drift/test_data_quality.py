"""What has not been there in the days before: values beyond, unknown categories, gaps; and the pieces looked at."""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from modelops_pipelines.core.drift.data_quality import (
    PIECE,
    anomalies,
    describe_anomaly,
    effective_callers,
    enough_callers,
    pieces_of,
)
from modelops_pipelines.core.drift.usual_values import FEWEST, Usual, usual_of
from modelops_pipelines.core.profiles.categorical import Coded
from modelops_pipelines.core.profiles.profile import ColumnBins, fit_bins, profile
from modelops_pipelines.core.profiles.profile_stack import Stack

pytestmark = pytest.mark.filterwarnings("error")
RNG = np.random.default_rng(1)
WARM = [RNG.normal(70, 5, 200) for _ in range(24)]
NUMBER = fit_bins("temp", np.concatenate(WARM), "numeric")
WORD = fit_bins("carrier", ["AA"] * 50 + ["DL"] * 50, "categorical")
WIDE = fit_bins("temp", RNG.normal(60, 10, 5000), "numeric")
MONTH = [RNG.normal(60, 10, 100) for _ in range(28 * 24)]
WORDS = [{"AA": 50, "DL": 50} for _ in range(28 * 24)]


def hours(bins: ColumnBins, *parts: Any) -> Stack:
    return Stack.of(bins, [profile(part, bins) for part in parts])


def as_seen(values: Any) -> Any:
    """Return counted words as a column of them, numbers as they are."""
    if not isinstance(values, dict):
        return values
    names = tuple(name for name in values if name is not None)
    codes = [names.index(name) if name is not None else -1 for name, n in values.items() for _ in range(n)]
    return Coded(np.array(codes, np.intp), names)


def size_of(values: Any) -> int:
    return len(values.codes if isinstance(values, Coded) else values)


def found(values: Any, history: Stack) -> list[tuple[str, float]]:
    usual, seen = usual_of(history), as_seen(values)
    if usual is None:
        return []
    odd = anomalies(usual, seen, np.ones(size_of(seen), np.bool_), np.array([0]))
    return [(channel, round(float(of[0]), 2)) for channel, of in odd.items() if not np.isnan(of[0])]


def reason(column: str, channel: Any, values: Any, history: Stack) -> str:
    usual = usual_of(history)
    assert usual is not None
    return describe_anomaly(column, channel, 1.0, usual, as_seen(values))


def celsius(values: Any) -> Any:
    return (values - 32) / 1.8


def with_row(parts: Sequence[Any], value: float) -> list[Any]:
    """Return the same hours, the fifth of which has one row of that value."""
    return [np.append(part[1:], value) if n == 5 else part for n, part in enumerate(parts)]


def test_a_unit_that_changed_lies_beyond_and_a_warm_day_does_not() -> None:
    history = hours(NUMBER, *WARM)
    assert found(celsius(WARM[0]), history) == [("range", 1.0)]
    assert found(WARM[0] + 6, history) == []


@pytest.mark.parametrize("wild", [-999.0, 9999.0, -1e139, 1e139])
def test_one_wild_row_in_a_month_makes_nobody_blind(wild: float) -> None:
    history = hours(WIDE, *with_row(MONTH, wild))
    assert found(celsius(MONTH[0][:PIECE]), history) == [("range", 1.0)]
    assert found(celsius(MONTH[0][:PIECE]) + 273, history) == [("range", 1.0)]
    assert not any(found(hour[:PIECE], history) for hour in MONTH[:10])


@pytest.mark.parametrize("wild", [-999.0, 9999.0, -1e139, 1e139])
def test_one_wild_row_makes_nobody_blind_where_the_bins_have_no_end(wild: float) -> None:
    summer, winter = [part + 60 for part in MONTH], [part - 60 for part in MONTH]
    for past in (summer, winter):
        history = hours(WIDE, *with_row(past, wild))
        assert found(past[0][:PIECE] - 90, history) == [("range", 1.0)]
        assert found(past[0][:PIECE] + 90, history) == [("range", 1.0)]
        assert not any(found(hour[:PIECE], history) for hour in past[:10])


def test_wild_rows_of_every_hour_make_nobody_blind_and_a_burst_that_is_a_piece_is_usual() -> None:
    dirty = [np.append(part, [-999.0] * 5) for part in MONTH]
    assert found(celsius(MONTH[0][:PIECE]), hours(WIDE, *dirty)) == [("range", 1.0)]
    busy = [RNG.normal(60, 10, 3000) for _ in range(30)]
    high = RNG.normal(500, 1, PIECE)
    burst = [np.append(part, high) for part in busy]
    assert found(high, hours(WIDE, *burst)) == []
    assert found(high, hours(WIDE, *busy)) == [("range", 1.0)]


def test_hours_of_few_rows_are_taken_together() -> None:
    small = [RNG.normal(60, 10, 10) for _ in range(100)]
    history = hours(WIDE, *small, np.array([-999.0]))
    assert found(celsius(MONTH[0][:PIECE]), history) == [("range", 1.0)]
    assert found(MONTH[0][:PIECE], history) == []


def test_bins_of_a_reference_without_a_number_have_a_range_too() -> None:
    empty = fit_bins("temp", np.full(60, np.nan), "numeric")
    assert found(celsius(WARM[0]), hours(empty, *WARM)) == [("range", 1.0)]
    assert found(WARM[0], hours(empty, *WARM)) == []


def odd_pieces(values: Any, history: Stack) -> list[bool]:
    """Say which pieces of some values lie beyond."""
    usual = usual_of(history)
    assert usual is not None
    starts = np.arange(0, len(values), PIECE)
    return (~np.isnan(anomalies(usual, values, np.ones(len(values), np.bool_), starts)["range"])).tolist()


def test_what_comes_step_by_step_is_no_fault_and_what_comes_at_once_is_for_as_long_as_it_lasts() -> None:
    history = hours(WIDE, *MONTH)
    usual = usual_of(history)
    assert usual is not None
    assert usual.high is not None
    record = np.repeat(usual.high + 0.9 * usual.room * np.arange(1, 7), PIECE)
    assert odd_pieces(record, history) == [False] * 6
    assert odd_pieces(record[-2 * PIECE :], history) == [True, True]
    assert odd_pieces(np.append(np.full(PIECE, 60.0), np.full(9 * PIECE, 15.0)), history) == [False] + [True] * 9


@settings(deadline=None)
@given(st.lists(st.floats(-2, 2), min_size=1, max_size=8))
def test_a_piece_widens_the_range_by_less_than_its_room_and_one_too_far_away_not_at_all(steps: list[float]) -> None:
    usual = usual_of_a_month()
    assert usual is not None
    assert usual.low is not None
    assert usual.high is not None
    low, high, seen = usual.low, usual.high, usual
    for level in high + usual.room * np.cumsum(steps):
        edges = low - usual.room, high + usual.room
        assume(min(abs(level - edge) for edge in edges) > 1e-9)  # on the very edge rounding decides
        near = edges[0] <= level <= edges[1]
        before, seen = seen, seen.widened(hours(WIDE, np.full(PIECE, level)))
        low, high = (min(low, level), max(high, level)) if near else (low, high)
        assert (seen.low, seen.high) == pytest.approx((low, high))
        assert found_by(before, np.full(PIECE, level)) is not near
    assert seen.room == usual.room


@cache
def usual_of_a_month() -> Usual | None:
    return usual_of(hours(WIDE, *MONTH))


def found_by(usual: Usual, values: Any) -> bool:
    return not np.isnan(anomalies(usual, values, np.ones(len(values), np.bool_), np.array([0]))["range"][0])


def test_few_rows_of_the_day_widen_nothing() -> None:
    usual = usual_of(hours(WIDE, *MONTH))
    assert usual is not None
    assert usual.high is not None
    assert usual.widened(hours(WIDE, np.full(FEWEST - 1, usual.high + 1))) is usual
    assert usual.widened(hours(WIDE)) is usual


def test_a_few_wild_values_are_not_told() -> None:
    assert found(np.append(WARM[0], [1e9] * 150), hours(NUMBER, *WARM)) == []


def test_the_reasons_say_what_was_usual_and_what_is() -> None:
    history = hours(NUMBER, np.array([50.0] * 30 + [90.0] * 30))
    expected = "temp: 100% of the values are outside 50 to 90, the usual range of the days before (median now 20)"
    assert expected == reason("temp", "range", np.full(100, 20.0), history)
    assert (
        reason("temp", "missing", np.full(9, np.nan), history)
        == "temp: 100% of the values are missing, usually at most 0%"
    )
    expected = "carrier: 100% of the values have unknown categories"
    assert expected == reason("carrier", "category", {"AA": 9, "UA": 1, "Delta": 2}, hours(WORD, {"AA": 50}))


def test_a_renamed_category_is_told_and_one_that_was_new_before_is_not() -> None:
    history = hours(WORD, ["AA"] * 50 + ["B6"], ["DL"] * 50)
    assert found({"Delta": 30, "AA": 70}, history) == [("category", 0.3)]
    assert found({"B6": 30, "AA": 70}, history) == []
    assert found({"Delta": 9, "AA": 91}, history) == []


@pytest.mark.parametrize(("times", "expected"), [(1, [("category", 1.0)]), (2, [("category", 1.0)]), (3, [])])
def test_a_category_is_known_when_it_was_seen_in_three_hours(times: int, expected: list[tuple[str, float]]) -> None:
    seen = [{"aa": 1, "dl": 1, **of} if n < times else of for n, of in enumerate(WORDS)]
    assert found({"aa": 33, "dl": 33}, hours(WORD, *seen)) == expected


def test_a_category_of_one_hour_with_many_rows_is_known_and_rare_ones_together_are_usual() -> None:
    assert found({"aa": 66}, hours(WORD, *WORDS, {"aa": 1000})) == []
    rare = [{"AA": 90, f"rare {n % 40}": 10} if n < 40 else {"AA": 90} for n in range(80)]
    assert found({"AA": 56, "rare 1": 10}, hours(WORD, *rare)) == []
    assert found({"AA": 50, "rare 1": 16}, hours(WORD, *rare)) == [("category", 0.24)]


def test_more_categories_than_have_names_say_nothing_of_new_ones() -> None:
    history = hours(WORD, [f"id-{n}" for n in range(200)])
    assert found({"id-900": 100}, history) == []


def test_gaps_are_told_when_no_hour_before_had_them() -> None:
    gappy = np.append(WARM[0][:100], [np.nan] * 100)
    assert found(gappy, hours(NUMBER, *WARM)) == [("missing", 0.5)]
    assert found(gappy, hours(NUMBER, *WARM, gappy)) == [("missing", 0.5)], "an hour of a fault is not usual"
    assert found(gappy, hours(NUMBER, *WARM, gappy, gappy)) == []
    assert found({None: 60, "AA": 40}, hours(WORD, ["AA"] * 50)) == [("missing", 0.6)]
    assert found(np.full(PIECE, np.inf), hours(NUMBER, *WARM)) == [("missing", 1.0)]


@pytest.mark.parametrize("at", [0, 5, len(WARM)])
def test_an_hour_with_a_single_null_row_is_not_what_is_usual(at: int) -> None:
    parts = [*WARM[:at], np.array([np.nan]), *WARM[at:]]
    assert found(np.full(PIECE, np.nan), hours(NUMBER, *parts)) == [("missing", 1.0)]


def test_free_text_has_gaps_only() -> None:
    text = fit_bins("note", ["one two three four"] * 10, "text")
    history = hours(text, {"one two three four": 100})
    assert found({"never seen": 66}, history) == []
    assert found({"one two": 30, None: 36}, history) == [("missing", 0.55)]


def test_rows_without_features_are_passed_over() -> None:
    usual = usual_of(hours(NUMBER, *WARM))
    assert usual is not None
    values, counted = np.full(2 * PIECE, np.nan), np.zeros(2 * PIECE, np.bool_)
    counted[:FEWEST] = counted[PIECE : PIECE + FEWEST - 1] = True
    odd = anomalies(usual, values, counted, np.array([0, PIECE]))
    assert [False, True] == np.isnan(odd["missing"]).tolist()


@pytest.mark.parametrize("values", [np.full(10, 1e9), np.full(100, np.nan), np.full(100, np.inf), np.full(100, 70.0)])
@pytest.mark.parametrize("past", [[], [np.array([])], [np.full(60, np.nan)]])
def test_nothing_to_compare_is_not_odd(values: Any, past: list[Any]) -> None:
    assert found(values, hours(NUMBER, *past)) == []


def test_without_categories_before_none_is_unknown() -> None:
    assert found({"AA": 100}, hours(WORD)) == []
    assert found({"AA": 100}, hours(WORD, [None] * 60)) == []


def test_pieces_go_on_to_the_end_and_follow_one_before() -> None:
    assert ([66, 132, 198, 292], True) == listed(pieces_of(132, 160))
    assert ([0, 66], False) == listed(pieces_of(0, 66))
    assert ([0, 131], False) == listed(pieces_of(0, 131))
    assert ([0, 66, 132], False) == listed(pieces_of(0, 132))


def test_a_small_window_is_filled_up_with_the_rows_before_it() -> None:
    assert ([1, 67, 133], True) == listed(pieces_of(132, 1))
    assert ([0, 14, 80], True) == listed(pieces_of(40, 40))
    assert ([0, 50], False) == listed(pieces_of(40, 10))


def listed(cut: tuple[Any, bool]) -> tuple[list[int], bool]:
    bounds, preceded = cut
    return bounds.tolist(), preceded


@pytest.mark.parametrize("window", [3, 65, 66, 100, 131, 132, 197, 198, 1000, 20_000])
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_a_fault_is_in_two_pieces_in_a_row_within_two_hundred_rows_wherever_it_begins(
    window: int, share: float
) -> None:
    """A piece is at fault when that share of it is; windows of so many rows follow one another."""
    starts = (19_865, 19_901) if window == 20_000 else range(1_700, 2_300, 7)
    for start in starts:
        assert any(fails(row, window, start, share) for row in range(start, start + 200)), start


def fails(row: int, window: int, start: int, share: float) -> bool:
    """Return whether the window of a row, when that row is the last there is, has two pieces in a row at fault."""
    first = row // window * window
    before = min(132, first)
    bounds, _ = pieces_of(before, row + 1 - first)
    at = bounds + first - before
    odd = [b - max(a, start) >= share * (b - a) for a, b in pairwise(at)]
    return any(a and b for a, b in pairwise(odd))


def prices(rng: np.random.Generator, n: int) -> npt.NDArray[np.float64]:
    return np.exp(rng.normal(3, 1, n))


def usual_prices(broken: int = 0) -> Usual:
    """Return what is usual of ten days of prices, with some hours in which all were missing."""
    parts = [prices(np.random.default_rng(hour), 80) for hour in range(240)]
    for hour in range(100, 100 + broken):
        parts[hour] = np.full(80, np.nan)
    bins = fit_bins("price", np.concatenate(parts), "numeric")
    found = usual_of(Stack.of(bins, [profile(part, bins) for part in parts]))
    assert found is not None
    return found


BROKEN = {
    "a hundredth": (lambda x: x / 100, "range"),
    "zeros": (lambda x: x * 0, "range"),
    "a flipped sign": (lambda x: -x, "range"),
    "a dead feed": (lambda x: x * 0 + 20, "constant"),
    "nothing": (lambda x: x * np.nan, "missing"),
}


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize("hours", [0, 1, 2])
def test_broken_prices_are_unusual_whatever_an_hour_long_ago_was_like(fault: str, hours: int) -> None:
    change, channel = BROKEN[fault]
    usual, rng = usual_prices(hours), np.random.default_rng(9_000)
    starts, counted = np.arange(0, 660, 66), np.ones(660, np.bool_)
    ordinary = anomalies(usual, prices(rng, 660), counted, starts)
    assert all(np.isnan(of).all() for of in ordinary.values())
    found = anomalies(usual, change(prices(rng, 660)), counted, starts)
    assert not np.isnan(found[channel]).any()  # type: ignore[index]


def test_a_value_that_is_mostly_zero_is_not_a_dead_feed() -> None:
    rng = np.random.default_rng(3)
    parts = [np.where(rng.random(80) < 0.8, 0.0, rng.random(80)) for _ in range(240)]
    bins = fit_bins("discount", np.concatenate(parts), "numeric")
    usual = usual_of(Stack.of(bins, [profile(part, bins) for part in parts]))
    assert usual is not None
    assert "constant" not in anomalies(usual, np.zeros(66), np.ones(66, np.bool_), np.array([0]))


def test_the_effective_number_of_callers_counts_each_by_its_rows() -> None:
    callers = np.array([*range(66), *[7] * 66, *[8] * 33, *[9] * 33])
    starts = np.array([0, 66, 132])
    assert [66, pytest.approx(132**2 / (65 + 67**2)), pytest.approx(132**2 / (66**2 + 2 * 33**2))] == list(
        effective_callers(callers, starts)
    )


def test_one_large_order_is_no_fault_of_a_shop_and_a_batch_may_be_one() -> None:
    shop = np.array([60.0, 58.0, 1.4, 1.0, 1.2, 59.0, 60.0])
    assert [True, True, False, False, False, True, True] == enough_callers(shop).tolist()
    assert enough_callers(np.array([1.0, 1.0, 2.0])).tolist()[2] is True
    assert enough_callers(np.ones(5)).all()
