"""The guards: verdicts on a challenger on trial or a new champion, from counts. No I/O.

The gateway's watchdog judges the workers' counts; the trial job judges the log, with labels. Both use these functions.
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
"""Labelled answers of both versions at which the interval is tightest (core/release/sequential_tests.py)."""
QUICKEST, SLOWEST = timedelta(seconds=10), timedelta(minutes=10)
"""Limits of the interval between two judgements of the log, which is a twentieth of the soak."""
_LOOKS_A_SOAK = 20
_P95 = 0.95


@dataclass(frozen=True)
class Arm:
    """The traffic of one version.

    ``failed`` counts among ``requests``; ``errors`` counts the ``callers`` with at least one failed request;
    ``latencies`` is a sketch (core/metrics/latency_sketch.py) of each caller's first request. Callers stay with their
    version, so they are the independent units of all tests here; an anonymous request is a separate caller.
    """

    requests: int = 0
    failed: int = 0
    callers: int = 0
    errors: int = 0
    latencies: Mapping[int, int] = field(default_factory=dict)

    def plus(self, other: "Arm") -> "Arm":
        """Return the sum of both."""
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
    """The traffic of both versions while the challenger's share (percent) was constant."""

    share: int
    challenger: Arm
    champion: Arm


@dataclass(frozen=True)
class Losses:
    """Losses of labelled answers and scores of all answers, of challenger and champion, per leg of a trial.

    Legs are separate: while the share grows, days that are harder for both would make the challenger look worse.
    """

    losses: tuple[Stratum, ...]
    scores: tuple[Stratum, ...]


@dataclass(frozen=True)
class Verdict:
    """PASS, FAIL or INCONCLUSIVE; ``guard`` is the one that failed or is undecided, ``numbers`` its numbers."""

    verdict: str
    guard: str
    reason: str
    numbers: Mapping[str, Any]


def pace(soak: timedelta) -> timedelta:
    """Return the time between two judgements of a trial by the log."""
    return min(max(soak / _LOOKS_A_SOAK, QUICKEST), SLOWEST)


def judge_trial(legs: Sequence[Leg], losses: Losses | None, policy: Guard, minimum: int) -> Verdict:
    """Judge a challenger by all legs of its trial, the current one last.

    FAIL when one guard fails; INCONCLUSIVE while the current leg has fewer than ``minimum`` requests of the challenger;
    else PASS. Each guard separately keeps the policy's false alarm rate.
    """
    verdicts = [_errors(legs, policy), _slowness(legs, policy)]
    if losses is not None:
        verdicts += [_quality(losses, policy), *_scores(losses, policy)]
    numbers = {one.guard: {"verdict": one.verdict, "reason": one.reason, **one.numbers} for one in verdicts}
    failed = next((one for one in verdicts if one.verdict == FAIL), None)
    if failed is not None:
        return Verdict(FAIL, failed.guard, failed.reason, numbers)
    answered = legs[-1].challenger.requests if legs else 0
    if answered < minimum:
        reason = f"{answered} of {minimum} required requests at this step"
        return Verdict(INCONCLUSIVE, "minimum", reason, numbers)
    return Verdict(PASS, "all", f"{answered} requests at this step, and no guard failed", numbers)


def judge_champion(arm: Arm, most: float, policy: Guard) -> Verdict:
    """Judge a new champion: FAIL when its share of failed requests is significantly above ``most``.

    The same e-process as for a challenger, with callers in place of bad events: a healthy champion fails a caller with
    a probability of at most ``most``. The share of failed requests must exceed it too, because a caller with a thousand
    requests easily has one failure.
    """
    rate = arm.failed / arm.requests if arm.requests else 0.0
    is_significant = log_evidence(arm.errors, arm.callers - arm.errors, most) >= -math.log(policy.false_alarms)
    verdict = FAIL if is_significant and rate > most else INCONCLUSIVE
    reason = f"{arm.failed} of {arm.requests} requests failed ({rate:.1%}, alert threshold {most:.1%})"
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
    """Count answers that took over ``slower`` times the champion's p95 latency over all legs."""
    usual = percentile(merge(leg.champion.latencies for leg in legs), _P95)
    if usual is None:
        return Verdict(INCONCLUSIVE, "latency", "the champion has no requests yet", {})
    slow = usual * policy.slower
    steps = [_step(s, s.challenger.slower_than(slow), s.champion.slower_than(slow)) for s in legs]
    return _events("latency", steps, EventsGuard(policy.false_alarms, policy.slow), {"slow_ms": slow})


def _events(name: str, steps: Sequence[Step], guard: EventsGuard, more: Mapping[str, Any]) -> Verdict:
    verdict = guard.judge(steps)
    numbers = {
        "challenger": [sum(step.challenger for step in steps), sum(step.challenger_requests for step in steps)],
        "champion": [sum(step.champion for step in steps), sum(step.champion_requests for step in steps)],
        **more,
    }
    return Verdict(verdict.verdict, name, f"{name}: {verdict.reason}", numbers)


def _quality(losses: Losses, policy: Guard) -> Verdict:
    rows = sum(champion.rows for _, champion in losses.losses)
    usual = sum(champion.rows * champion.mean for _, champion in losses.losses) / rows if rows else 0.0
    verdict = judge_quality_of(
        losses.losses, planned=PLANNED_ROWS, tolerance=policy.loss * max(0.0, usual), alpha=policy.false_alarms
    )
    labelled = sum(challenger.rows for challenger, _ in losses.losses)
    return Verdict(verdict.verdict, "quality", f"quality: {verdict.reason}", {"labelled_callers": labelled})


def _scores(losses: Losses, policy: Guard) -> list[Verdict]:
    """Judge the difference of mean scores, if the policy limits it."""
    if policy.score_shift is None:
        return []
    judge = partial(judge_quality_of, planned=PLANNED_ROWS, tolerance=policy.score_shift, alpha=policy.false_alarms / 2)
    higher, lower = judge(losses.scores), judge([stratum[::-1] for stratum in losses.scores])
    worst = higher if higher.verdict == FAIL else lower
    return [Verdict(worst.verdict, "scores", f"mean score: {worst.reason}", {})]


def _step(leg: Leg, challenger: int, champion: int) -> Step:
    return Step(leg.share / 100, challenger, champion, leg.challenger.callers, leg.champion.callers)
