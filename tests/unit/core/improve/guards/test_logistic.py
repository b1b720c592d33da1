"""The small logistic regressions that guards fit."""

import numpy as np
import pytest

from modelops_pipelines.core.improve.guards.logistic import logit, sigmoid, solved, variance


def rows(count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    design = np.stack([np.ones(count), rng.normal(0, 1, count)], axis=1)
    return design, (rng.random(count) < sigmoid(design @ np.array([-1.0, 0.8]))).astype(float)


def test_coefficients_of_drawn_outcomes_are_found() -> None:
    design, outcome = rows(40_000)
    found = solved(design, outcome, np.zeros(len(outcome)), 1e-6)
    assert [-1.0, 0.8] == pytest.approx(found.tolist(), abs=0.05)


def test_a_level_gives_the_mean_that_is_asked_for() -> None:
    design, _ = rows(1000)
    says = design @ np.array([-1.0, 0.8])
    level = solved(np.ones((1000, 1)), np.full(1000, 0.6), says, 1e-6)
    assert 0.6 == pytest.approx(float(sigmoid(says + level[0]).mean()), abs=1e-6)


def test_a_prior_draws_coefficients_to_zero_and_outcomes_of_one_class_end() -> None:
    design, _ = rows(200)
    outcome = np.ones(200)
    weak, strong = (np.abs(solved(design, outcome, np.zeros(200), prior)) for prior in (1.0, 100.0))
    assert strong[0] < weak[0] < 30


def test_logits_and_probabilities_are_inverse_within_the_limits() -> None:
    p = np.array([0.001, 0.2, 0.5, 0.9, 0.999])
    assert p.tolist() == pytest.approx(sigmoid(logit(p)).tolist())
    assert sigmoid(logit(np.array([0.0, 1.0]))).tolist() == pytest.approx([0.001, 0.999])


def test_a_variance_is_never_zero() -> None:
    assert (variance(np.array([-1e6, 0.0, 1e6])) > 0).all()
    assert 0.25 == variance(np.array([0.0]))[0]
