"""What is usual in a column, from the hours of the days before: its range, categories, gaps, and repeated values.

Usual is what occurred more than once, so that one wild row or one unusual hour does not hide later faults.
"""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from modelops_pipelines.core.profiles.profile import ColumnBins, Floats, Kind
from modelops_pipelines.core.profiles.profile_stack import Stack
from modelops_pipelines.core.profiles.quantiles import Places

MARGIN = 0.12
"""How far outside the usual range a value may be, as a fraction of the range's width."""
GAPS = 0.25
"""Excess over the usual share of missing values that is anomalous."""
SPAN = 50
"""The fewest rows of a span: the days before are split into hours, and small hours are joined."""
EDGE = 0.1
"""Share of a span's values at each end that does not count towards its range; at most FEWEST values."""
WILD_SPANS = 2
"""Spans (at most one in twenty) that do not count towards the usual range when they are wild:"""
WILD = 3.0
"""outside the range of the other spans by more than this many times its width."""
KNOWN_HOURS = 3
"""Hours in which a category must occur to be known; fewer, down to one, when there are under 20 hours for each."""
KNOWN = 0.01
"""Share of the rows from which a category is known, regardless of the number of hours."""
FEWEST = 33
"""The fewest values for a share."""


@dataclass(frozen=True)
class Usual:
    """The usual values of a column on the days before.

    ``low``, ``high`` and ``room`` (the margin around them) are in the column's unit, None without numbers; ``known``
    are the known categories, None if these cannot be determined; ``rare`` is the share of values of other categories,
    and ``missing`` the share of missing values; ``constant`` is the share of numbers in the fullest bin.
    """

    kind: Kind
    low: float | None
    high: float | None
    known: frozenset[str] | None
    rare: float
    missing: float
    room: float = 0.0
    constant: float = 1.0

    @property
    def least(self) -> float:
        """The lowest value that is in range, ``room`` included.

        Where positive values may be so small that ``room`` reaches 0, the margin is a ratio: a hundredth of a price is
        out of range, and so are zeros and a flipped sign.
        """
        return _limit(self.low, self.high, self.room)

    @property
    def most(self) -> float:
        """The highest value that is in range, ``room`` included."""
        low, high = None if self.high is None else -self.high, None if self.low is None else -self.low
        return -_limit(low, high, self.room)

    def widened(self, today: Stack) -> Self:
        """Return what is usual after some more hours, which widen the range if they are close to it."""
        if self.low is None or self.high is None or today.n.sum() < FEWEST:
            return self
        usual = self
        for least, most in zip(*_inner(today, _spans(today.n)), strict=True):
            usual = usual.widened_to(float(least), float(most))
        return usual

    def widened_to(self, least: float, most: float) -> Self:
        """Return the range widened to these values, at each end where they are within the margin."""
        if self.low is None or self.high is None:
            return self
        low = min(self.low, least) if least >= self.least else self.low
        high = max(self.high, most) if most <= self.most else self.high
        return replace(self, low=low, high=high)


def usual_of(history: Stack) -> Usual | None:
    """Return what is usual in a column's hours of the days before; None without rows."""
    spans = _spans(history.n)
    if not len(spans):
        return None
    missing = np.add.reduceat(history.missing, spans) / np.add.reduceat(history.n, spans)
    low, high = _range(history, spans) if history.bins.kind == "numeric" else (None, None)
    known, rare = _known(history) if history.bins.kind == "categorical" else (None, 0.0)
    room = MARGIN * (high - low) if low is not None and high is not None else 0.0
    gaps, constant = _without_wild(missing), _constant(history, spans)
    return Usual(history.bins.kind, low, high, known, rare, gaps, room, constant)


def _without_wild(shares: Floats) -> float:
    """Return the largest share of the spans, without a few that are far above all others: hours of a fault."""
    wild = min(WILD_SPANS, len(shares) // 20)
    next_ = np.partition(shares, -1 - wild)[-1 - wild]
    return float(shares[shares < next_ + GAPS].max())


def _constant(history: Stack, spans: Places) -> float:
    """Return the share of the fullest bin in a span; 1 for strings."""
    if history.bins.kind != "numeric":
        return 1.0
    counts = np.add.reduceat(history.counts, spans, axis=0)
    n = counts.sum(axis=1)
    return _without_wild(counts[n > 0].max(axis=1) / n[n > 0]) if n.any() else 1.0


def _limit(low: float | None, high: float | None, room: float) -> float:
    """Return ``low`` minus its margin."""
    if low is None or high is None:
        return -np.inf
    return low * (low / high) ** MARGIN if 0 < low < high and low <= room else low - room


def _spans(n: Floats) -> Places:
    """Return the start of each span: hours, small ones joined with the next ones, the last with the previous ones."""
    rows = np.concatenate([[0.0], np.cumsum(n)])
    starts: list[int] = []
    at, total = 0, rows[-1]
    while rows[at] < total and (not starts or total - rows[at] >= SPAN):
        starts.append(at)
        at = int(np.searchsorted(rows, min(rows[at] + SPAN, total)))
    return np.asarray(starts, np.intp)


def _range(history: Stack, spans: Places) -> tuple[float, float] | tuple[None, None]:
    """Return the range of the spans' values, without the outer values of each span and without wild spans."""
    low, high = _inner(history, spans)
    if not len(low):
        return None, None
    wild = min(WILD_SPANS, len(low) // 20)
    third_low, third_high = np.partition(low, wild)[wild], np.partition(high, -1 - wild)[-1 - wild]
    room = WILD * (third_high - third_low)
    return float(low[low >= third_low - room].min()), float(high[high <= third_high + room].max())


def _inner(history: Stack, spans: Places) -> tuple[Floats, Floats]:
    """Return the range of the values of each non-empty span, without its outer values."""
    counts = np.add.reduceat(history.counts, spans, axis=0)
    filled = np.flatnonzero(counts.sum(axis=1))
    below = np.cumsum(counts[filled], axis=1)
    n = below[:, -1:]
    edge = np.minimum(EDGE * n, FEWEST)
    means = np.add.reduceat(history.sums, spans, axis=0)[filled] / np.maximum(counts[filled], 1) + history.bins.centre
    least, most = np.fmin.reduceat(history.minimum, spans)[filled], np.fmax.reduceat(history.maximum, spans)[filled]
    rows = np.arange(len(filled))
    lows, highs = _ends(means, least, most, history.bins)
    return lows[rows, np.argmax(below > edge, axis=1)], highs[rows, np.argmax(below >= n - edge, axis=1)]


def _ends(means: Floats, least: Floats, most: Floats, bins: ColumnBins) -> tuple[Floats, Floats]:
    """Return the lowest and highest values of each span by bin.

    Bins are narrow, so the mean of a bin's values stands for both. The outermost bins use the span's extremes.
    """
    low, high = means.copy(), means.copy()
    low[:, 0], high[:, -1] = least, most
    if bins.edges:
        low[:, -1], high[:, 0] = np.maximum(least, bins.edges[-1]), np.minimum(most, bins.edges[0])
    return low, high


def _known(history: Stack) -> tuple[frozenset[str] | None, float]:
    """Return the known categories, and the share of others; None when most other values have no name."""
    new: Counter[str] = Counter()
    hours: Counter[str] = Counter()
    for one in history.new:
        new.update(one)
        hours.update(one.keys())
    total = history.present.sum()
    if not total or history.other.sum() > new.total():
        return None, 0.0
    counts = dict(zip(history.bins.categories, history.counts.sum(axis=0).tolist(), strict=True)) | new
    often = dict(zip(history.bins.categories, (history.counts > 0).sum(axis=0).tolist(), strict=True)) | hours
    least = min(KNOWN_HOURS, 1 + len(history) // 20)
    known = frozenset(name for name, n in counts.items() if n and (often[name] >= least or n >= KNOWN * total))
    return known, 1 - sum(counts[name] for name in known) / float(total)
