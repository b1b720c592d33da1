"""Weights of training rows: classes of the same sum, halves by age, and the whole log from a selected part."""

from datetime import timedelta

import numpy as np
import pytest

from modelops_pipelines.core.improve.training.weights import balanced, by_age, by_propensity


def test_every_class_has_the_same_sum() -> None:
    labels = np.array(["a"] * 90 + ["b"] * 9 + ["c"])
    weights = balanced(labels)
    assert 1 == pytest.approx(weights.mean())
    sums = [weights[labels == name].sum() for name in "abc"]
    assert sums == pytest.approx([100 / 3] * 3)


def test_a_row_weighs_half_of_one_that_is_a_half_life_younger() -> None:
    day = 86_400.0
    weights = by_age(np.array([0.0, 90 * day, 180 * day, np.nan]), timedelta(days=90))
    assert [0.5, 0.5] == pytest.approx([weights[0] / weights[1], weights[1] / weights[2]])
    assert weights[0] == weights[3]
    assert [1.0, 1.0] == list(by_age(np.array([np.nan, np.nan]), timedelta(days=90)))


def test_selected_rows_stand_for_all() -> None:
    chance = np.random.default_rng(1)
    values = chance.normal(size=200_000)
    propensity = 0.05 + 0.9 / (1 + np.exp(-2 * values))
    labelled = chance.random(len(values)) < propensity
    weights = by_propensity(propensity[labelled])
    assert abs(values[labelled].mean()) > 0.3
    assert 0 == pytest.approx(np.average(values[labelled], weights=weights), abs=0.03)


def test_no_row_stands_for_too_many_and_a_provided_row_weighs_one() -> None:
    weights = by_propensity(np.array([np.nan, 1e-9, *[0.5] * 998]))
    assert 1 == weights[0]
    assert weights[1:].max() / weights[2] <= 20.1
