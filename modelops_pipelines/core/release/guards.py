"""Whether a version on trial, or a champion just made, harms its callers: verdicts on counts. Pure.

A gateway's watchdog judges what the workers have answered; a job judges the log, with the labels. Both end here.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from modelops_pipelines.core.endpoints.spec import Guard
from modelops_pipelines.core.metrics.latency_sketch import bucket, merge, percentile
from modelops_pipelines.core.release.sequential_tests import (
    FAIL,
    INCONCLUSIVE,
    PASS,
    EventsGuard,
    Step,
    Stratum,
    judge_quality_of,
    log_evidence,
)

PLANNED_ROWS = 2_000
"""Labelled answers of both versions at which their difference is told best (core/release/sequential_tests.py)."""
QUICKEST, SLOWEST = timedelta(seconds=10), timedelta(minutes=10)
"""Between which times the log is looked at again, a twentieth of the soak apart."""
_LOOKS_A_SOAK = 20
_P95 = 0.95


@dataclass(frozen=True)
class Arm:
    """What one version answered.

    ``requests`` of which ``failed``; ``callers`` of whom it failed ``errors`` at least once; ``latencies`` is a sketch
    (core/metrics/latency_sketch.py) of each caller's first request. Callers stick to their version, so they are the
    independent units of every test here; an anonymous request is a caller of its own.
    """

    requests: int = 0
    failed: int = 0
    callers: int = 0
    errors: int = 0
    latencies: Mapping[int, int] = field(default_factory=dict)

    def plus(self, other: "Arm") -> "Arm":
        """Return both together."""
        return Arm(
            self.requests + other.requests,
            self.failed + other.failed,
            self.callers + other.callers,
            self.errors + other.errors,
            merge([self.latencies, other.latencies]),
        )

    def slower_than(self, milliseconds: float) -> int:
        """Return how many callers' first requests took longer, within the sketch's 2 %."""
        return sum(count for key, count in self.latencies.items() if key > bucket(milliseconds))


@dataclass(frozen=True)
class Leg:
    """What both versions answered while the challenger's share (percent) stayed the same."""

    share: int
    challenger: Arm
    champion: Arm


@dataclass(frozen=True)
class Losses:
    """Losses of labelled answers and scores of all, challenger and champion, for each leg of a trial.

    Legs are kept apart: while the share grows, days that are harder for both would look like a worse challenger.
    """

    losses: tuple[Stratum, ...]
    scores: tuple[Stratum, ...]


@dataclass(frozen=True)
class Verdict:
    """PASS, FAIL or INCONCLUSIVE; ``guard`` is the one that failed or is undecided, ``numbers`` what it rests on."""

    verdict: str
    guard: str
    reason: str
    numbers: Mapping[str, Any]


def pace(soak: timedelta) -> timedelta:
    """Return how long to wait between two looks at the log of a trial."""
    return min(max(soak / _LOOKS_A_SOAK, QUICKEST), SLOWEST)


def judge_trial(legs: Sequence[Leg], losses: Losses | None, policy: Guard, minimum: int) -> Verdict:
    """Judge a challenger by all legs of its trial, the present one last.

    FAIL as soon as one guard is sure; INCONCLUSIVE while the present leg has fewer than ``minimum`` requests of the
    challenger; else PASS. Each guard alone keeps to the policy's rate of false alarms.
    """
    told = [_errors(legs, policy), _slowness(legs, policy)]
    if losses is not None:
        told += [_quality(losses, policy), *_scores(losses, policy)]
    numbers = {one.guard: {"verdict": one.verdict, "reason": one.reason, **one.numbers} for one in told}
    failed = next((one for one in told if one.verdict == FAIL), None)
    if failed is not None:
        return Verdict(FAIL, failed.guard, failed.reason, numbers)
    answered = legs[-1].challenger.requests if legs else 0
    if answered < minimum:
        reason = f"{answered} requests of {minimum} that the step takes"
        return Verdict(INCONCLUSIVE, "minimum", reason, numbers)
    return Verdict(PASS, "all", f"{answered} requests at this step, and no guard has anything against it", numbers)


def judge_champion(arm: Arm, most: float, policy: Guard) -> Verdict:
    """Judge a champion just made: FAIL when it fails more than the share ``most`` of its requests, beyond doubt.

    The same e-process as for a challenger, with each caller in the place of a bad event: he is failed with a chance of
    at most ``most`` if nothing is wrong. The share of failed requests must be above it too: who asks a thousand times
    is easily failed once.
    """
    rate = arm.failed / arm.requests if arm.requests else 0.0
    is_sure = log_evidence(arm.errors, arm.callers - arm.errors, most) >= -math.log(policy.false_alarms)
    verdict = FAIL if is_sure and rate > most else INCONCLUSIVE
    reason = f"{arm.failed} of {arm.requests} requests failed ({rate:.1%}, {most:.1%} is the alert's threshold)"
    return Verdict(
        verdict,
        "errors",
        reason,
        {"requests": arm.requests, "failed": arm.failed, "callers": arm.callers, "threshold": most},
    )


def _errors(legs: Sequence[Leg], policy: Guard) -> Verdict:
    steps = [_step(leg, leg.challenger.errors, leg.champion.errors) for leg in legs]
    return _events("errors", steps, EventsGuard(policy.false_alarms, policy.errors), {})


def _slowness(legs: Sequence[Leg], policy: Guard) -> Verdict:
    """Count answers that took over ``slower`` times the champion's 95th percentile in all legs."""
    usual = percentile(merge(leg.champion.latencies for leg in legs), _P95)
    if usual is None:
        return Verdict(INCONCLUSIVE, "latency", "the champion has answered nothing yet", {})
    slow = usual * policy.slower
    steps = [_step(s, s.challenger.slower_than(slow), s.champion.slower_than(slow)) for s in legs]
    return _events("latency", steps, EventsGuard(policy.false_alarms, policy.slow), {"slow_ms": slow})


def _events(name: str, steps: Sequence[Step], guard: EventsGuard, more: Mapping[str, Any]) -> Verdict:
    said = guard.judge(steps)
    numbers = {
        "challenger": [sum(step.challenger for step in steps), sum(step.challenger_requests for step in steps)],
        "champion": [sum(step.champion for step in steps), sum(step.champion_requests for step in steps)],
        **more,
    }
    return Verdict(said.verdict, name, f"{name}: {said.reason}", numbers)


def _quality(losses: Losses, policy: Guard) -> Verdict:
    rows = sum(champion.rows for _, champion in losses.losses)
    usual = sum(champion.rows * champion.mean for _, champion in losses.losses) / rows if rows else 0.0
    said = judge_quality_of(
        losses.losses, planned=PLANNED_ROWS, tolerance=policy.loss * max(0.0, usual), alpha=policy.false_alarms
    )
    labelled = sum(challenger.rows for challenger, _ in losses.losses)
    return Verdict(said.verdict, "quality", f"quality: {said.reason}", {"labelled_callers": labelled})


def _scores(losses: Losses, policy: Guard) -> list[Verdict]:
    """Judge the mean score, where the policy says how far it may be from the champion's."""
    if policy.score_shift is None:
        return []
    judge = partial(judge_quality_of, planned=PLANNED_ROWS, tolerance=policy.score_shift, alpha=policy.false_alarms / 2)
    higher, lower = judge(losses.scores), judge([stratum[::-1] for stratum in losses.scores])
    worst = higher if higher.verdict == FAIL else lower
    return [Verdict(worst.verdict, "scores", f"mean score: {worst.reason}", {})]


def _step(leg: Leg, challenger: int, champion: int) -> Step:
    return Step(leg.share / 100, challenger, champion, leg.challenger.callers, leg.champion.callers)
