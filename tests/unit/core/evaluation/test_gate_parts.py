"""Regimes and slices: what is significantly worse in a part of the rows does not pass, and luck in a part is no doubt."""

from datetime import date
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from modelops_pipelines.core.evaluation.gate import (
    FAIL,
    NOT_ENOUGH,
    NOT_WORSE,
    PASS,
    TOO_FEW,
    WORSE,
    GateConfig,
    GateResult,
)
from modelops_pipelines.core.evaluation.paired_comparison import Rows, judge
from modelops_pipelines.core.evaluation.sanity_checks import Answered

CONFIG = GateConfig(draws=500)
START = date(2026, 1, 1).toordinal()
Floats = NDArray[np.float64]


def judged(better_by: Floats, days: NDArray[np.int64], config: GateConfig = CONFIG, **segments: object) -> GateResult:
    """Judge a candidate that is better by so much on each row; rows are noisy, days have weather."""
    chance = np.random.default_rng(0)
    champion = chance.normal(0.6, 0.1, len(days))
    weather = chance.normal(0, 0.002, days.max() - START + 1)[days - START]
    candidate = champion - better_by + weather + chance.normal(0, 0.1, len(days))
    rows = Rows(days, segments={name: np.asarray(values) for name, values in segments.items()})
    return judge(Answered(champion, champion), Answered(candidate, candidate), rows, config)


def every_fifth(days: int, a_day: int = 200) -> NDArray[np.int64]:
    return np.repeat(START + 5 * np.arange(days), a_day)


def test_a_window_of_one_regime_is_not_enough_evidence_however_many_days_and_rows_it_has() -> None:
    days = np.repeat(START + np.arange(28), 200)
    result = judged(np.full(len(days), 0.2), days)
    assert NOT_ENOUGH == result.verdict
    assert result.reason == (
        "1 regimes (28 days, of which at least 3 evaluation days with 200 rows), but 2 are required"
    )


def test_a_second_regime_needs_its_own_days_and_rows() -> None:
    first = np.arange(28)
    for second, a_day, enough in (([30, 35], 200, False), ([30, 35, 40], 66, False), ([30, 35, 40], 67, True)):
        days = np.concatenate([np.repeat(START + first, 200), np.repeat(START + np.array(second), a_day)])
        result = judged(np.full(len(days), 0.2), days)
        assert (PASS if enough else NOT_ENOUGH) == result.verdict
        assert [NOT_WORSE, NOT_WORSE if enough else TOO_FEW] == [part.verdict for part in result.regimes]


def test_a_regime_that_is_worse_beyond_doubt_fails_a_candidate_that_is_better_over_all_and_is_named() -> None:
    days = every_fifth(18)
    third = (days - START) // 28 == 2
    result = judged(np.where(third, -0.1, 0.2), days)
    assert FAIL == result.verdict
    assert result.lower_bound is not None
    assert result.lower_bound > 0
    assert result.reason.startswith("worse in regime 2026-02-26 to 2026-03-25: improvement -0.1")
    assert "below 0.00000 (1000 rows on 5 days)" in result.reason
    assert [NOT_WORSE, NOT_WORSE, WORSE, TOO_FEW] == [part.verdict for part in result.regimes]


def test_several_faults_are_told_at_once() -> None:
    days = every_fifth(18)
    where = np.tile(["x", "y"], len(days) // 2)
    result = judged(np.where(where == "y", -0.3, 0.1), days, where=where)
    assert FAIL == result.verdict
    assert result.reason.count("worse in regime") == 3
    assert "; worse in slice where=y: improvement -0.3" in result.reason
    assert result.reason.endswith(" over 18 days")


def test_a_slice_that_is_worse_beyond_doubt_fails_a_candidate_that_is_better_over_all_and_is_named() -> None:
    days = every_fifth(18)
    where = np.where(np.arange(len(days)) % 10 == 0, "small", "large")
    result = judged(np.where(where == "small", -0.1, 0.2), days, where=where)
    assert FAIL == result.verdict
    assert result.reason.startswith("worse in slice where=small: improvement -0.09")
    assert [("where=large", NOT_WORSE), ("where=small", WORSE)] == [(s.name, s.verdict) for s in result.slices]


def test_a_slice_within_the_tolerance_does_not_fail() -> None:
    days = every_fifth(18, a_day=2000)
    where = np.where(np.arange(len(days)) % 2 == 0, "x", "y")
    better_by = np.where(where == "x", -0.02, 0.2)
    verdicts = [judged(better_by, days, GateConfig(draws=500, slice_tolerance=t), where=where) for t in (0.01, 0.1)]
    assert [FAIL, PASS] == [result.verdict for result in verdicts]
    assert [-0.006, -0.06] == [pytest.approx(result.slices[0].limit, rel=0.01) for result in verdicts]


def test_only_the_largest_slices_with_rows_enough_are_judged() -> None:
    days = every_fifth(18)
    where = np.array(["a"] * 1500 + ["b"] * 1000 + ["c"] * 801 + ["d"] * 199 + ["e"] * 100)
    where = np.random.default_rng(1).permutation(where)
    names = [
        [part.name for part in judged(np.full(len(days), 0.1), days, config, where=where).slices]
        for config in (CONFIG, GateConfig(max_slices=2), GateConfig(max_slices=0), GateConfig(slice_min_rows=199))
    ]
    assert names == [
        ["where=a", "where=b", "where=c"],
        ["where=a", "where=b"],
        [],
        ["where=a", "where=b", "where=c", "where=d"],
    ]


def test_a_slice_of_few_days_is_not_judged() -> None:
    days = every_fifth(18)
    result = judged(np.full(len(days), 0.1), days, where=np.where(days < START + 10, "new", "old"))
    assert ["where=old"] == [part.name for part in result.slices]


def test_a_candidate_as_good_as_the_champion_is_seldom_called_worse_in_any_of_twelve_regimes() -> None:
    """Bonferroni at 5 %, on regimes of five or six days: a plain bootstrap calls one worse in a third of the draws."""
    called = 0
    for seed in range(200):
        chance = np.random.default_rng(seed)
        days = np.repeat(START + 5 * np.arange(67), 40)
        difference = chance.normal(0, 0.3, 67)[(days - START) // 5] + chance.normal(0, 0.1, len(days))
        rows = Rows(days)
        result = judge(Answered(difference, difference), Answered(0 * difference, difference), rows, CONFIG)
        called += any(part.verdict == WORSE for part in result.regimes)
    assert called / 200 < 0.1


def test_a_candidate_as_good_as_the_champion_is_seldom_called_worse_in_any_of_thirty_slices() -> None:
    called = 0
    for seed in range(60):
        chance = np.random.default_rng(seed)
        days = np.repeat(START + 5 * np.arange(20), 400)
        champion = 0.5 + chance.normal(0, 0.1, 20)[(days - START) // 5] + chance.normal(0, 0.3, len(days))
        rows = Rows(days, segments={"where": chance.integers(0, 30, len(days)).astype(str)})
        result = judge(Answered(champion, champion), Answered(np.full(len(days), 0.5), champion), rows, CONFIG)
        assert len(result.slices) == 30
        called += any(part.verdict == WORSE for part in result.slices)
    assert called / 60 < 0.1


@settings(deadline=None, max_examples=50)
@given(
    gaps=st.lists(st.integers(1, 40), min_size=1, max_size=20),
    regime_days=st.integers(1, 60),
    rows=st.integers(1, 30),
)
def test_regimes_hold_every_row_once_in_order_and_are_as_long_as_they_say(
    gaps: list[int], regime_days: int, rows: int
) -> None:
    days = np.repeat(START + np.cumsum(gaps), rows)
    result = judged(np.zeros(len(days)), days, GateConfig(draws=100, regime_days=regime_days))
    assert sum(part.rows for part in result.regimes) == len(days)
    assert sum(part.days for part in result.regimes) == len(gaps)
    spans = [tuple(map(date.fromisoformat, part.name.split(" to "))) for part in result.regimes]
    assert spans[0][0].toordinal() == START + gaps[0]
    assert {regime_days - 1} == {(last - first).days for first, last in spans}
    assert all(one[1] < other[0] for one, other in pairwise(spans))


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), worse_by=st.floats(0, 0.5))
def test_making_a_slice_worse_never_turns_a_refusal_into_a_pass(seed: int, worse_by: float) -> None:
    chance = np.random.default_rng(seed)
    days = every_fifth(15, a_day=100)
    where = chance.choice(["x", "y", "z"], len(days))
    better_by = chance.normal(0.02, 0.1, len(days))
    before = judged(better_by, days, where=where)
    after = judged(better_by - np.where(where == "x", worse_by, 0), days, where=where)
    assert before.verdict == PASS or after.verdict != PASS
