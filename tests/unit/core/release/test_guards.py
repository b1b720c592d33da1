"""Verdicts on a version on trial, and on a champion just made: the independent units are callers."""

from datetime import timedelta

import pytest

from modelops_pipelines.core.endpoints.spec import Guard
from modelops_pipelines.core.release.guards import Arm, Leg, Pairs, judge_champion, judge_trial, pace

POLICY = Guard()


def arm(requests: int, failed: int = 0, callers: int | None = None, errors: int | None = None) -> Arm:
    """Return what a version answered; callers are as many as requests unless told."""
    people = requests if callers is None else callers
    return Arm(requests, failed, people, failed if errors is None else errors)


def leg_of(challenger: Arm, champion: Arm) -> Leg:
    """Return a leg of 20 % in which every failing caller was new."""
    return Leg(20, challenger, champion, {200: (challenger.errors, champion.errors)})


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
    ],
)
def test_a_trial_is_judged_by_callers(challenger: Arm, champion: Arm, expected: tuple[str, str]) -> None:
    said = judge_trial([leg_of(challenger, champion)], None, POLICY, 100)
    assert expected == (said.verdict, said.guard)


def test_failures_count_by_who_was_at_risk_before_them() -> None:
    arms = arm(1500, 15, callers=15, errors=15), arm(28_500, 200, callers=285, errors=200)
    saturated = Leg(5, *arms, {50: (2, 2), 45: (4, 20), 30: (5, 40), 10: (4, 138)})
    by_share = Leg(5, *arms, {50: (15, 200)})
    assert ["fail", "pass"] == [judge_trial([one], None, POLICY, 100).verdict for one in (saturated, by_share)]


def test_legs_together_are_more_evidence_than_each_alone() -> None:
    leg = leg_of(arm(60, 6), arm(240, 10))
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
    assert expected == judge_champion(Leg(0, found, Arm()), 0.10, POLICY).verdict


@pytest.mark.parametrize(
    ("replayed", "expected"),
    [(Pairs(20, 20, 0), "fail"), (Pairs(5, 5, 0), "inconclusive"), (Pairs(40, 20, 20), "inconclusive")],
)
def test_requests_that_only_the_new_champion_fails_again_are_evidence_whoever_sent_them(
    replayed: Pairs, expected: str
) -> None:
    one_caller = Leg(0, arm(100, 40, callers=1, errors=1), Arm(), replayed=replayed)
    assert expected == judge_champion(one_caller, 0.10, POLICY).verdict


def test_requests_that_only_the_challenger_fails_again_are_evidence_with_few_callers() -> None:
    few = Leg(20, arm(500, 15, callers=1, errors=1), arm(2000, 20, callers=4, errors=4), replayed=Pairs(15, 15, 0))
    both = Leg(20, arm(500, 15, callers=1, errors=1), arm(2000, 20, callers=4, errors=4), replayed=Pairs(15, 4, 4))
    assert ["replays", "all"] == [judge_trial([one], None, POLICY, 100).guard for one in (few, both)]


@pytest.mark.parametrize("false_alarms", [0.1, 0.01, 0.001, 1e-4, 1e-6])
def test_a_trial_is_judged_at_every_share(false_alarms: float) -> None:
    policy = Guard(false_alarms=false_alarms)
    for share in range(1, 100):
        said = judge_trial([Leg(share, arm(500, callers=50), arm(500, callers=50))], None, policy, 100)
        assert ("pass", "all") == (said.verdict, said.guard)


def test_the_verdict_says_that_few_callers_are_weak_evidence() -> None:
    def reason(callers: int) -> str:
        leg = Leg(20, arm(500, callers=callers), arm(2000, callers=4 * callers))
        return str(judge_trial([leg], None, POLICY, 100).numbers["errors"]["reason"])

    assert "5 callers of the challenger are weak evidence: errors are found when at least 4 have one" in reason(5)
    assert "3 callers of the challenger are too few to find errors by: 4 must have one" in reason(3)
    assert "weak" not in reason(100)


@pytest.mark.parametrize(
    ("slow", "expected"),
    [
        (Pairs(11, 11, 0), ("fail", "latency")),
        (Pairs(9, 9, 0), ("pass", "all")),
        (Pairs(400, 15, 1), ("pass", "all")),
        (Pairs(400, 60, 55), ("pass", "all")),
    ],
)
def test_latency_is_judged_by_pairs_of_the_same_second(slow: Pairs, expected: tuple[str, str]) -> None:
    said = judge_trial([Leg(20, arm(100), arm(400), slow=slow, slow_ms=20.0)], None, POLICY, 100)
    assert expected == (said.verdict, said.guard)


def test_slow_answers_of_several_legs_are_not_added_up_because_a_caller_counts_in_each() -> None:
    leg = Leg(20, arm(100), arm(400), slow=Pairs(20, 8, 0), slow_ms=20.0)
    assert "pass" == judge_trial([leg, leg, leg], None, POLICY, 100).verdict


def test_a_trial_is_looked_at_a_twentieth_of_its_soak_apart_within_bounds() -> None:
    soaks = [timedelta(seconds=1), timedelta(minutes=10), timedelta(hours=1), timedelta(days=7)]
    assert [10, 30, 180, 600] == [pace(soak).total_seconds() for soak in soaks]


def test_arms_add_up() -> None:
    assert Arm(30, 5, 11, 3) == arm(10, 2, 5, 1).plus(arm(20, 3, 6, 2))
