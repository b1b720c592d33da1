"""The gate passes what is better, not what is lucky, and says so when it cannot tell."""

import math
from dataclasses import asdict, replace
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from modelops_pipelines.core.evaluation.gate import (
    FAIL,
    NOT_ENOUGH,
    PASS,
    GateConfig,
    GateResult,
    is_evaluation_day,
    table_of,
)
from modelops_pipelines.core.evaluation.paired_comparison import Rows, judge, log_loss, squared_error
from modelops_pipelines.core.evaluation.sanity_checks import Answered

CONFIG = GateConfig(draws=500)
START = date(2026, 1, 1).toordinal()
DAYS, A_DAY = 20, 100
Floats = NDArray[np.float64]


def calendar(days: int = DAYS, a_day: int = A_DAY) -> Any:
    """Return each row's day: every fifth, with so many rows."""
    return np.repeat(START + 5 * np.arange(days), a_day)


def of(losses: Floats, **more: Any) -> Answered:
    """Return a version of these losses, whose answers differ."""
    return Answered(losses, np.arange(len(losses), dtype=float), **more)


def compared(champion: Floats, candidate: Floats, days: Any, config: GateConfig = CONFIG) -> GateResult:
    return judge(of(champion), of(candidate), Rows(days), config)


def judged(seed: int, better_by: float, days: int = DAYS, a_day: int = A_DAY, weather: float = 0.1) -> GateResult:
    """Judge a candidate that is better by so much, on noisy rows whose days share their weather."""
    chance = np.random.default_rng(seed)
    day_of = np.repeat(np.arange(days), a_day)
    champion = chance.normal(0.6, 0.3, days * a_day)
    candidate = champion - better_by + chance.normal(0, weather, days)[day_of] + chance.normal(0, 0.3, days * a_day)
    return compared(champion, candidate, calendar(days, a_day))


def test_a_version_against_itself_mostly_fails() -> None:
    verdicts = [judged(seed, better_by=0.0).verdict for seed in range(200)]
    assert set(verdicts) <= {PASS, FAIL}
    assert verdicts.count(PASS) / 200 < 0.12


def test_days_that_share_their_weather_do_not_pass_for_independent_rows() -> None:
    verdicts = [judged(seed, better_by=0.0, a_day=1000, weather=0.3).verdict for seed in range(100)]
    assert verdicts.count(PASS) / 100 < 0.15


def test_a_clearly_better_candidate_passes_and_a_worse_one_fails() -> None:
    assert {PASS} == {judged(seed, better_by=0.2).verdict for seed in range(20)}
    assert {FAIL} == {judged(seed, better_by=-0.1).verdict for seed in range(20)}


def test_equal_losses_fail_with_an_improvement_of_nothing() -> None:
    losses = np.full(2000, 0.5)
    result = compared(losses, losses, calendar())
    assert (FAIL, 0.0, 0.0) == (result.verdict, result.improvement, result.lower_bound)


def test_few_days_or_few_rows_are_not_enough_evidence_and_the_reason_has_the_numbers() -> None:
    few_days = judged(1, better_by=0.5, days=9, a_day=1000)
    few_rows = judged(1, better_by=0.5, days=20, a_day=49)
    assert {NOT_ENOUGH} == {few_days.verdict, few_rows.verdict}
    assert few_days.reason == "9000 labelled rows on 9 evaluation days, but 1000 rows and 10 days are required"
    assert few_rows.reason == "980 labelled rows on 20 evaluation days, but 1000 rows and 10 days are required"
    assert few_days.lower_bound is None
    assert few_days.improvement is not None


def test_no_row_at_all_is_not_enough_evidence() -> None:
    empty: Floats = np.empty(0)
    result = compared(empty, empty, np.empty(0, dtype=int))
    assert (NOT_ENOUGH, None, 0) == (result.verdict, result.champion_loss, result.days)
    assert result.reason.startswith("0 labelled rows on 0 evaluation days")


def test_the_same_rows_give_the_same_numbers() -> None:
    assert judged(3, better_by=0.05) == judged(3, better_by=0.05)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_order_of_rows_does_not_matter(seed: int) -> None:
    chance = np.random.default_rng(seed)
    days, order = calendar(), chance.permutation(2000)
    a, b, where = chance.random(2000), chance.random(2000), chance.choice(["x", "y"], 2000)
    rows = Rows(days, segments={"where": where})
    one = judge(of(a), of(b), rows, CONFIG)
    other = judge(of(a[order]), of(b[order]), Rows(days[order], segments={"where": where[order]}), CONFIG)
    assert one.verdict == other.verdict
    for mine, its in zip((one, *one.regimes, *one.slices), (other, *other.regimes, *other.slices), strict=True):
        assert math.isclose(mine.improvement or 0, its.improvement or 0, abs_tol=1e-12)
    for mine, its in zip((*one.regimes, *one.slices), (*other.regimes, *other.slices), strict=True):
        assert (mine.name, mine.rows, mine.days) == (its.name, its.rows, its.days)
        assert math.isclose(mine.upper_bound or 0, its.upper_bound or 0, abs_tol=1e-12)


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**32 - 1), better_by=st.floats(-0.3, 0.3), days=st.integers(1, 25))
def test_a_pass_is_above_nothing_on_enough_and_worse_nowhere(seed: int, better_by: float, days: int) -> None:
    result = judged(seed, better_by, days=days)
    bounds = [part.upper_bound for part in result.regimes if part.upper_bound is not None]
    if result.verdict == PASS:
        assert result.lower_bound is not None
        assert result.limit is not None
        assert result.lower_bound > result.limit
        assert (result.improvement or 0) > 0
        assert result.rows >= CONFIG.min_rows
        assert result.days >= CONFIG.min_days
        assert len(bounds) >= CONFIG.min_regimes
        assert min(bounds) >= 0
    assert (result.lower_bound is None) == (result.verdict == NOT_ENOUGH)
    assert sum(part.rows for part in result.regimes) == result.rows
    assert sum(part.days for part in result.regimes) == result.days


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), better_by=st.floats(-0.3, 0.3), scale=st.floats(0.01, 100))
def test_the_unit_of_the_loss_does_not_matter(seed: int, better_by: float, scale: float) -> None:
    chance = np.random.default_rng(seed)
    champion = chance.random(2000) + 0.1
    candidate = champion - better_by + chance.normal(0, 0.3, 2000)
    rows = Rows(calendar(), segments={"where": chance.choice(["x", "y"], 2000)})
    one = judge(of(champion), of(candidate), rows, CONFIG)
    other = judge(of(scale * champion), of(scale * candidate), rows, CONFIG)
    assert one.verdict == other.verdict


def test_every_setting_that_a_verdict_depends_on_is_part_of_the_gates_hash() -> None:
    plain = GateConfig()
    judging = {name: value for name, value in asdict(plain).items() if name != "max_age"}
    changed = {replace(plain, **{name: value + 1}).hash for name, value in judging.items()}
    assert len(changed | {plain.hash}) == len(judging) + 1
    assert GateConfig().hash == GateConfig().hash == GateConfig(max_time_ratio=5).hash


def test_the_settings_are_those_that_the_documentation_tells() -> None:
    told = {"every_nth_day": 5, "min_days": 10, "min_rows": 1000, "margin": 0.01, "min_regimes": 2, "regime_days": 28}
    told |= {"regime_min_days": 3, "regime_min_rows": 200, "max_slices": 50, "slice_min_rows": 200}
    told |= {"slice_tolerance": 0.01, "max_odds_ratio": 4.0, "max_time_ratio": 5.0, "time_floor_ms": 1.0}
    told |= {"max_size_ratio": 10.0, "size_floor_mib": 200.0, "confidence": 0.95, "draws": 2000, "seed": 7}
    told |= {"max_age": timedelta(days=14)}
    assert told == asdict(GateConfig())


def test_just_enough_rows_and_days_are_enough() -> None:
    result = judged(1, better_by=0.5, days=10, a_day=100)
    assert (PASS, 1000, 10) == (result.verdict, result.rows, result.days)


def test_the_reason_tells_the_improvement_and_the_bound_and_on_which_side_of_nothing_it_lies() -> None:
    losses, config = np.full(2000, 0.5), replace(CONFIG, regime_min_days=100)
    config = replace(config, min_regimes=0)
    passed, failed = (compared(losses, losses - by, calendar(), config) for by in (0.25, -0.25))
    assert passed.reason == "improvement 0.25000 per row, lower bound 0.25000 above -0.00500 over 20 days"
    assert (
        failed.reason
        == "improvement -0.25000 per row (not above 0), lower bound -0.25000 not above -0.00500 over 20 days"
    )
    assert (0.5, 0.25, 0.25) == (passed.champion_loss, passed.candidate_loss, passed.improvement)
    strict = compared(losses, losses - 0.25, calendar(), replace(config, margin=0))
    assert strict.reason.endswith("lower bound 0.25000 above 0 over 20 days")


def test_within_the_margin_a_candidate_has_to_be_better_only_on_average() -> None:
    """By 0.01 on average; days that are 0.0x worse or better make the bound a little less than 0."""
    champion = np.full(2000, 1.0)
    by_day = np.repeat(np.tile([0.03, -0.02], 10), 100)
    verdicts = [
        compared(champion, champion - by_day - more, calendar(), replace(CONFIG, margin=margin))
        for more, margin in ((0, 0.01), (0, 0.0), (0, 0.001), (-0.0051, 0.1))
    ]
    assert [PASS, FAIL, FAIL, FAIL] == [verdict.verdict for verdict in verdicts]
    assert -0.01 < (verdicts[0].lower_bound or 0) < 0
    assert "row (not above 0), lower bound" in verdicts[3].reason


def test_a_result_tells_every_number_and_its_reason_but_keeps_the_verdict_apart() -> None:
    result = GateResult(PASS, "better", 2000, 20, 0.5, 0.25, 0.25, 0.125, measured={"odds_ratio": math.inf})
    losses = {"champion_loss": 0.5, "candidate_loss": 0.25, "improvement": 0.25, "lower_bound": 0.125, "limit": None}
    told = {"reason": "better", "rows": 2000, "days": 20, **losses, "odds_ratio": None, "regimes": [], "slices": []}
    assert told == result.numbers()


def test_a_verdict_as_a_table_has_all_rows_first_then_regimes_and_slices() -> None:
    rows = Rows(calendar(), segments={"where": np.repeat(["x", "y"], 1000)})
    numbers = judge(of(np.full(2000, 0.5)), of(np.full(2000, 0.25)), rows, CONFIG).numbers()
    table = table_of(numbers)
    assert [row["name"] for row in table] == [
        "all rows",
        "regime 2026-01-01 to 2026-01-28",
        "regime 2026-01-29 to 2026-02-25",
        "regime 2026-02-26 to 2026-03-25",
        "regime 2026-03-26 to 2026-04-22",
        "slice where=x",
        "slice where=y",
    ]
    assert {0.25} == {row["bound"] for row in table}
    assert table_of({"reason": "of release 0.2", "rows": 3})[0]["rows"] == 3


def test_the_bound_is_the_quantile_of_means_over_whole_days_drawn_with_replacement() -> None:
    chance = np.random.default_rng(5)
    days = np.repeat(START + 5 * np.arange(12), chance.integers(90, 250, 12))
    champion, candidate = chance.random(len(days)), chance.random(len(days))
    by_day = [(champion - candidate)[days == day] for day in np.unique(days)]
    config = GateConfig(draws=60, confidence=0.9, seed=3)
    drawn = np.random.default_rng(3).integers(0, 12, size=(60, 12))
    means = [np.concatenate([by_day[day] for day in draw]).mean() for draw in drawn]
    bound = compared(champion, candidate, days, config).lower_bound
    assert bound is not None
    assert abs(np.quantile(means, 0.1) - bound) < 1e-12


def test_which_days_are_kept_for_evaluation_never_moves() -> None:
    assert [date(2026, 1, 4), date(2026, 1, 9)] == [
        day for n in range(1, 11) if is_evaluation_day(day := date(2026, 1, n), 5)
    ]


def test_every_fifth_day_is_kept_for_evaluation() -> None:
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range(25)]
    kept = [day for day in days if is_evaluation_day(day, 5)]
    assert len(kept) == 5
    assert {timedelta(days=5)} == {b - a for a, b in pairwise(kept)}


def test_losses_of_sure_and_wrong_answers_are_finite() -> None:
    losses = log_loss(np.array([0.0, 1.0, 0.5]), np.array([1.0, 1.0, 0.0]))
    assert np.all(np.isfinite(losses))
    assert losses.argmax() == 0
    sure = log_loss(np.array([0.0, 1.0]), np.array([1.0, 0.0]))
    assert np.allclose(sure, -math.log(1e-15), atol=0.2)
    assert [4.0, 0.0] == squared_error(np.array([1.0, 2.0]), np.array([3.0, 2.0])).tolist()


def test_the_log_loss_of_a_row_is_the_surprise_at_what_came_true() -> None:
    losses = log_loss(np.array([0.2, 0.2, 0.9]), np.array([1.0, 0.0, 1.0]))
    assert np.allclose([-math.log(0.2), -math.log(0.8), -math.log(0.9)], losses)
