"""A new champion's losses against those of the champion before, on the same rows."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from modelops_pipelines.core.endpoints.spec import Guard
from modelops_pipelines.core.release.probation import Loss, PairedAnswer, judge_new_losses, probation_pace

POLICY = Guard()
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def answers(worse: float, rows: int, callers: int) -> list[PairedAnswer]:
    chance = random.Random(rows)
    return [
        PairedAnswer(f"u{row % callers}", 0.5 + worse + chance.gauss(0, 0.2), 0.5 + chance.gauss(0, 0.2))
        for row in range(rows)
    ]


@pytest.mark.parametrize(
    ("worse", "rows", "callers", "expected"),
    [
        (0.0, 0, 1, "inconclusive"),
        (0.5, 2000, 50, "inconclusive"),
        (0.5, 400, 400, "fail"),
        (0.0, 4000, 4000, "pass"),
        (0.05, 400, 400, "inconclusive"),
    ],
)
def test_a_new_champion_fails_when_its_loss_is_worse_than_tolerated(
    worse: float, rows: int, callers: int, expected: str
) -> None:
    assert expected == judge_new_losses(answers(worse, rows, callers), POLICY).verdict


def test_losses_are_squared_errors_log_losses_or_wrong_answers() -> None:
    assert 4.0 == Loss(regression=True, positive=None).of("3", None, "5")
    binary = Loss(regression=False, positive="1")
    assert binary.of("1", 0.5, "1") == pytest.approx(0.6931, abs=1e-4)
    assert binary.of("0", 0.0, "1") == pytest.approx(34.54, abs=0.01)
    assert [0.0, 1.0] == [Loss(regression=False, positive=None).of(one, None, "a") for one in ("a", "b")]
    assert binary.of(None, 0.5, "1") is None
    assert Loss(regression=True, positive=None).of(float("nan"), None, "5") is None


def test_a_new_champion_is_judged_often_at_first_then_every_ten_minutes_until_its_probation_ends() -> None:
    ages = [timedelta(0), timedelta(hours=1), timedelta(days=7)]
    assert [90, 600, None] == [
        None if every is None else every.total_seconds()
        for every in (probation_pace(NOW, NOW + age, POLICY) for age in ages)
    ]
