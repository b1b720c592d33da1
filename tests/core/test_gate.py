"""The gate passes what is better, not what is lucky, and says so when it cannot tell."""

import math
from dataclasses import asdict
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from modelops_pipelines.core.comparison import judge, log_loss, squared_error
from modelops_pipelines.core.gate import FAIL, NOT_ENOUGH, PASS, GateConfig, GateResult, is_evaluation_day

CONFIG = GateConfig(draws=500)
DAYS, A_DAY = 20, 100


def judged(seed: int, better_by: float, days: int = DAYS, a_day: int = A_DAY, weather: float = 0.1) -> GateResult:
    """Judge a candidate that is better by so much, on noisy rows whose days share their weather."""
    chance = np.random.default_rng(seed)
    day_of = np.repeat(np.arange(days), a_day)
    champion = chance.normal(0.6, 0.3, days * a_day)
    candidate = champion - better_by + chance.normal(0, weather, days)[day_of] + chance.normal(0, 0.3, days * a_day)
    return judge(champion, candidate, day_of, CONFIG)


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
    losses, days = np.full(2000, 0.5), np.repeat(np.arange(20), 100)
    result = judge(losses, losses, days, CONFIG)
    assert (FAIL, 0.0, 0.0) == (result.verdict, result.improvement, result.lower_bound)


def test_a_loss_that_is_no_number_never_passes() -> None:
    losses, days = np.full(2000, 0.5), np.repeat(np.arange(20), 100)
    assert judge(losses, np.where(days == 3, np.nan, 0.1), days, CONFIG).verdict == FAIL


def test_few_days_or_few_rows_are_not_enough_evidence_and_the_reason_has_the_numbers() -> None:
    few_days = judged(1, better_by=0.5, days=9, a_day=1000)
    few_rows = judged(1, better_by=0.5, days=20, a_day=10)
    assert {NOT_ENOUGH} == {few_days.verdict, few_rows.verdict}
    assert few_days.reason == "9000 labelled rows on 9 evaluation days, of 1000 rows and 10 days that it takes"
    assert few_days.lower_bound is None
    assert few_days.improvement is not None


def test_no_row_at_all_is_not_enough_evidence() -> None:
    empty: NDArray[np.float64] = np.empty(0)
    result = judge(empty, empty, np.empty(0, dtype=int), CONFIG)
    assert (NOT_ENOUGH, None, 0) == (result.verdict, result.champion_loss, result.days)


def test_the_same_rows_give_the_same_numbers() -> None:
    assert judged(3, better_by=0.05) == judged(3, better_by=0.05)


def test_the_order_of_rows_within_days_does_not_matter() -> None:
    chance = np.random.default_rng(0)
    days, order = np.repeat(np.arange(20), 100), chance.permutation(2000)
    a, b = chance.random(2000), chance.random(2000)
    one, other = judge(a, b, days, CONFIG), judge(a[order], b[order], days[order], CONFIG)
    assert one.verdict == other.verdict
    assert one.lower_bound is not None
    assert other.lower_bound is not None
    assert abs(one.lower_bound - other.lower_bound) < 1e-12


def test_every_setting_is_part_of_the_gates_hash() -> None:
    hashes = {GateConfig().hash, GateConfig(every_nth_day=6).hash, GateConfig(min_days=11).hash}
    hashes |= {GateConfig(min_rows=9).hash, GateConfig(confidence=0.9).hash, GateConfig(seed=8).hash}
    assert len(hashes) == 6
    assert GateConfig().hash == GateConfig().hash


def test_the_settings_are_those_that_the_documentation_tells() -> None:
    told = {"every_nth_day": 5, "min_days": 10, "min_rows": 1000, "confidence": 0.95, "draws": 2000, "seed": 7}
    assert told == asdict(GateConfig())


def test_just_enough_rows_and_days_are_enough() -> None:
    result = judged(1, better_by=0.5, days=10, a_day=100)
    assert (PASS, 1000, 10) == (result.verdict, result.rows, result.days)


def test_the_reason_tells_the_improvement_and_the_bound_and_on_which_side_of_nothing_it_lies() -> None:
    losses, days = np.full(2000, 0.5), np.repeat(np.arange(20), 100)
    passed, failed = (judge(losses, losses - by, days, CONFIG) for by in (0.25, -0.25))
    assert passed.reason == "improvement 0.25000 a row, lower bound 0.25000 above 0 over 20 days"
    assert failed.reason == "improvement -0.25000 a row, lower bound -0.25000 not above 0 over 20 days"
    assert (0.5, 0.25, 0.25) == (passed.champion_loss, passed.candidate_loss, passed.improvement)


def test_a_result_tells_every_number_and_its_reason_but_keeps_the_verdict_apart() -> None:
    told = GateResult(PASS, "better", 2000, 20, 0.5, 0.25, 0.25, 0.125).numbers()
    losses = {"champion_loss": 0.5, "candidate_loss": 0.25, "improvement": 0.25, "lower_bound": 0.125}
    assert {"reason": "better", "rows": 2000, "days": 20, **losses} == told


def test_the_bound_is_the_quantile_of_means_over_whole_days_drawn_with_replacement() -> None:
    chance = np.random.default_rng(5)
    days = np.repeat(np.arange(12), chance.integers(50, 250, 12))
    champion, candidate = chance.random(len(days)), chance.random(len(days))
    by_day = [(champion - candidate)[days == day] for day in range(12)]
    config = GateConfig(draws=60, confidence=0.9, seed=3)
    drawn = np.random.default_rng(3).integers(0, 12, size=(60, 12))
    means = [np.concatenate([by_day[day] for day in draw]).mean() for draw in drawn]
    bound = judge(champion, candidate, days, config).lower_bound
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
