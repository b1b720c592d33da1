"""Leave-one-out distances: each reference window from the windows of the other days, and one window from all of them.

The vectorised form of ``core/drift/distances.py``, for many windows at once. No thresholds here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from modelops_pipelines.core.drift.distances import MINIMUM_SPREAD
from modelops_pipelines.core.drift.seasonal_reference import Hours, SeasonReference
from modelops_pipelines.core.profiles.profile import Floats, Profile
from modelops_pipelines.core.profiles.profile_stack import Stack

Measure = Callable[[Floats, Floats], Floats]

TAILS = (5, 95)
"""Percentiles of the windows' minima and maxima to which values are clipped, so that one wild row has no effect."""
WILD = 10.0
"""A window's second moment is clipped at this many times the median one when the spread is computed."""


@dataclass(frozen=True, eq=False)
class Distances:
    """The distances of a channel: ``value`` of the window, ``others`` (m,) of the reference windows, and their sizes.

    Each of ``others`` is compared with the windows of the other days. ``unit`` is an upper bound of n times the mean
    square of the value for independent rows. ``sizes`` (m,) and ``n`` are the numbers of rows or values.
    """

    value: float
    n: float
    others: Floats
    sizes: Floats
    unit: float


@dataclass(frozen=True, eq=False)
class LeaveOneOut:
    """A window and its reference windows as rows of one array; the window is the last row."""

    windows: Stack
    days: Hours

    @classmethod
    def of(cls, current: Profile, reference: SeasonReference) -> "LeaveOneOut":
        """Append the window to its reference; raises SchemaError when their bins differ."""
        return cls(reference.windows.joined(Stack.of(reference.windows.bins, [current])), reference.days)

    def wasserstein(self) -> Distances | None:
        """Measure the numeric distance: the integral of abs(F - G) in standard deviations of the reference.

        As ``distances.wasserstein``, but values are clipped to the usual extremes of a reference window. None when
        the window, or all reference days but one, have no values. The mean square for n independent rows is at
        most (integral of sqrt(F (1 - F)))^2 / n, by Minkowski's inequality.
        """
        bins, n = self.windows.bins, self.windows.present
        if not bins.edges or not self._measurable(n):
            return None
        counts, sums = self.windows.counts, self._clipped_sums()
        right = np.asarray(bins.edges) - bins.centre
        before = np.cumsum(counts, axis=1)[:, :-1]
        inner = before[:, :-1] * np.diff(right) + counts[:, 1:-1] * right[1:] - sums[:, 1:-1]
        tails = counts[:, [0, -1]] * right[[0, -1]] - sums[:, [0, -1]]
        integrals = np.concatenate([tails, inner], axis=1)
        spread = max(self._spread(sums), MINIMUM_SPREAD)
        apart = self._apart(integrals, n, lambda a, b: np.abs(a - b).sum(axis=1)) / spread
        share = before[:-1].sum(axis=0) / n[:-1].sum()
        chance = float(np.sum(np.sqrt(share * (1 - share))[:-1] * np.diff(right))) / spread
        return self._distances(apart, n, chance**2)

    def jensen_shannon(self) -> Distances | None:
        """Measure the distance of categories or words, as ``distances.jensen_shannon``.

        All categories outside the bins count as one. None as for ``wasserstein``. For independent rows the mean
        square is (k - 1) / (8 n) to first order, with k non-empty cells of the reference.
        """
        n, text = self.windows.present, self.windows.bins.kind == "text"
        if not self._measurable(n):
            return None
        cells = self.windows.counts if text else np.column_stack([self.windows.counts, self.windows.other])
        cells = cells[:, cells.any(axis=0)]
        apart = self._apart(cells, cells.sum(axis=1), _jensen_shannon)
        words = cells[:-1].sum() / n[:-1].sum()
        filled = np.count_nonzero(cells[:-1].any(axis=0))
        return self._distances(apart, n, (filled - 1) / 8 / words)

    def shares(self, part: Floats, whole: Floats) -> Distances | None:
        """Measure the signed change of the share part / whole (0 .. 1, both of shape (m + 1,)).

        None as for ``wasserstein``. For independent rows the mean square is p (1 - p) / n; half a row is added to p
        so that a share of 0 has a variance.
        """
        if not self._measurable(whole):
            return None
        apart = self._apart(part[:, None], whole, lambda a, b: (a - b)[:, 0])
        p = (part[:-1].sum() + 0.5) / (whole[:-1].sum() + 1)
        return self._distances(apart, whole, p * (1 - p))

    @cached_property
    def _numbers(self) -> Hours:
        """Return the index of each reference window's day among the days, of shape (m,)."""
        return np.asarray(np.unique(self.days, return_inverse=True)[1], np.int64)

    def _measurable(self, n: Floats) -> bool:
        filled = n[:-1] > 0
        return bool(n[-1] > 0) and len(np.unique(self.days[filled])) > 1

    def _distances(self, apart: Floats, n: Floats, unit: float) -> Distances:
        kept = n[:-1] > 0
        return Distances(float(apart[-1]), float(n[-1]), apart[:-1][kept], n[:-1][kept], unit)

    def _apart(self, amounts: Floats, n: Floats, measure: Measure) -> Floats:
        """Compare each window's amounts / n with those of the other days; the last with all days."""
        last = int(self._numbers.max()) + 1
        of_day = np.zeros((last + 1, amounts.shape[1] + 1))
        both = np.column_stack([amounts, n])
        np.add.at(of_day, self._numbers, both[:-1])
        rest = of_day.sum(axis=0) - of_day
        theirs = rest[:, :-1] / np.maximum(rest[:, -1:], 1)
        return measure(amounts / np.maximum(n, 1)[:, None], theirs[np.append(self._numbers, last)])

    def _clipped_sums(self) -> Floats:
        """Return the sums of ``x - centre`` per bin, with the tails clipped to the usual extremes of a window."""
        bins, counts, sums = self.windows.bins, self.windows.counts, self.windows.sums.copy()
        filled = self.windows.present[:-1] > 0
        low = np.percentile(self.windows.minimum[:-1][filled], TAILS[0], method="higher") - bins.centre
        high = np.percentile(self.windows.maximum[:-1][filled], TAILS[1], method="lower") - bins.centre
        sums[:, 0] = np.maximum(sums[:, 0], counts[:, 0] * min(low, bins.edges[0] - bins.centre))
        sums[:, -1] = np.minimum(sums[:, -1], counts[:, -1] * max(high, bins.edges[-1] - bins.centre))
        return sums

    def _spread(self, sums: Floats) -> float:
        """Return the standard deviation of the reference, with second moments clipped at ``WILD`` median ones."""
        n = self.windows.present[:-1]
        kept = n > 0
        n, total, squares = n[kept], sums[:-1].sum(axis=1)[kept], self.windows.squares[:-1][kept]
        centre = np.median(total / n)
        moments = np.maximum(squares / n - 2 * centre * total / n + centre**2, 0)
        limit = WILD * np.median(moments)
        moments = np.minimum(moments, limit) if limit > 0 else moments
        return float(np.sqrt(np.average(moments, weights=n)))


def _jensen_shannon(a: Floats, b: Floats) -> Floats:
    """Return the Jensen-Shannon distance between the rows of two arrays, each row normalised to 1 first."""
    p, q = (each / np.maximum(each.sum(axis=1, keepdims=True), 1e-300) for each in (a, b))
    middle = (p + q) / 2
    divergence = (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2
    return np.asarray(np.sqrt(np.maximum(divergence, 0)), np.float64)


def _relative_entropy(p: Floats, q: Floats) -> Floats:
    safe = np.where(p > 0, p / np.where(q > 0, q, 1), 1)
    return np.asarray(np.sum(p * np.log(safe), axis=1), np.float64)
