"""The default rule on quality fails by evidence: not on ordinary days of a rare class, and soon when scores are bad."""

import numpy as np
import pytest

from modelops_pipelines.core.metrics.skill_evidence import SkillEvidence, skill_evidence


def days(base: float, rows: int, *, seed: int = 4_100, bad: bool = False) -> list[SkillEvidence]:
    """Return days of scores that are the true probabilities; bad ones are those of other rows, three times as large."""
    draw, found = np.random.default_rng(seed), []
    for _ in range(400):
        scores = draw.beta(0.5, 0.5 / base - 0.5, rows)
        positive = draw.random(rows) < scores
        found.append(skill_evidence(np.minimum(3 * draw.permutation(scores), 1) if bad else scores, positive))
    return found


def failed(found: list[SkillEvidence]) -> int:
    return sum(one.lack is None and one.upper is not None and one.upper < 0 for one in found)


@pytest.mark.parametrize("base", [0.008, 0.05, 0.5])
@pytest.mark.parametrize("rows", [300, 3_000])
def test_true_probabilities_fail_on_no_ordinary_day(base: float, rows: int) -> None:
    assert failed(days(base, rows)) <= 2


def test_scores_that_are_worse_than_the_base_rate_fail() -> None:
    assert failed(days(0.05, 3_000, bad=True)) >= 390
    assert failed(days(0.008, 10_000, bad=True)) >= 300


def test_few_labels_of_a_class_are_no_evidence() -> None:
    one = skill_evidence(np.array([0.9, 0.1] * 100), np.arange(200) < 19)
    assert "19 positive and 181 negative labels; a verdict needs 20 of each" == one.lack
    assert skill_evidence(np.array([0.5]), np.array([True])).upper is None
