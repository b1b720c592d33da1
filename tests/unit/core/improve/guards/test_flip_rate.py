"""The estimated rate of flips: what it finds, and seasons that it does not take for flips."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from modelops_pipelines.core.improve.guards.flip_rate import FlipRate, Share, flip_rate, most_certain
from modelops_pipelines.core.improve.guards.logistic import logit, sigmoid

ROWS = 12_000


@dataclass
class Season:
    """Rows of a time: what a perfect model says of them, their outcomes, and what a model of another level says."""

    seed: int
    level: float = -1.5
    rows: int = ROWS

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.p = sigmoid(self.rng.normal(self.level, 1.5, self.rows))
        self.outcome = (self.rng.random(self.rows) < self.p).astype(float)

    def seen_from(self, level: float) -> Any:
        return sigmoid(logit(self.p) + level - self.level)

    def flipped(self, rate: float) -> tuple[Any, Any]:
        """Return what a model of the flipped outcomes says, and the outcomes."""
        at_random = self.rng.random(self.rows) < rate
        return self.p * (1 - 2 * rate) + rate, np.where(at_random, 1 - self.outcome, self.outcome)


def estimated(now: Season, before: Season, rate: float = 0.0) -> FlipRate:
    return flip_rate(now.flipped(rate), (before.p, before.outcome), now.seen_from(before.level))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rate", [0.05, 0.1, 0.2])
@pytest.mark.parametrize("level", [-1.8, -1.5, -1.2])
def test_the_rate_of_flips_is_estimated_within_two_points(level: float, rate: float, seed: int) -> None:
    found = estimated(Season(seed, level), Season(100 + seed), rate)
    assert rate == pytest.approx(found.rate, abs=0.02)
    assert found.failed


@pytest.mark.parametrize("seed", range(10))
def test_a_season_with_more_wrong_labels_among_the_certain_rows_has_no_flips(seed: int) -> None:
    found = estimated(Season(seed, -1.2), Season(100 + seed, -1.8))
    assert found.now.wrong > 1.3 * found.before.wrong
    assert not found.failed


def test_the_same_rows_again_have_a_season_of_one_and_no_flips() -> None:
    rows = Season(1)
    found = flip_rate((rows.p, rows.outcome), (rows.p, rows.outcome), rows.p)
    assert 1.0 == pytest.approx(found.season)
    assert 0.0 == found.rate
    assert found.now == found.before


def test_without_a_model_of_the_earlier_rows_their_share_is_what_is_expected() -> None:
    now, before = Season(1, -1.0), Season(2)
    found = flip_rate(now.flipped(0.0), (before.p, before.outcome), None)
    assert found.before.wrong == found.expected


@pytest.mark.parametrize("seed", range(5))
def test_neither_the_order_of_rows_nor_the_name_of_the_positive_class_matters(seed: int) -> None:
    now, before = Season(seed, -1.2), Season(100 + seed)
    own, outcome = now.flipped(0.1)
    other = now.seen_from(before.level)
    order = now.rng.permutation(ROWS)
    found = flip_rate((own, outcome), (before.p, before.outcome), other)
    shuffled = flip_rate((own[order], outcome[order]), (before.p, before.outcome), other[order])
    renamed = flip_rate((1 - own, 1 - outcome), (1 - before.p, 1 - before.outcome), 1 - other)
    assert found.rate == pytest.approx(shuffled.rate, abs=1e-9)
    assert found.rate == pytest.approx(renamed.rate, abs=1e-6)


def test_more_flips_give_a_higher_rate() -> None:
    rates = [estimated(Season(3, -1.2), Season(4), rate).rate for rate in (0.0, 0.03, 0.06, 0.1, 0.2, 0.3)]
    assert sorted(rates) == rates
    assert len(set(rates)) == len(rates)


def test_a_rate_is_at_most_the_share_of_the_rarer_outcome() -> None:
    now, before = Season(5, -6.0), Season(6, -6.0)
    own = np.where(now.outcome > 0.5, 0.001, 0.2)  # a model that is certain of what is wrong
    found = flip_rate((own, now.outcome), (before.p, before.outcome), now.p)
    assert found.rate <= now.outcome.mean()


def test_a_few_wrong_labels_of_few_rows_are_chance() -> None:
    assert not FlipRate(0.05, Share(0.05, 100), Share(0.02, 100), 1.0).failed
    assert FlipRate(0.05, Share(0.05, 10_000), Share(0.02, 10_000), 1.0).failed


def test_a_forecast_of_the_season_explains_no_growth_beyond_a_limit() -> None:
    before = Share(0.1, 3000)
    assert not FlipRate(0.0, Share(0.14, 3000), before, 1.5).failed
    assert FlipRate(0.0, Share(0.16, 3000), before, 1.6).failed
    assert not FlipRate(0.0, Share(0.16, 60), Share(0.1, 60), 1.6).failed


def test_rows_that_are_all_alike_are_all_judged() -> None:
    outcome = np.concatenate([np.ones(90), np.zeros(10)])
    assert Share(0.1, 100) == most_certain(np.full(100, 0.9), outcome)
    assert 25 == most_certain(np.linspace(0.5, 1, 100), outcome).rows


def test_a_share_of_none_has_an_error_too() -> None:
    assert Share(0.0, 100).variance > 0
    assert Share(0.0, 100).variance > Share(0.0, 1000).variance
