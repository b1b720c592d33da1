"""The rate at which labels are flipped at random, estimated among the rows that a model is most certain of.

Where each label is flipped with probability r, a share of wrong labels e becomes ``r + (1 - 2 r) e``, and so does the
share of positives (Liu and Tao 2016, Classification with Noisy Labels by Importance Reweighting, section 4; as a model
of responses: Hausman, Abrevaya and Scott-Morton 1998). Both are observed, in all rows and in the most certain ones; r
is the rate that explains both (the method of moments).

What is unknown is e, the share that would be wrong without flips. A season changes it: where more rows are positive,
fewer are certainly negative. Two forecasts of it are combined (Bates and Granger 1969, The Combination of Forecasts),
because each fails in some seasons: the share among the earlier rows, and that share times the growth which a model of
the earlier rows expects, once its level is set to the new share of positives ("calibration in the large", Cox 1958).
The growth is a ratio of two expectations of models, as in indirect standardization: where such models are too certain
of themselves, both are too small. No forecast may explain everything: the rate that the earlier share alone gives has a
limit too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import hypot, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelops_pipelines.core.improve.guards.logistic import logit, sigmoid, solved

Floats = NDArray[np.float64]

CERTAIN = 0.25
"""The share of rows that the model is most certain of."""
OF_MODEL = 2 / 3
"""The weight of the model's forecast; the rest is for the earlier share."""
MARGIN, MARGIN_OF_ALL_SEASONS, Z = 0.028, 0.06, 1.645
"""The least rates, beside the season and with it, and by how many standard errors of wrong labels, to be refused."""
HALF, SMALL, STEPS = 0.5, 1e-6, 24


@dataclass(frozen=True)
class Share:
    """The share of wrong labels among the ``rows`` that are most certain."""

    wrong: float
    rows: int

    @property
    def variance(self) -> float:
        """The variance of the share, with one more of each outcome (Agresti and Caffo 2000)."""
        p = (self.wrong * self.rows + 1) / (self.rows + 2)
        return p * (1 - p) / (self.rows + 2)


@dataclass(frozen=True)
class FlipRate:
    """The estimated rate, and what it is from: wrong labels now and before, and what the season makes of them.

    Without flips ``season`` times the share before is expected to be wrong.
    """

    rate: float
    now: Share
    before: Share
    season: float

    @property
    def error(self) -> float:
        """The standard error of how many more labels are wrong than expected."""
        return grown_error(self.now, self.before, self.season)

    @property
    def with_season(self) -> float:
        """The rate if the season had changed nothing."""
        return (self.now.wrong - self.before.wrong) / max(1 - 2 * self.before.wrong, SMALL)

    @property
    def expected(self) -> float:
        """The share of wrong labels that is expected without flips."""
        return self.season * self.before.wrong

    @property
    def numbers(self) -> dict[str, Any]:
        """What a guard's result says of it."""
        earlier = {"wrong_before": self.before.wrong, "rows_before": self.before.rows}
        rates = {"flip_rate": self.rate, "flip_rate_with_season": self.with_season}
        return {**vars(self.now), **earlier, "expected": self.expected, "error": self.error, **rates}

    @property
    def failed(self) -> bool:
        """Whether the rate is too large, and not by chance."""
        beside_season = self.rate > MARGIN and self.now.wrong - self.expected > Z * self.error
        grown = self.now.wrong - self.before.wrong > Z * grown_error(self.now, self.before, 1.0)
        return beside_season or (self.with_season > MARGIN_OF_ALL_SEASONS and grown)


def most_certain(own: Floats, outcome: Floats, share: float = CERTAIN) -> Share:
    """Return the share of wrong labels among the rows whose probability ``own`` is farthest from a half."""
    alike = float(np.ptp(own)) == 0  # no row is more certain than another
    n = len(own) if alike else _count(share, len(own))
    most = np.argsort(-np.abs(own - HALF), kind="stable")[:n]
    return Share(float(np.mean((own[most] >= HALF) != (outcome[most] > HALF))), n)


def grown_error(now: Share, before: Share, season: float) -> float:
    """Return the standard error of the share of wrong labels now less ``season`` times the share before."""
    return hypot(sqrt(now.variance), season * sqrt(before.variance))


def flip_rate(
    now: tuple[Floats, Floats], before: tuple[Floats, Floats], other: Floats | None, share: float = CERTAIN
) -> FlipRate:
    """Return the rate at which the outcomes of ``now`` are flipped, 0 where no more are wrong than expected.

    ``now`` and ``before`` are each row's cross-fitted probability and its outcome, 0 or 1; ``other`` is the probability
    of the rows of now by a model of the rows before. Without it the earlier share alone is what is expected.

    Of more than two classes, where an outcome is whether the label is the class that a model says, the rate is
    approximate: a flip is taken to make every wrong label right.
    """
    observed, earlier = (most_certain(*rows, share) for rows in (now, before))
    factor = _factor(other, before, share)
    positive = float(now[1].mean())

    def unexplained(rate: float) -> float:
        return observed.wrong - rate - (1 - 2 * rate) * factor((positive - rate) / (1 - 2 * rate)) * earlier.wrong

    most = min(positive, 1 - positive, HALF - SMALL)  # at a higher rate there would be more of the rarer outcome
    return FlipRate(_root(unexplained, most), observed, earlier, factor(positive))


def _factor(other: Floats | None, before: tuple[Floats, Floats], share: float) -> Callable[[float], float]:
    """Return how many times the earlier share is expected to be wrong without flips, by the share of positives."""
    if other is None:
        return lambda _positive: 1.0
    now, then = logit(other), _expected(logit(before[0]), float(before[1].mean()), share)
    return lambda positive: 1 - OF_MODEL + OF_MODEL * _expected(now, positive, share) / then


def _expected(of: Floats, positive: float, share: float) -> float:
    """Return the share of wrong labels in the most certain rows that logits say, with their level set to positives."""
    rate = np.full(len(of), min(max(positive, SMALL), 1 - SMALL))
    level = solved(np.ones((len(of), 1)), rate, of, SMALL)
    says = sigmoid(of + level[0])
    n = _count(share, len(of))
    return float(np.partition(np.minimum(says, 1 - says), n - 1)[:n].mean())


def _count(share: float, rows: int) -> int:
    return max(1, round(share * rows))


def _root(falling: Callable[[float], float], most: float) -> float:
    """Return where a function from 0 to ``most`` changes its sign, by halving; an end where it does not."""
    if falling(0.0) <= 0:
        return 0.0
    low, high = 0.0, most
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return high
