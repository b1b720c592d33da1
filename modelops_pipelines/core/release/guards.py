"""The guards: verdicts on a challenger on trial or a new champion, from counts. No I/O.

The gateway's watchdog judges the workers' counts; the trial job judges the log, with labels. Both use these functions.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from functools import cache, partial, reduce
from typing import Any

from modelops_pipelines.core.endpoints.spec import Guard
from modelops_pipelines.core.release.sequential_tests import (
    FAIL,
    INCONCLUSIVE,
    PASS,
    EventsGuard,
    Step,
    Stratum,
    excess_of,
    judge_quality_of,
    log_evidence,
    log_evidence_of,
)

PLANNED_ROWS = 2_000
"""Labelled answers of both versions at which the interval is tightest (core/release/sequential_tests.py)."""
QUICKEST, SLOWEST = timedelta(seconds=10), timedelta(minutes=10)
"""Limits of the interval between two judgements of the log, which is a twentieth of the soak."""
_LOOKS_A_SOAK = 20
_EVEN, _MILLE = 0.5, 1000
_FEW, _MOST_NEEDED = 20, 200


@dataclass(frozen=True)
class Arm:
    """The traffic of one version.

    ``failed`` counts among ``requests``; ``callers`` are those at risk: active, and without a failure earlier in the
    trial; ``errors`` counts the callers with their first failure of the trial. Callers stay with their version, so they
    are the independent units; an anonymous request is a separate caller. A failure that the other version shares does
    not count.
    """

    requests: int = 0
    failed: int = 0
    callers: int = 0
    errors: int = 0

    def plus(self, other: "Arm") -> "Arm":
        """Return the sum of both."""
        return Arm(
            self.requests + other.requests,
            self.failed + other.failed,
            self.callers + other.callers,
            self.errors + other.errors,
        )


@dataclass(frozen=True)
class Pairs:
    """Both versions compared under the same conditions: how often, and how often only one of them was bad."""

    compared: int = 0
    challenger: int = 0
    champion: int = 0

    @classmethod
    def of(cls, challenger: bool, champion: bool) -> "Pairs":  # noqa: FBT001 - two outcomes of the same kind
        """Return one comparison: whether either version was bad."""
        return cls(1, int(challenger and not champion), int(champion and not challenger))

    def plus(self, other: "Pairs") -> "Pairs":
        """Return the sum of both."""
        return Pairs(self.compared + other.compared, self.challenger + other.challenger, self.champion + other.champion)

    @property
    def step(self) -> Step:
        """The comparisons as a step: of equal versions, either is as likely to be the only bad one."""
        return Step(_EVEN, self.challenger, self.champion, self.compared, self.compared)


@dataclass(frozen=True)
class Leg:
    """The traffic of both versions while the challenger's share (percent) was constant.

    ``failures`` has callers' first failures, the challenger's and the champion's, by how many per mille of the callers
    at risk were the challenger's just before; of new and of anonymous callers by the share of the traffic.
    ``slow`` pairs the first new callers of both versions in the same second at the same worker: bad is an answer of
    over ``slow_ms`` (None: not known yet). ``replayed`` are failed requests tried again on both versions, ``timed``
    answered ones: bad is then a time of over ``Guard.slower`` times the other's.
    """

    share: int
    challenger: Arm
    champion: Arm
    failures: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    slow: Pairs = Pairs()
    slow_ms: float | None = None
    replayed: Pairs = Pairs()
    timed: Pairs = Pairs()


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


def judge_trial(
    legs: Sequence[Leg], losses: Losses | None, policy: Guard, minimum: int, *, needs_quality: bool = False
) -> Verdict:
    """Judge a challenger by all legs of its trial, the current one last.

    FAIL when one guard fails; INCONCLUSIVE while the current leg has fewer than ``minimum`` requests of the challenger,
    or with ``needs_quality`` while the labels do not show that its losses are within the tolerance of the champion's;
    else PASS. Each guard separately keeps the policy's false alarm rate.
    """
    verdicts = [_errors(legs, policy), _replays(legs, policy), _slowness(legs, policy)]
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
    undecided = next((one for one in verdicts if one.guard == "quality" and one.verdict != PASS), None)
    if needs_quality and undecided is not None:
        return Verdict(INCONCLUSIVE, undecided.guard, f"held at its share: {undecided.reason}", numbers)
    return Verdict(PASS, "all", f"{answered} requests at this step, and no guard failed", numbers)


def judge_champion(leg: Leg, most: float, policy: Guard) -> Verdict:
    """Judge a new champion, the leg's challenger: FAIL when significantly more than ``most`` of its requests failed.

    Errors are significant by one of two tests: too many callers have one (the e-process of a challenger with callers in
    place of bad events: a healthy champion fails a caller with a probability of at most ``most``), or requests fail
    again on it that the version before answers. Latency is that of requests timed again on both versions.
    """
    timings = _timings([leg], policy)
    if timings.verdict == FAIL:
        return timings
    arm = leg.challenger
    rate = arm.failed / arm.requests if arm.requests else 0.0
    needed = -math.log(policy.false_alarms)
    by_callers = log_evidence(arm.errors, arm.callers - arm.errors, most) >= needed
    by_rows = log_evidence_of([leg.replayed.step]) >= needed
    verdict = FAIL if (by_callers or by_rows) and rate > most else INCONCLUSIVE
    reason = f"{arm.failed} of {arm.requests} requests failed ({rate:.1%}, alert threshold {most:.1%})"
    numbers = {
        "requests": arm.requests,
        "failed": arm.failed,
        "callers": arm.callers,
        "threshold": most,
        "replayed": leg.replayed.compared,
        "failed_again": leg.replayed.challenger,
        "only_the_previous_failed": leg.replayed.champion,
        "timed": timings.numbers,
    }
    return Verdict(verdict, "errors", reason, numbers)


def _errors(legs: Sequence[Leg], policy: Guard) -> Verdict:
    """Judge callers' first failures: of equal versions, the next caller to fail is any of those at risk.

    Callers who failed are at risk no more. Where the challenger's are the fewer for it, each further failure of theirs
    is the more evidence; by its share of the traffic, callers who all fail sooner or later would hide the difference.
    """
    at_risk = [
        Step(per_mille / 1000, *failures)
        for leg in legs
        for per_mille, failures in leg.failures.items()
        if 0 < per_mille < _MILLE
    ]
    steps = [_step(leg, leg.challenger.errors, leg.champion.errors) for leg in legs]
    guard = EventsGuard(policy.false_alarms, policy.errors)
    verdict = guard.judge(steps, at_risk)
    numbers = {
        "challenger": [sum(step.challenger for step in steps), sum(step.challenger_requests for step in steps)],
        "champion": [sum(step.champion for step in steps), sum(step.champion_requests for step in steps)],
    }
    weak = "" if verdict.verdict == FAIL else _weakness(legs, policy)
    return Verdict(verdict.verdict, "errors", f"errors: {verdict.reason}{weak}", numbers)


@cache
def _callers_needed(share: float, false_alarms: float) -> int | None:
    """Return how many callers of the challenger alone must fail; None when no number is enough."""
    enough = -math.log(false_alarms)
    return next((n for n in range(1, _MOST_NEEDED) if log_evidence(n, 0, share) >= enough), None)


def _weakness(legs: Sequence[Leg], policy: Guard) -> str:
    """Return what few callers cannot show, empty when an error of one caller in twenty would be found."""
    callers = sum(leg.challenger.callers for leg in legs)
    share = legs[-1].share / 100 if legs else _EVEN
    needed = _callers_needed(share, policy.false_alarms)
    if needed is None:
        return (
            f"; with {share:.0%} of the traffic, no number of callers shows errors: the champion has too few requests"
        )
    if callers >= needed * _FEW:
        return ""
    who = f"{callers} callers of the challenger are"
    if callers < needed:
        return f"; {who} too few to find errors by: {needed} must have one"
    return f"; {who} weak evidence: errors are found when at least {needed} have one"


def _replays(legs: Sequence[Leg], policy: Guard) -> Verdict:
    """Judge failed requests that were tried again on both versions: the same rows at the same time, whoever sent them.

    Of equal versions either is as likely to be the only one that fails again, even if all rows are one caller's. The
    excess is that of failed requests.
    """
    pairs = reduce(Pairs.plus, (leg.replayed for leg in legs), Pairs())
    steps = [
        Step(
            leg.share / 100,
            leg.challenger.failed,
            leg.champion.failed,
            leg.challenger.requests,
            leg.champion.requests,
        )
        for leg in legs
    ]
    excess, found = excess_of(steps), log_evidence_of([pairs.step])
    fails = excess is not None and excess >= policy.errors and found >= -math.log(policy.false_alarms)
    rows = f"{pairs.challenger} requests failed again on the challenger only, {pairs.champion} on the champion only"
    reason = f"replays: of {pairs.compared} failed requests tried again on both versions, {rows}"
    return Verdict(FAIL if fails else INCONCLUSIVE, "replays", reason, asdict(pairs))


def _slowness(legs: Sequence[Leg], policy: Guard) -> Verdict:
    """Judge requests timed again on both versions, and the latencies of callers, each leg by itself.

    A caller counts in every leg, so that legs are not independent. The timings have half of the policy's false alarm
    rate, the n-th leg 1 / 2^(n + 1) of it: together they keep it, however they depend.
    """
    found = _timings(legs, policy)
    if found.verdict == FAIL:
        return found
    for number, leg in enumerate(legs, 2):
        verdict = EventsGuard(policy.false_alarms / 2**number, policy.slow).judge([leg.slow.step])
        limit = "unknown" if leg.slow_ms is None else f"{leg.slow_ms:.3g} ms"
        pairs = f"{leg.slow.compared} pairs, slow above {limit}"
        numbers = {**asdict(leg.slow), "slow_ms": leg.slow_ms, "timed": _timings(legs, policy).numbers}
        found = Verdict(verdict.verdict, "latency", f"latency: {verdict.reason}; {pairs}", numbers)
        if verdict.verdict == FAIL:
            break
    return found


def _timings(legs: Sequence[Leg], policy: Guard) -> Verdict:
    """Judge answered requests that were timed again on both versions: the same rows at the same time."""
    pairs = reduce(Pairs.plus, (leg.timed for leg in legs), Pairs())
    verdict = EventsGuard(policy.false_alarms / 2, policy.slow).judge([pairs.step])
    slower = f"over {policy.slower:g} times slower"
    rows = f"the new version was {slower} in {pairs.challenger}, the other one in {pairs.champion}"
    reason = f"latency: of {pairs.compared} requests timed again on both versions, {rows}; {verdict.reason}"
    return Verdict(verdict.verdict, "latency", reason, asdict(pairs))


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
