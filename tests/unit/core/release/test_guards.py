"""Verdicts on a version on trial, and on a champion just made: the independent units are callers."""

from datetime import timedelta

import pytest

from modelops_pipelines.core.endpoints.spec import Guard
from modelops_pipelines.core.metrics.latency_sketch import bucket
from modelops_pipelines.core.release.guards import Arm, Leg, judge_champion, judge_trial, pace

POLICY = Guard()


def arm(requests: int, failed: int = 0, callers: int | None = None, errors: int | None = None, ms: float = 10.0) -> Arm:
    """Return what a version answered; callers are as many as requests unless told."""
    people = requests if callers is None else callers
    return Arm(requests, failed, people, failed if errors is None else errors, {bucket(ms): people})


@pytest.mark.parametrize(
    ("challenger", "champion", "expected"),
    [
        (arm(0), arm(0), ("inconclusive", "minimum")),
        (arm(99), arm(400), ("inconclusive", "minimum")),
        (arm(100), arm(400), ("pass", "all")),
        (arm(5, 5), arm(20), ("fail", "errors")),
        (arm(100, 5), arm(400, 20), ("pass", "all")),
        (arm(30_000, 30_000, callers=40, errors=40), arm(120_000, callers=160), ("fail", "errors")),
        (arm(1400, 900, callers=500, errors=1), arm(12_000, callers=2000), ("pass", "all")),
        (arm(20, ms=100), arm(80, ms=10), ("fail", "latency")),
        (arm(200, ms=19), arm(800, ms=10), ("pass", "all")),
    ],
)
def test_a_trial_is_judged_by_callers(challenger: Arm, champion: Arm, expected: tuple[str, str]) -> None:
    said = judge_trial([Leg(20, challenger, champion)], None, POLICY, 100)
    assert expected == (said.verdict, said.guard)


def test_legs_together_are_more_evidence_than_each_alone() -> None:
    leg = Leg(20, arm(60, 6), arm(240, 10))
    alone = judge_trial([leg], None, POLICY, 10).verdict
    assert ("pass", "fail") == (alone, judge_trial([leg] * 8, None, POLICY, 10).verdict)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (arm(0), "inconclusive"),
        (arm(10, 10), "fail"),
        (arm(5000, 5000, callers=20, errors=20), "fail"),
        (arm(20_000, 200, callers=20, errors=20), "inconclusive"),
        (arm(100, 10), "inconclusive"),
        (arm(400, 100), "fail"),
    ],
)
def test_a_new_champion_is_judged_by_the_alerts_threshold(found: Arm, expected: str) -> None:
    assert expected == judge_champion(found, 0.10, POLICY).verdict


def test_a_trial_is_looked_at_a_twentieth_of_its_soak_apart_within_bounds() -> None:
    soaks = [timedelta(seconds=1), timedelta(minutes=10), timedelta(hours=1), timedelta(days=7)]
    assert [10, 30, 180, 600] == [pace(soak).total_seconds() for soak in soaks]


def test_arms_add_up() -> None:
    both = arm(10, 2, 5, 1).plus(arm(20, 3, 6, 2, ms=50.0))
    assert (30, 5, 11, 3) == (both.requests, both.failed, both.callers, both.errors)
    assert {bucket(10.0): 5, bucket(50.0): 6} == both.latencies
    assert (6, 0) == (both.slower_than(20), both.slower_than(80))
