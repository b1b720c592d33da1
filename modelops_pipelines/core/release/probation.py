"""The probation of a new champion: its loss on labelled rows compared with the champion before, on the same rows."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from modelops_pipelines.core.endpoints.spec import Guard
from modelops_pipelines.core.release.guards import SLOWEST, Verdict, pace
from modelops_pipelines.core.release.sequential_tests import FAIL, FEWEST_ROWS, INCONCLUSIVE, PASS, Moments
from modelops_pipelines.core.release.shadow import paired_difference

SMALLEST_PROBABILITY = 1e-15
PLANNED_CALLERS = 300
"""Callers with labels at which the interval is tightest: fewer than a trial's, because a champion harms everybody."""


@dataclass(frozen=True)
class Loss:
    """How an endpoint's losses are computed: squared error, log-loss, or the share of wrong answers.

    ``positive`` is the label that the score is the probability of; None without such a score.
    """

    regression: bool
    positive: str | None

    def of(self, prediction: object, score: float | None, label: object) -> float | None:
        """Return one answer's loss (queries/trial_losses.sql computes the same); None when it has none."""
        if prediction is None or label is None:
            return None
        if self.regression:
            error = float(str(prediction)) - float(str(label))
            return error**2 if math.isfinite(error) else None
        if self.positive is not None and score is not None and math.isfinite(score):
            probability = score if str(label) == self.positive else 1 - score
            return -math.log(max(SMALLEST_PROBABILITY, probability))
        return float(str(prediction) != str(label))


@dataclass(frozen=True)
class PairedAnswer:
    """The losses of the new champion and of the one before on the same row of a caller."""

    caller: str
    new: float
    previous: float


def judge_new_losses(answers: Iterable[PairedAnswer], policy: Guard) -> Verdict:
    """Judge a new champion by the differences of losses, row by row, with callers as clusters, valid at every look.

    FAIL when it is worse by more than ``loss`` times the previous champion's loss, PASS when it is not worse by that
    much, both at the policy's false alarm rate; else INCONCLUSIVE.
    """
    sums: dict[str, tuple[float, int]] = {}
    new = previous = 0.0
    for one in answers:
        total, rows = sums.get(one.caller, (0.0, 0))
        sums[one.caller] = (total + one.new - one.previous, rows + 1)
        new, previous = new + one.new, previous + one.previous
    rows = sum(size for _, size in sums.values())
    moments = Moments.of_clusters(
        len(sums),
        rows,
        math.fsum(total for total, _ in sums.values()),
        math.fsum(total**2 for total, _ in sums.values()),
        math.fsum(total * size for total, size in sums.values()),
        math.fsum(size**2 for _, size in sums.values()),
    )
    numbers = {
        "labelled_rows": rows,
        "labelled_callers": len(sums),
        "loss": new / rows if rows else None,
        "previous_loss": previous / rows if rows else None,
    }
    interval = paired_difference(moments, planned=PLANNED_CALLERS, alpha=policy.false_alarms)
    if interval is None:
        reason = f"quality: {len(sums)} callers with labelled answers, but {FEWEST_ROWS} are required"
        return Verdict(INCONCLUSIVE, "quality", reason, numbers)
    tolerance = policy.loss * max(0.0, previous / rows)
    verdict = FAIL if interval.lower > tolerance else PASS if interval.upper < tolerance else INCONCLUSIVE
    reason = (
        f"quality: loss {new / rows:.4g} per labelled answer, the previous champion's {previous / rows:.4g} on the "
        f"same {rows} rows of {len(sums)} callers (difference {interval.lower:+.4g} to {interval.upper:+.4g}, "
        f"tolerance {tolerance:.4g})"
    )
    bounds = {"lower": interval.lower, "upper": interval.upper, "tolerance": tolerance}
    return Verdict(verdict, "quality", reason, {**numbers, **bounds})


def probation_pace(since: datetime, now: datetime, policy: Guard) -> timedelta | None:
    """Return the time between two judgements of a new champion's quality; None after its probation."""
    age = now - since
    if age >= policy.probation:
        return None
    return pace(policy.watch) if age < policy.watch else SLOWEST
