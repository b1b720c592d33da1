"""The last days together: what they find, what is no shift, and what they do not depend on."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelops_pipelines.core.drift.calibrated import Calibration, judge_calibrated
from modelops_pipelines.core.drift.channels.days import Days
from modelops_pipelines.core.drift.channels.lasting_shift import LastingShift, lasting_shift, shifts_of
from modelops_pipelines.core.drift.seasonal_reference import Eligible, Matching, season_of
from modelops_pipelines.core.profiles.profile import ColumnBins, fit_bins, profile
from modelops_pipelines.core.profiles.profile_stack import Stack

MONDAY = 24 * 18_267
SPREAD = 0.1
"""What days vary by, in standard deviations of a row."""
ROWS = 400
BINS = fit_bins("x", np.random.default_rng(1).normal(0, 1, 5_000), "numeric")


def values(seed: int, levels: Sequence[float], rows: int = ROWS) -> list[Any]:
    draw = np.random.default_rng(seed)
    return [draw.normal(SPREAD * draw.normal() + level, 1, rows) for level in levels]


def stacked(days: Sequence[Any], bins: ColumnBins = BINS) -> Stack:
    return Stack.of(bins, [profile(day, bins) for day in days])


def found_in(stack: Stack, eligible: Eligible | None = None) -> LastingShift:
    at = MONDAY + 24 * np.arange(len(stack))
    days = Days.before(at, stack, int(at[-1]), 38, eligible or Eligible())
    assert days is not None
    found = lasting_shift(days)
    assert found is not None
    return found


def test_a_step_of_three_spreads_is_found_within_a_week() -> None:
    delays = []
    for seed in range(20):
        begun = 35 + seed % 7
        stack = stacked(values(seed, [*[0.0] * begun, *[0.3] * 7]))
        found = [found_in(stack.between(0, day + 1)) for day in range(begun, begun + 7)]
        told = [(number, one) for number, one in enumerate(found) if one.p_value < 1e-3]
        if told:
            delays.append(told[0][0])
            assert 0.15 < told[0][1].shift < 0.6
            assert abs(told[0][1].since - MONDAY - 24 * begun) <= 5 * 24
    assert len(delays) >= 18
    assert np.median(delays) <= 3


def test_p_values_of_ordinary_days_are_not_too_small() -> None:
    p = [found_in(stacked(values(seed, [0.0] * 39))).p_value for seed in range(100, 300)]
    assert np.mean(np.asarray(p) <= 0.1) <= 0.1
    assert min(p) > 1e-4


def test_days_that_resemble_the_day_before_need_more_evidence() -> None:
    def wandering(seed: int, fading: float) -> float:
        draw, level, days = np.random.default_rng(seed), 0.0, []
        for _ in range(39):
            level = fading * level + SPREAD * np.sqrt(1 - fading**2) * draw.normal()
            days.append(draw.normal(level, 1, ROWS))
        return found_in(stacked(days)).p_value

    assert np.mean([wandering(seed, 0.7) <= 0.01 for seed in range(100)]) <= 0.05


def test_one_outlying_day_is_no_shift_and_hides_none() -> None:
    for seed in range(10):
        levels = [0.0] * 38
        levels[20] = 3.0
        assert found_in(stacked(values(seed, [*levels, 3.0]))).p_value > 1e-2
        assert found_in(stacked(values(seed, [*levels, *[0.5] * 5]))).p_value < 2e-3


def test_an_order_of_hundreds_of_equal_values_moves_a_day_as_a_few_would() -> None:
    days = values(3, [0.0] * 39)
    plain, large = (found_in(stacked([*days[:-1], np.append(days[-1], extra)])) for extra in ([], np.full(200, 2.5)))
    assert large.today - plain.today < 0.2
    assert np.mean(np.append(days[-1], np.full(200, 2.5))) - np.mean(days[-1]) > 0.8


def test_a_step_too_small_to_matter_is_not_flagged_however_many_rows() -> None:
    for step, expected in ((0.02, False), (0.2, True)):
        days = [np.random.default_rng(day).normal(step * (day >= 34), 1, 4_000) for day in range(41)]
        stack, start = stacked(days), MONDAY + 24 * 40
        at = MONDAY + 24 * np.arange(41)
        one = season_of(at, stack, start, start + 24, 500)
        shifts = shifts_of(at, {"x": stack}, start)
        (verdict,) = judge_calibrated({"x": one.current}, {"x": one.reference}, Calibration(), (), shifts)
        assert expected is ("shift" in verdict.channels)
        assert verdict.drifted is expected
        if expected:
            assert shifts["x"].p_value < Calibration().lasting
            assert "standard deviations in" in str(verdict.reason)


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_units_and_the_form_of_the_values_do_not_matter(seed: int) -> None:
    days = values(seed, [*[0.0] * 36, *[0.3] * 3], rows=200)
    ordinary = np.concatenate(days[:14])
    one = found_in(stacked(days, fit_bins("x", ordinary, "numeric")))
    priced = found_in(stacked([np.exp(day) for day in days], fit_bins("x", np.exp(ordinary), "numeric")))
    turned = found_in(stacked([-day for day in days], fit_bins("x", -ordinary, "numeric")))
    assert priced.shift == pytest.approx(one.shift, abs=0.02)
    assert turned.shift == pytest.approx(-one.shift, abs=0.02)
    assert one.shift_at(one.p_value) == pytest.approx(abs(one.shift), rel=1e-3) or one.p_value == 1


@given(st.integers(0, 10_000), st.integers(1, 60))
@settings(max_examples=20, deadline=None)
def test_it_depends_on_the_days_alone_not_on_hours_or_on_what_is_before_and_after(seed: int, more: int) -> None:
    days = values(seed, [0.0] * 41, rows=200)
    halves = [half for day in days for half in np.split(day, 2)]
    at = np.sort(np.concatenate([MONDAY + 24 * np.arange(41) + hour for hour in (3, 17)]))
    start = MONDAY + 24 * 38
    whole = shifts_of(MONDAY + 24 * np.arange(41), {"x": stacked(days)}, start)
    assert whole == shifts_of(at, {"x": stacked(halves)}, start)
    earlier = MONDAY - 24 * np.arange(more, 0, -1)
    wild = stacked(values(seed + 1, [9.0] * more, rows=40)).joined(stacked(days))
    again = shifts_of(np.append(earlier, MONDAY + 24 * np.arange(41)), {"x": wild}, start)
    assert whole == again


def test_days_of_a_drift_are_neither_compared_nor_part_of_a_span() -> None:
    days = values(5, [*[0.0] * 30, *[2.0] * 7, *[0.0] * 3])
    spans = Eligible(((MONDAY + 24 * 30, MONDAY + 24 * 37),))
    stack = stacked(days)
    at = MONDAY + 24 * np.arange(40)
    kept = Days.before(at, stack, int(at[-1]), 38, spans)
    assert kept is not None
    assert 3 == kept.recent
    assert 33 == len(kept.number)
    assert found_in(stack, spans).p_value > 1e-2
    assert found_in(stack.between(0, 38), spans).days == 1


def test_a_training_set_alone_is_compared_with() -> None:
    at = MONDAY + 24 * np.arange(60)
    stack = stacked(values(6, [*[0.0] * 30, *[0.4] * 30]))
    served = Days.before(at[30:], stack.between(30, 60), int(at[-1]), 38)
    assert served is not None
    days = served.after(at[:30], stack.between(0, 30), 28)
    assert days is not None
    found = lasting_shift(days)
    assert found is not None
    assert 28 == days.reference
    assert found.p_value < 1e-4
    assert found.shift == pytest.approx(0.4, abs=0.1)
    assert served.after(at[50:], stack.between(50, 60), 28) is None


def test_without_enough_days_or_different_values_nothing_is_said() -> None:
    at = MONDAY + 24 * np.arange(40)
    assert {} == shifts_of(at[:5], {"x": stacked(values(7, [0.0] * 5))}, int(at[4]))
    assert {} == shifts_of(at, {"x": stacked([np.zeros(100)] * 40)}, int(at[-1]))
    assert {} == shifts_of(at, {"x": stacked([*values(8, [0.0] * 39), np.zeros(10)])}, int(at[-1]))
    weekend = shifts_of(at[:13], {"x": stacked(values(9, [0.0] * 13))}, int(at[12]))
    assert {} == weekend
    names = fit_bins("x", np.array(["a", "b"] * 50, object), "categorical")
    assert {} == shifts_of(at, {"x": Stack.of(names, [profile({"a": 50, "b": 50}, names)] * 40)}, int(at[-1]))
    assert set() == set(shifts_of(at, {}, int(at[-1]), {"x": Matching()}))
