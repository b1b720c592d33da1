"""A column's last days: which of them are compared, and what each day's values are on average."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from modelops_pipelines.core.drift.seasonal_reference import DAY, EVERYTHING, Eligible, Hours
from modelops_pipelines.core.profiles.profile import Floats
from modelops_pipelines.core.profiles.profile_stack import Stack

LEAST_ROWS = 30
"""Values of a day, at least: others are left out."""
HEAP = 5.0
"""Standard deviations of a bin's count of a day to which it is clipped."""
ROUNDS = 4


@dataclass(frozen=True, eq=False)
class Days:
    """A column's days: the eligible ones before a window's day, in order, and that day as the last.

    ``number`` has the days since 1970, of shape (m,). The last ``recent`` of them follow each other without a day that
    is not eligible, and may be those of a shift. The first ``reference`` may be compared with.
    """

    number: Hours
    stack: Stack
    recent: int
    reference: int

    @classmethod
    def before(cls, at: Hours, stack: Stack, start: int, days: int, eligible: Eligible = EVERYTHING) -> Self | None:
        """Return the day that starts at hour ``start``, and the eligible ones of the ``days`` before it.

        ``at`` (ascending, of shape (m,)) has the hours, or the first hours of the days, of ``stack``. None without
        values on the day.
        """
        first = eligible.first_day(start // DAY, days) * DAY
        low, high = np.searchsorted(at, [first, start + DAY]).tolist()
        number, firsts = np.unique(at[low:high] // DAY, return_index=True)
        if not len(number) or number[-1] != start // DAY:
            return None
        within = stack.between(low, high)
        if len(number) < high - low:
            within = within.merged(firsts, np.append(firsts[1:], high - low))
        allowed = np.append(eligible.allows(number[:-1] * DAY, DAY), True)
        kept = np.flatnonzero(allowed & (within.present >= LEAST_ROWS))
        if not len(kept) or kept[-1] != len(number) - 1:
            return None
        after_last_drift = int(np.flatnonzero(np.append(True, ~allowed))[-1])
        recent = int(np.count_nonzero(kept >= after_last_drift))
        return cls(number[kept], within.take(kept), recent, len(kept))

    def after(self, at: Hours, stack: Stack, days: int) -> Self | None:
        """Return the last of these days, compared with the last ``days`` days of a training set alone.

        ``at`` has the first hours of the training set's days. None where all of these are later.
        """
        first = int(self.number[-self.recent])
        number = at // DAY
        kept = np.flatnonzero((number < first) & (number >= number[-1] + 1 - days) & (stack.present >= LEAST_ROWS))
        if not len(kept):
            return None
        own = self.stack.take(range(len(self.number) - self.recent, len(self.number)))
        joined = stack.take(kept).joined(own)
        return type(self)(np.append(number[kept], self.number[-self.recent :]), joined, self.recent, len(kept))

    def scores(self) -> Floats | None:
        """Return each window's mean normal score, in standard deviations of the scores, of shape (m,).

        The scores are those of the bins' middle ranks among the windows before the last; None without different values.
        """
        from scipy.special import ndtri

        counts = _without_heaps(self.stack.counts)
        pooled = counts[:-1].sum(axis=0)
        n = pooled.sum()
        if not n:
            return None
        rank = (np.cumsum(pooled) - pooled / 2) / n
        scores = ndtri(np.clip(rank, 0.5 / n, 1 - 0.5 / n))
        mean = float(pooled @ scores) / n
        spread = float(np.sqrt(max(0.0, pooled @ (scores - mean) ** 2 / n)))
        if spread <= 0:
            return None
        return np.asarray(counts @ (scores - mean) / np.maximum(counts.sum(axis=1), 1) / spread, np.float64)


def _without_heaps(counts: Floats) -> Floats:
    """Clip each day's count of a bin to what such a bin may have by chance, of shape (days, bins).

    So an order or a caller with hundreds of equal values counts as a few. The variance of counts is a multiple of that
    of independent values, estimated from all cells.
    """
    n = counts.sum(axis=1)
    share = counts[:-1].sum(axis=0) / max(n[:-1].sum(), 1)
    expected = n[:, None] * share
    squared = (counts - expected) ** 2 / (expected + 1)
    multiple = float(squared.mean())
    for _ in range(ROUNDS):
        multiple = float(np.minimum(squared, HEAP**2 * multiple).mean())
    limit = expected + HEAP * np.sqrt((expected + 1) * max(multiple, 1.0))
    return np.asarray(np.minimum(counts, limit), np.float64)
