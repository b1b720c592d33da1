"""Flipped labels, of all rows, of one segment and of one supplier, and seasons that only look like them."""

from typing import Any

import numpy as np
import pytest

from modelops_pipelines.core.improve.guards.flips import Fitted, Values, label_flips

ROWS, CELLS = 6000, 12
NAMES = {"region": [f"r{number}" for number in range(CELLS)], "key_id": ["a", "b", "c"]}


class World:
    """Rows whose probabilities are known: what a perfect model says."""

    def __init__(self, seed: int, level: float = -1.5) -> None:
        self.rng = np.random.default_rng(seed)
        self.logit = self.rng.normal(level, 1.5, ROWS)
        self.p = 1 / (1 + np.exp(-self.logit))
        self.label = (self.rng.random(ROWS) < self.p).astype(float)
        self.region = self.rng.integers(0, CELLS, ROWS)

    def fitted(self, flipped: Any = None) -> Fitted:
        """Return the rows; where labels are flipped at random, a model of them learns that too."""
        mask = np.zeros(ROWS, np.bool_) if flipped is None else flipped
        label = np.where(mask, 1 - self.label, self.label)
        rate = mask.mean()
        return Fitted(label, self.p * (1 - 2 * rate) + rate, self.p)


def values(now: World, before: World, **more: Any) -> Values:
    return Values(NAMES, {"region": now.region, **more}, {"region": before.region}, tuple(more))


@pytest.mark.parametrize("seed", range(20))
def test_a_season_with_another_level_passes(seed: int) -> None:
    now, before = World(seed, -1.1), World(100 + seed, -1.7)
    result = label_flips(now.fitted(), before.fitted(), values(now, before))
    assert result.passed is True, result.message


@pytest.mark.parametrize("seed", range(10))
def test_ten_percent_of_flips_are_found(seed: int) -> None:
    now, before = World(seed, -1.1), World(100 + seed, -1.7)
    result = label_flips(now.fitted(now.rng.random(ROWS) < 0.1), before.fitted(), values(now, before))
    assert result.passed is False
    assert "labels are flipped" in result.message


@pytest.mark.parametrize("seed", range(10))
def test_three_percent_of_flips_in_one_segment_are_found_and_the_segment_is_named(seed: int) -> None:
    now, before = World(seed), World(100 + seed)
    mask = (now.region == 4) & (now.rng.random(ROWS) < 0.03 * CELLS)
    fitted = now.fitted(mask)
    own = np.where(now.region == 4, now.p * 0.3 + 0.35, now.p)
    result = label_flips(Fitted(fitted.outcome, own, now.p), before.fitted(), values(now, before))
    assert result.passed is False
    assert result.message.startswith("region=r4")
    assert {"region=r4"} == {one["cell"] for one in result.numbers["failed_cells"]}


def test_one_key_that_contradicts_the_others_is_found_also_without_earlier_labels() -> None:
    now = World(3)
    key = np.where(now.rng.random(ROWS) < 0.05, 1, 0)
    fitted = now.fitted(key == 1)
    of = Values(NAMES, {"key_id": key}, {}, ("key_id",))
    result = label_flips(Fitted(fitted.outcome, now.p), None, of)
    assert result.passed is False
    assert result.message.startswith("key_id=b: the labels of")


def test_few_labels_and_labels_that_nothing_is_compared_with_are_not_judged() -> None:
    few = Fitted(np.zeros(100), np.full(100, 0.1))
    assert label_flips(few, None, Values({}, {}, {})).passed is None
    now = World(1)
    assert label_flips(now.fitted(), None, Values({}, {}, {})).passed is None


def test_a_segment_without_any_positive_label_is_judged() -> None:
    now, before = World(5), World(6)
    label = np.where(now.region == 2, 0.0, now.label)
    result = label_flips(Fitted(label, now.p, now.p), before.fitted(), values(now, before))
    assert result.passed is False
    assert result.numbers["worst_cell"]["cell"] == "region=r2"


def two_regions(seed: int, season: float) -> tuple[Fitted, Any]:
    """Return rows of an easy and a hard region in a season that adds to all logits, and each row's region."""
    rng = np.random.default_rng(seed)
    region = (rng.random(24_000) < 0.35).astype(int)
    spread = rng.normal(0, 1, len(region))
    logit = np.where(region == 1, -1.7 + 0.3 * spread, -3.2 + spread)
    now, earlier = (1 / (1 + np.exp(-logit - shift)) for shift in (season, 0.0))
    return Fitted((rng.random(len(region)) < now).astype(float), now, earlier), region


@pytest.mark.parametrize("seed", range(4))
def test_a_region_passes_whose_wrong_labels_double_with_those_of_all_rows(seed: int) -> None:
    (now, mine), (before, earlier) = two_regions(seed, 0.9), two_regions(100 + seed, 0.0)
    result = label_flips(now, before, Values({"region": ["easy", "hard"]}, {"region": mine}, {"region": earlier}))
    assert result.passed is True, result.message
    assert result.numbers["certain"]["wrong"] > 1.5 * result.numbers["certain"]["wrong_before"]
