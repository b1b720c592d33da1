"""What disqualifies a candidate whatever its losses: answers that are none, a mean far off, too slow, too large."""

import json
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from modelops_pipelines.core.evaluation.gate import FAIL, NOT_ENOUGH, PASS, GateConfig, GateResult
from modelops_pipelines.core.evaluation.paired_comparison import Rows, judge, log_loss
from modelops_pipelines.core.evaluation.sanity_checks import Answered, check_candidate

CONFIG = GateConfig(draws=200)
DAYS = np.repeat(date(2026, 1, 1).toordinal() + 5 * np.arange(20), 100)
CHANCE = np.random.default_rng(1)
TRUE_RATE = 0.5 * CHANCE.random(2000)
LABEL = (CHANCE.random(2000) < TRUE_RATE).astype(float)
Floats = NDArray[np.float64]


def scored(scores: Floats, **more: Any) -> Answered:
    return Answered(log_loss(scores, LABEL), scores, **more)


CHAMPION = scored(np.where(np.arange(2000) % 2, 0.3, 0.2))
GOOD = scored(np.clip(TRUE_RATE, 0.01, 0.99))


def judged(candidate: Answered, champion: Answered = CHAMPION, config: GateConfig = CONFIG) -> GateResult:
    return judge(champion, candidate, Rows(DAYS, LABEL), config)


def test_a_sane_candidate_that_is_better_passes_and_shows_its_numbers() -> None:
    result = judged(GOOD)
    assert PASS == result.verdict
    numbers = result.numbers()
    assert numbers["base_rate"] == pytest.approx(LABEL.mean())
    assert numbers["candidate_mean_score"] == pytest.approx(GOOD.values.mean())
    assert numbers["champion_mean_score"] == pytest.approx(0.25)
    assert 1 <= numbers["odds_ratio"] < 1.2
    assert (2, 0, 0) == (
        numbers["champion_distinct_answers"],
        numbers["champion_not_finite"],
        numbers["candidate_not_finite"],
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_single_answer_that_is_no_finite_number_fails_and_the_verdict_is_still_json(value: float) -> None:
    values = GOOD.values.copy()
    values[7] = value
    result = judged(Answered(np.where(np.isfinite(values), GOOD.losses, value), values))
    assert FAIL == result.verdict
    assert result.reason == "1 predictions and 1 losses of 2000 rows of the candidate are not finite"
    assert (None, None, 1) == (result.improvement, result.lower_bound, result.numbers()["candidate_not_finite"])
    json.dumps(result.numbers(), allow_nan=False)


def test_an_infinite_loss_fails_even_where_its_answer_is_a_number() -> None:
    losses = GOOD.losses.copy()
    losses[3] = np.inf
    result = judged(replace(GOOD, losses=losses))
    assert (FAIL, 1) == (result.verdict, result.numbers()["candidate_not_finite"])
    assert "0 predictions and 1 losses of 2000 rows" in result.reason


def test_a_champion_whose_losses_are_no_numbers_can_be_compared_with_nothing() -> None:
    result = judged(GOOD, champion=replace(CHAMPION, losses=np.full(2000, np.nan)))
    assert FAIL == result.verdict
    assert result.reason == "0 predictions and 2000 losses of 2000 rows of the champion are not finite"


def test_a_constant_candidate_fails_where_the_champions_answers_differ() -> None:
    result = judged(scored(np.full(2000, 0.25)))
    assert FAIL == result.verdict
    assert "the candidate predicts 0.25 for all 2000 rows, but the champion has 2 distinct predictions" in result.reason


def test_two_constant_versions_are_compared_by_their_losses() -> None:
    worse, better = (scored(np.full(2000, share)) for share in (0.4, float(LABEL.mean())))
    assert PASS == judged(better, champion=worse).verdict


def test_words_for_answers_are_finite_and_counted() -> None:
    wrong, right = np.ones(2000), np.zeros(2000)
    words = np.where(LABEL == 1, "late", "on time")
    rows = Rows(DAYS)
    assert PASS == judge(Answered(wrong, words[::-1]), Answered(right, words), rows, CONFIG).verdict
    constant = judge(Answered(wrong, words), Answered(right, np.full(2000, "late")), rows, CONFIG)
    assert (FAIL, 1) == (constant.verdict, constant.numbers()["candidate_distinct_answers"])


def test_a_mean_score_far_off_the_odds_of_what_came_true_fails_with_its_numbers() -> None:
    shifted = 1 / (1 + np.exp(-(np.log(GOOD.values / (1 - GOOD.values)) + 2)))
    result = judged(replace(GOOD, values=shifted))
    assert FAIL == result.verdict
    assert result.reason.startswith(
        f"the odds of the candidate's mean score {shifted.mean():.4f} and of the share of positives 0.2"
    )
    assert "differ by a factor of " in result.reason
    assert "(limit 4); improvement" in result.reason
    assert result.numbers()["odds_ratio"] > 4


def test_a_mean_that_chance_explains_does_not_fail() -> None:
    """No positive among 200 rows where 0.3 % are announced: the odds are 6 times off, and nothing is wrong."""
    scores = np.full(200, 0.003) + np.linspace(0, 1e-6, 200)
    version = Answered(-np.log(1 - scores), scores)
    found = check_candidate(version, version, np.zeros(200), CONFIG)
    assert found.faults == []
    assert (found.numbers["base_rate"], round(found.numbers["odds_ratio"] or 0, 1)) == (0.0, 1.2)
    loud = replace(version, values=np.linspace(0.2, 0.3, 200))
    assert len(check_candidate(version, loud, np.zeros(200), CONFIG).faults) == 1


@given(share=st.floats(0.001, 0.999), positives=st.integers(0, 2000))
def test_the_mean_is_judged_alike_whichever_class_is_called_positive(share: float, positives: int) -> None:
    label = (np.arange(2000) < positives).astype(float)
    scores = np.full(2000, share)
    one = check_candidate(Answered(label, scores), Answered(label, scores), label, CONFIG)
    other = check_candidate(Answered(label, 1 - scores), Answered(label, 1 - scores), 1 - label, CONFIG)
    assert len(one.faults) == len(other.faults)
    assert one.numbers["odds_ratio"] == pytest.approx(other.numbers["odds_ratio"])


def test_a_candidate_without_usable_answers_fails_by_its_fault_and_any_cost_is_still_shown() -> None:
    result = judged(Answered(np.empty(0), np.empty(0), "version 2: the model raised ValueError: no", size_mib=3.0))
    assert (FAIL, "version 2: the model raised ValueError: no") == (result.verdict, result.reason)
    assert (2000, 3.0) == (result.rows, result.numbers()["candidate_mib"])


def test_what_is_insane_fails_on_few_rows_too() -> None:
    few = Rows(DAYS[:100], LABEL[:100])
    champion = replace(CHAMPION, losses=CHAMPION.losses[:100], values=CHAMPION.values[:100])
    constant = replace(champion, values=np.full(100, 0.5))
    assert FAIL == judge(champion, constant, few, CONFIG).verdict
    assert NOT_ENOUGH == judge(champion, champion, few, CONFIG).verdict


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [(0.1, 1.01, FAIL), (0.1, 0.99, PASS), (0.21, 1.01, PASS), (1.0, 5.1, FAIL), (1.0, 5.0, PASS), (9.0, 1.01, PASS)],
)
def test_slow_is_what_takes_five_times_as_long_and_over_a_millisecond_a_row(
    old: float, new: float, verdict: str
) -> None:
    result = judged(replace(GOOD, ms_a_row=new), champion=replace(CHAMPION, ms_a_row=old))
    assert verdict == result.verdict
    assert (old, new) == (result.numbers()["champion_ms_a_row"], result.numbers()["candidate_ms_a_row"])
    told = f"the candidate takes {new:.4g} ms per row and the champion {old:.4g}: more than 5 times as much, and above the floor of 1"
    assert (told in result.reason) == (verdict == FAIL)


@pytest.mark.parametrize(
    ("old", "new", "verdict"), [(1.0, 199.0, PASS), (1.0, 201.0, FAIL), (50.0, 499.0, PASS), (50.0, 501.0, FAIL)]
)
def test_large_is_what_has_ten_times_the_files_and_over_200_mib(old: float, new: float, verdict: str) -> None:
    result = judged(replace(GOOD, size_mib=new), champion=replace(CHAMPION, size_mib=old))
    assert verdict == result.verdict
    assert ("MiB of files" in result.reason) == (verdict == FAIL)


def test_the_bounds_of_costs_and_of_the_mean_are_settings() -> None:
    slow = replace(GOOD, ms_a_row=2.0)
    quick = replace(CHAMPION, ms_a_row=0.1)
    for config in (replace(CONFIG, max_time_ratio=20.0), replace(CONFIG, time_floor_ms=2.0)):
        assert PASS == judged(slow, quick, config).verdict
    large, small = replace(GOOD, size_mib=300.0), replace(CHAMPION, size_mib=1.0)
    for config in (replace(CONFIG, max_size_ratio=300.0), replace(CONFIG, size_floor_mib=300.0)):
        assert PASS == judged(large, small, config).verdict
    shifted = replace(GOOD, values=GOOD.values / 2)
    assert [PASS, FAIL] == [judged(shifted, config=replace(CONFIG, max_odds_ratio=most)).verdict for most in (4.0, 2.0)]
