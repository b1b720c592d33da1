"""Whether a metric has become worse by more than it always varies, judged on its own past.

A series has one number a window. Windows that follow each other are alike (a stormy week), so the noise of a mean of k
windows is that of fewer independent ones: k (1 - r) / (1 + r), with r the correlation of neighbours (the variance of a
mean of a first-order autoregressive series: Wilks 2011, Statistical Methods in the Atmospheric Sciences, 5.2.4). Rows
are not counted: those of one day are no independent evidence.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from math import isfinite, sqrt
from statistics import fmean, median
from typing import Any

Z = 3.0
"""Standard errors: chance alone gives as much once in 700 judgements."""
_MAD_TO_SD = 1.4826
_MOST_ALIKE = 0.95
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Fall:
    """How far a metric has become worse: ``fallen`` None is not judged, and ``why`` says why."""

    metric: str
    fallen: bool | None
    why: str
    before: float | None = None
    since: float | None = None
    noise: float | None = None
    windows_before: int = 0
    windows_since: int = 0

    def numbers(self) -> dict[str, Any]:
        """Return every number by its name."""
        return asdict(self)


@dataclass(frozen=True)
class Needed:
    """How many windows before and since a judgement needs, how many of the latest at most are judged, and its limit.

    ``z`` is in standard errors; what is judged again and again needs more of them.
    """

    before: int = 14
    since: int = 3
    most_since: int = 14
    z: float = Z


def judge_fall(
    metric: str,
    before: Sequence[float],
    since: Sequence[float],
    *,
    lower_is_better: bool,
    needed: Needed = Needed(),
) -> Fall:
    """Judge whether the mean of the windows since is worse than that before by more than ``needed.z`` standard errors.

    Both are in order of time; numbers that are not finite do not count. The spread of a window is the larger of the
    median absolute deviation, which outliers do not move, and half the standard deviation, which a series of equal
    values with rare leaps still has.
    """
    known, latest = [x for x in before if isfinite(x)], [x for x in since if isfinite(x)][-needed.most_since :]
    counts = {"windows_before": len(known), "windows_since": len(latest)}
    if len(known) < needed.before or len(latest) < needed.since:
        lack = f"{len(known)} earlier and {len(latest)} new windows with {metric}"
        return Fall(metric, None, f"{lack}; {needed.before} and {needed.since} are needed", **counts)
    usual, now = fmean(known), fmean(latest)
    worse = now - usual if lower_is_better else usual - now
    noise = _noise(known, len(latest))
    fallen = bool(worse > needed.z * noise + _ROUNDING)
    why = f"{metric} {now:.4f}, before {usual:.4f}, limit {needed.z:g} times the noise of {noise:.4f}"
    return Fall(metric, fallen, why, usual, now, noise, **counts)


def _noise(values: Sequence[float], count: int) -> float:
    """Return the standard error of the difference of a mean of ``count`` windows and the mean of these.

    The correlation in a short series is too low by about (1 + 4 r) / n (Kendall 1954), which is added.
    """
    found = _correlation_of_neighbours(values)
    alike = min(_MOST_ALIKE, max(0.0, found + (1 + 4 * found) / len(values)))
    share = (1 - alike) / (1 + alike)
    return _spread(values) * sqrt(1 / max(1.0, count * share) + 1 / max(1.0, len(values) * share))


def _spread(values: Sequence[float]) -> float:
    middle, mean = median(values), fmean(values)
    deviation = sqrt(sum((x - mean) ** 2 for x in values) / (len(values) - 1))
    return max(_MAD_TO_SD * median(abs(x - middle) for x in values), deviation / 2)


def _correlation_of_neighbours(values: Sequence[float]) -> float:
    mean = fmean(values)
    around = [x - mean for x in values]
    total = sum(x * x for x in around)
    return sum(a * b for a, b in pairwise(around)) / total if total > 0 else 0.0
