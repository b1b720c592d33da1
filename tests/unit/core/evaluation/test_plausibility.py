"""What is too good to be true is held, with the column; what retrainings ordinarily bring is not."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from modelops_pipelines.core.evaluation.gate import PASS, describe_verdict, held_reasons
from modelops_pipelines.core.evaluation.paired_comparison import log_loss, squared_error
from modelops_pipelines.core.evaluation.plausibility import (
    Judged,
    Plausibility,
    Truth,
    column_groups,
    judge_plausibility,
)

DAYS, A_DAY = 24, 150
ROWS = DAYS * A_DAY
Floats = NDArray[np.float64]


class Drawn:
    """Rows whose label depends on two numbers; a model that knows the truth has about 0.7 of a constant's loss."""

    def __init__(self, seed: int) -> None:
        self.chance = np.random.default_rng(seed)
        self.a, self.b = self.chance.normal(size=(2, ROWS))
        self.logit = 1.3 * self.a + 0.8 * self.b - 0.7
        self.label = (self.chance.random(ROWS) < 1 / (1 + np.exp(-self.logit))).astype(float)
        self.days = np.repeat(5 * np.arange(DAYS), A_DAY)

    def scores(self, noise: float) -> Floats:
        """Return the scores of a model that is off by so much, in logits."""
        scores: Floats = 1 / (1 + np.exp(-(self.logit + self.chance.normal(0, noise, ROWS))))
        return scores

    def leaking(self, share: float) -> NDArray[Any]:
        """Return a column that holds the outcome of a share of the rows, and else nothing."""
        shown = self.chance.random(ROWS) < share
        return np.where(shown, self.label, np.nan)

    def judged(self, champion: Floats, candidate: Floats, **columns: NDArray[Any]) -> Plausibility:
        return self.against(champion, candidate, (), **columns)

    def against(
        self, champion: Floats, candidate: Floats, past: Sequence[Mapping[str, Any]], **columns: NDArray[Any]
    ) -> Plausibility:
        losses = [log_loss(scores, self.label) for scores in (champion, candidate)]
        regimes = self.days // 28
        given = {"a": self.a, "b": self.b, **columns}
        return judge_plausibility(
            Judged(losses[0], losses[1], Truth(self.label, scored=True), regimes, range(5), self.days, given, past)
        )


def with_leak(drawn: Drawn, leak: NDArray[Any]) -> Floats:
    """Return the scores of a model that follows the leaking column wherever it has a value."""
    return np.where(np.isnan(leak), drawn.scores(0.2), np.where(leak == 1, 0.98, 0.02))


@pytest.mark.parametrize("share", [0.15, 0.3, 0.6, 1.0])
def test_a_column_that_holds_the_outcome_is_held_by_its_name(share: float) -> None:
    for seed in range(40):
        drawn = Drawn(seed)
        leak = drawn.leaking(share)
        found = drawn.judged(drawn.scores(0.8), with_leak(drawn, leak), settled=leak)
        assert "settled" == found.numbers["telling_column"]
        assert found.reasons[-1].startswith("column 'settled' ")
        assert found.reasons[-1].endswith("; it may hold the outcome")


def test_an_ordinary_improvement_is_never_held() -> None:
    for seed in range(200):
        drawn = Drawn(seed)
        champion, candidate = drawn.scores(drawn.chance.uniform(0.3, 1.5)), drawn.scores(0.2)
        assert () == drawn.judged(champion, candidate).reasons


def test_a_candidate_that_knows_the_rows_is_held_without_any_telling_column() -> None:
    """It remembers each row's label."""
    for seed in range(40):
        drawn = Drawn(seed)
        remembered = np.where(drawn.label == 1, 0.9, 0.1)
        (reason,) = drawn.judged(drawn.scores(0.6), remembered).reasons
        assert reason.startswith("the candidate is too good: its loss is 0.1")


def test_a_champion_that_is_nearly_perfect_leaves_nothing_to_suspect() -> None:
    drawn = Drawn(1)
    good, better = (np.where(drawn.label == 1, sure, 1 - sure) for sure in (0.98, 0.999))
    assert () == drawn.judged(good, better).reasons


def test_an_ordinary_model_may_replace_a_champion_that_is_worse_than_a_constant() -> None:
    """Such a champion shows nothing of what can be reached; only what is nearly perfect is held then."""
    drawn = Drawn(1)
    broken = 1 - drawn.scores(0.2)
    assert () == drawn.judged(broken, drawn.scores(0.1)).reasons
    perfect = np.where(drawn.label == 1, 0.999, 0.001)
    leaking = drawn.judged(broken, perfect, settled=drawn.label).reasons
    assert 2 == len(leaking)
    assert leaking[0].startswith("the candidate is too good")
    assert leaking[1].startswith("column 'settled' alone predicts the label far better")


def test_a_champion_that_drift_has_spoilt_is_measured_by_what_it_once_was() -> None:
    drawn = Drawn(3)
    spoilt, good = drawn.scores(5.0), drawn.scores(0.2)
    assert () == drawn.judged(spoilt, good).reasons
    leak = drawn.leaking(0.5)
    past = [{"champion_relative_loss": 0.75, "relative_improvement": 0.01}]
    held = drawn.against(spoilt, with_leak(drawn, leak), past, settled=leak)
    assert 0.75 == held.numbers["best_relative_loss"]
    assert any("column 'settled'" in reason for reason in held.reasons)


def earlier(*improvements: float, **changes: Any) -> list[dict[str, Any]]:
    return [{"champion_relative_loss": 0.9, "relative_improvement": one, **changes} for one in improvements]


def test_an_improvement_out_of_line_with_the_earlier_ones_is_held_from_three_on() -> None:
    drawn = Drawn(4)
    champion = drawn.scores(0.9)
    slightly = np.clip(drawn.scores(0.1) + 0.25 * (drawn.label - 0.5), 0.01, 0.99)
    (reason,) = drawn.against(champion, slightly, earlier(0.02, -0.01, 0.015)).reasons
    assert reason.startswith("the candidate is too good: it takes ")
    assert reason.endswith("% from the loss of the best champion; the last 3 took at most 2.0%")
    assert () == drawn.against(champion, slightly, earlier(0.02, -0.01)).reasons
    assert () == drawn.against(champion, slightly, earlier(0.02, 0.2, 0.01)).reasons
    held = earlier(0.02, -0.01, 0.015) + earlier(0.4, held=["too good"])
    assert (reason,) == drawn.against(champion, slightly, held).reasons


def test_repairing_a_champion_that_drift_has_spoilt_is_no_large_improvement() -> None:
    for seed in range(20):
        drawn = Drawn(seed)
        past = [{**one, "champion_relative_loss": 0.72} for one in earlier(0.01, 0.02, 0.01)]
        assert () == drawn.against(drawn.scores(3.0), drawn.scores(0.2), past).reasons


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(0.001, 1000), shift=st.floats(-100, 100))
def test_neither_the_unit_nor_the_zero_of_a_regression_matters(seed: int, scale: float, shift: float) -> None:
    chance = np.random.default_rng(seed)
    a = chance.normal(size=ROWS)
    truth = a + chance.normal(size=ROWS)
    days = np.repeat(5 * np.arange(DAYS), A_DAY)
    found = []
    for factor, zero in ((1.0, 0.0), (scale, shift)):
        values = factor * truth + zero
        losses = [squared_error(factor * (by * a) + zero, values) for by in (0.6, 1.0)]
        columns = {"a": a, "outcome": values}
        found.append(
            judge_plausibility(Judged(*losses, Truth(values, scored=False), days // 28, range(5), days, columns))
        )
    assert [reason.split(":")[0] for reason in found[0].reasons] == [r.split(":")[0] for r in found[1].reasons]
    assert all(
        np.isclose(found[0].numbers[n], found[1].numbers[n], atol=1e-6)
        for n in ("relative_improvement", "best_relative_loss")
    )  # type: ignore[arg-type]
    assert "outcome" == found[0].numbers["telling_column"]


def test_classes_without_scores_are_judged_by_the_share_of_wrong_ones() -> None:
    chance = np.random.default_rng(2)
    truth = chance.choice(["a", "b", "c"], ROWS)
    days = np.repeat(5 * np.arange(DAYS), A_DAY)
    losses = [(chance.random(ROWS) < wrong).astype(float) for wrong in (0.5, 0.03)]
    columns = {"word": np.where(chance.random(ROWS) < 0.97, truth, "d").astype(object)}
    found = judge_plausibility(Judged(*losses, Truth(truth, scored=False), days // 28, range(5), days, columns))
    assert 2 == len(found.reasons)
    assert "column 'word' " in found.reasons[1]


def test_labels_that_are_all_alike_are_not_judged() -> None:
    same = np.zeros(ROWS)
    days = np.repeat(5 * np.arange(DAYS), A_DAY)
    found = judge_plausibility(Judged(same, same, Truth(same, scored=False), days // 28, range(5), days, {"x": same}))
    assert Plausibility((), {}) == found


def test_a_column_is_cut_into_few_groups_and_missing_values_are_one_of_them() -> None:
    numbers = np.array([np.nan, *range(1000)])
    assert 0 == column_groups(numbers)[0]
    assert 64 == len(set(column_groups(numbers)[1:]))
    words = np.array([None, *(f"w{n}" for n in range(500)), *["often"] * 50], dtype=object)
    groups = column_groups(words)
    assert (0, 1, 65) == (groups[0], groups[-1], groups.max())
    assert 0 == column_groups(np.array([np.nan, np.nan])).max()


def test_a_recorded_verdict_tells_what_it_is_held_for() -> None:
    numbers = {"reason": "better", "held": ["one", "two"]}
    assert ["one", "two"] == held_reasons(numbers)
    assert "pass, held for a person (one; two): better" == describe_verdict(PASS, numbers)
    for none in ({"reason": "better"}, {"reason": "better", "held": []}, {"reason": "better", "held": None}):
        assert [] == held_reasons(none)
        assert "pass: better" == describe_verdict(PASS, none)
    assert "fail: worse" == describe_verdict("fail", {**numbers, "reason": "worse"})
