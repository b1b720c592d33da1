"""Small lasting shifts of a numeric column: the last days together, compared with the days before them.

A step of three or four times what days vary by is too small for a single day's test and certain within a week. The
test is a window-limited generalised likelihood ratio for a change of the mean (Lai, "Sequential changepoint detection
in quality control and dynamical systems", JRSS B 57, 1995): the last 2, 3, 5, .. days against all earlier ones, the
most significant of these spans. Mean and spread are estimated from the days before the span, as in self-starting
charts (Hawkins, The Statistician 36, 1987). A day is its mean normal score (van der Waerden), so that neither units nor
heavy tails matter; its deviation is clipped (Huber's psi), so that one outlying day, or one large order, is no shift;
and the variance of a sum allows for days that resemble the day before.

Nothing is kept from day to day: a window judged again gives what it gave.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modelops_pipelines.core.drift.channels.days import Days
from modelops_pipelines.core.drift.null_distribution import fitted
from modelops_pipelines.core.drift.seasonal_reference import DAY, Hours, Matching, weekend
from modelops_pipelines.core.profiles.profile import Floats
from modelops_pipelines.core.profiles.profile_stack import Stack

SPANS = np.array([2, 3, 4, 5, 7, 10])
"""Days of the spans that are compared with the days before them."""
MOST_DAYS = int(SPANS[-1])
FEWEST = 4
"""Earlier days of the same kind (working day or weekend) that a day is compared with, at least."""
CLIPPED = 3.0
"""Ordinary deviations to which a day's deviation is clipped."""
OUTLYING = 9.0
"""Squared deviations are clipped at this many times their mean when the spread is estimated."""
LIKE_BEFORE = 0.2
"""Correlation of a day with the day before, where few days are known."""
BELIEF = 10
"""Days that ``LIKE_BEFORE`` counts as."""
MOST_ALIKE = 0.8
LEAST_SPREAD = 0.005
"""Smallest spread of days, in standard deviations of the values."""
ROUNDS = 4


@dataclass(frozen=True)
class LastingShift:
    """The most significant shift of the last days, in standard deviations of the column's values (signed).

    ``shift`` is the median of ``days`` days, the first of which starts at hour ``since``; ``scale`` is its standard
    error; ``p_value`` takes the number of spans tried into account; ``freedom`` are the degrees of Student's t.
    ``today`` is the shift of the last day alone, and ``ordinary`` what is ordinary for one such day.
    """

    shift: float
    scale: float
    p_value: float
    freedom: int
    spans: int
    days: int
    since: int
    today: float
    ordinary: float

    def shift_at(self, level: float) -> float:
        """Return the shift whose p-value is ``level``."""
        from scipy.special import stdtrit

        return self.scale * -float(stdtrit(self.freedom, level / self.spans / 2))


def lasting_shift(days: Days) -> LastingShift | None:
    """Test the last days of a numeric column for a shift; None with too few days to compare with.

    Only the day itself is measured (a p-value of 1) when there is no span of eligible days.
    """
    scores = days.scores()
    if scores is None or len(days.number) <= FEWEST:
        return None
    tried = SPANS[SPANS <= days.recent]
    found = _Spans(scores, days.stack.present, weekend(days.number * DAY), np.append(1, tried), days.reference)
    return found.best(days.number)


class _Spans:
    """Deviations of days from earlier days of their kind, for several spans: arrays of shape (spans, days)."""

    def __init__(
        self, x: Floats, n: Floats, kind: npt.NDArray[np.bool_], lengths: npt.NDArray[np.int64], of: int
    ) -> None:
        place = np.arange(len(x))
        # the day before is no reference of a single day: as the first of a shift it would hide the second
        first = len(x) - np.maximum(lengths, 2)[:, None]
        earlier = (place < first) & (place < of)
        same = kind[:, None] == np.array([False, True])
        self.x, self.lengths = x, lengths
        self.counts = earlier @ same.astype(np.float64)
        known = self.counts >= FEWEST
        self.judged = (place >= len(x) - lengths[:, None]) & (known @ same.T)
        self.earlier = earlier & (known @ same.T)
        self.freedom = self.earlier.sum(axis=1) - known.sum(axis=1)
        self.kinds = same
        self._standardise(n)

    def _standardise(self, n: Floats) -> None:
        centre = np.tile(self._centres(), (len(self.lengths), 1))
        relative = self._relative_variance(self.x - centre[-1] @ self.kinds.T, n, self.earlier[-1])
        root = np.sqrt(relative)
        for _ in range(ROUNDS):
            of_day = centre @ self.kinds.T
            residual = (self.x - of_day) / root
            spread = self._spread(residual)
            clipped = np.clip(residual, -CLIPPED * spread, CLIPPED * spread) * root
            moved = (np.where(self.earlier, clipped, 0.0) @ self.kinds) / np.maximum(self.counts, 1)
            centre = centre + moved
        self.centre_of_day = centre @ self.kinds.T
        self.unit = spread * root
        self.z = np.clip((self.x - self.centre_of_day) / self.unit, -CLIPPED, CLIPPED)

    def _centres(self) -> Floats:
        """Return the median of each kind of day before the longest span, of shape (2,)."""
        chosen = (self.x[self.earlier[-1] & of_kind] for of_kind in self.kinds.T)
        return np.array([np.median(of) if len(of) else 0.0 for of in chosen])

    def _relative_variance(self, residual: Floats, n: Floats, earlier: npt.NDArray[np.bool_]) -> Floats:
        """Return the variance of each day by its number of values, relative to the mean one, of shape (days,)."""
        if earlier.sum() <= FEWEST:
            return np.ones(len(n))
        a, b = fitted(residual[earlier] ** 2, 1 / n[earlier])
        variance = np.maximum(a / n + b, LEAST_SPREAD**2)
        return np.asarray(variance / variance[earlier].mean(), np.float64)

    def _spread(self, residual: Floats) -> Floats:
        """Return the clipped root mean square of earlier residuals, of shape (spans, 1)."""
        squared = np.where(self.earlier, residual**2, 0.0)
        count = np.maximum(self.freedom, 1)[:, None]
        mean = squared.sum(axis=1, keepdims=True) / count
        for _ in range(2):
            mean = np.minimum(squared, OUTLYING * mean).sum(axis=1, keepdims=True) / count
        return np.asarray(np.sqrt(np.maximum(mean, LEAST_SPREAD**2)), np.float64)

    def _alike(self) -> Floats:
        """Return the correlation of a day with the day before, of shape (spans,); few days give little weight."""
        both = self.earlier[:, 1:] & self.earlier[:, :-1]
        products = np.where(both, self.z[:, 1:] * self.z[:, :-1], 0.0).sum(axis=1)
        squares = np.where(self.earlier, self.z**2, 0.0).sum(axis=1)
        m = self.earlier.sum(axis=1)
        found = products / np.maximum(squares, 1e-9)
        unbiased = found + (1 + 3 * found) / np.maximum(m, 1)
        shrunk = (m * unbiased + BELIEF * LIKE_BEFORE) / (m + BELIEF)
        return np.asarray(np.clip(shrunk, 0.0, MOST_ALIKE), np.float64)

    def best(self, number: Hours) -> LastingShift | None:
        """Return the most significant span; the first one is the day alone, which is not tested."""
        from scipy.special import stdtr

        if self.freedom[0] < FEWEST or not self.judged[0, -1]:
            return None
        within = self.judged.sum(axis=1)
        total = np.where(self.judged, self.z, 0.0).sum(axis=1)
        variance = self._variances(within)
        t = total / np.sqrt(np.maximum(variance, 1e-9))
        tested = (within >= 2) & (self.freedom >= FEWEST)  # noqa: PLR2004 -- a span of days
        spans = int(tested.sum())
        p = np.where(tested, 2 * stdtr(np.maximum(self.freedom, 1), -np.abs(t)), 1.0)
        best = int(np.argmin(p)) if spans else 0
        shift = float(np.median((self.x - self.centre_of_day[best])[self.judged[best]]))
        scale = abs(shift / t[best]) if t[best] else float(self.unit[best, -1])
        first = int(np.flatnonzero(self.judged[best])[0])
        return LastingShift(
            shift=shift,
            scale=scale,
            p_value=min(1.0, float(p[best]) * spans) if spans else 1.0,
            freedom=int(self.freedom[best]),
            spans=max(1, spans),
            days=int(within[best]),
            since=int(number[first]) * DAY,
            today=float(self.x[-1] - self.centre_of_day[0, -1]),
            ordinary=float(self.unit[0, -1]) * float(np.sqrt(variance[0])),
        )

    def _variances(self, within: npt.NDArray[np.int64]) -> Floats:
        """Return the variance of each span's sum of standardised days, and of the means that these are from."""
        alike = self._alike()
        lag = np.arange(1, MOST_DAYS)
        weight = np.maximum(within[:, None] - lag, 0)
        own = within + 2 * (weight * alike[:, None] ** lag).sum(axis=1)
        of_kind = self.judged @ self.kinds.astype(np.float64)
        means = (of_kind**2 / np.maximum(self.counts, 1)).sum(axis=1) * (1 + alike) / (1 - alike)
        return np.asarray(own + means, np.float64)


def shifts_of(
    at: Hours, known: Mapping[str, Stack], start: int, matching: Mapping[str, Matching] | None = None
) -> dict[str, LastingShift]:
    """Return the shift of the last days of each numeric column, up to the day that starts at hour ``start``.

    ``at`` has the hours of every column's stack. Columns with too few days have none.
    """
    found: dict[str, LastingShift] = {}
    for name, stack in known.items():
        if stack.bins.kind == "numeric":
            rules = matching[name] if matching else Matching()
            days = Days.before(at, stack, start, rules.days + MOST_DAYS, rules.eligible)
            one = lasting_shift(days) if days else None
            found |= {name: one} if one else {}
    return found
