"""Sorted numbers and bin edges: the arithmetic of a numeric column's bins.

Arrays only; bins are defined in ``core/profiles/profile.py``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self, TypeAlias

import numpy as np
import numpy.typing as npt

DECILES = 10
Floats: TypeAlias = npt.NDArray[np.float64]
Places: TypeAlias = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Binned:
    """Summaries of ``m`` pieces of a column: ``counts`` and ``sums`` of shape (m, bins), the rest of shape (m,).

    ``sums`` (per bin) and ``squares`` are of values less the centre. ``minimum`` and ``maximum`` are NaN in a piece
    without a finite value.
    """

    counts: Places
    sums: Floats
    squares: Floats
    minimum: Floats
    maximum: Floats
    infinities: Places
    nulls: Places


@dataclass(frozen=True, eq=False)
class Ordered:
    """A column's values in consecutive pieces, each sorted in ascending order.

    ``values`` has shape (n,). Piece i goes from ``bounds[i]`` up to, not including, ``bounds[i + 1]``; the bounds go
    from 0 to n. NaN is a null, and a magnitude above ``largest`` is an infinity.
    """

    values: Floats
    bounds: Sequence[int]
    largest: float

    @classmethod
    def of(cls, values: Floats, largest: float, bounds: Sequence[int] | None = None) -> Self:
        """Sort each piece; without bounds all values are one piece."""
        ordered = np.array(values, np.float64)
        ends = [0, ordered.size] if bounds is None else bounds
        for start, end in pairwise(ends):
            ordered[start:end].sort()  # NaN comes last, and the infinities are at the ends of the rest
        return cls(ordered, ends, largest)

    @property
    def finite(self) -> Floats:
        """Finite values in ascending order, if all values are one piece."""
        start, end = self.values.searchsorted(self._limits[:2], side="right").tolist()
        return self.values[start:end]

    def binned(self, edges: Floats, centre: float) -> Binned:
        """Count and sum the values of each piece between the edges; the cost does not depend on the number of bins."""
        starts = self._starts(edges)
        sizes = np.diff(starts, append=np.asarray(self.bounds[1:], np.intp)[:, np.newaxis])
        centred = self.values - centre
        sums, filled = np.zeros(sizes.shape), sizes.nonzero()
        if self.values.size:
            with np.errstate(over="ignore"):  # among values that count as infinite
                sums[filled] = np.add.reduceat(centred, starts[filled])
        first, end = starts[:, 1], starts[:, -2]
        some = first < end
        return Binned(
            counts=sizes[:, 1:-2],
            sums=sums[:, 1:-2],
            squares=np.array([_squared(centred[a:b]) for a, b in zip(first.tolist(), end.tolist(), strict=True)]),
            minimum=self._at(first, some),
            maximum=self._at(end - 1, some),
            infinities=sizes[:, 0] + sizes[:, -2],
            nulls=sizes[:, -1],
        )

    @property
    def _limits(self) -> Floats:
        """The keys of a piece's boundaries: start and end of the finite values, and start of the nulls."""
        return np.array([np.nextafter(-self.largest, -np.inf), self.largest, np.inf])

    def _starts(self, edges: Floats) -> Places:
        """Return in each piece the start of the negative infinities, each bin, the positive infinities, the nulls."""
        keys = np.concatenate([self._limits[:1], edges, self._limits[1:]])
        starts = np.empty((len(self.bounds) - 1, keys.size + 1), np.intp)
        starts[:, 0] = self.bounds[:-1]
        for found, (start, end) in zip(starts, pairwise(self.bounds), strict=True):
            found[1:] = self.values[start:end].searchsorted(keys, side="right")
        starts[:, 1:] += starts[:, :1]
        return starts

    def _at(self, places: Places, some: npt.NDArray[np.bool_]) -> Floats:
        """Return the values at these places, NaN where there are none; never -0.0."""
        found = np.full(places.size, np.nan)
        found[some] = self.values[places[some]] + 0.0
        return found


def median(ordered: Floats) -> float:
    """Return the middle of rising values of shape (n > 0,), or the mean of the two; never -0.0."""
    return float((ordered[(ordered.size - 1) // 2] + ordered[ordered.size // 2]) / 2) + 0.0


def quantile_edges(ordered: Floats, bins: int) -> tuple[Floats, Floats]:
    """Return all edges, and the cuts of the stability index among them, of rising values of shape (n > 0,)."""
    steps = max(DECILES, (bins - 3) // DECILES * DECILES)
    grid = quantiles(ordered, np.arange(steps + 1) / steps)
    deciles = grid[steps // DECILES : steps : steps // DECILES]
    cuts = np.unique(np.concatenate([deciles, _below(_repeated(deciles))]))
    distinct = np.flatnonzero(ordered[1:] != ordered[:-1])
    if 2 * (distinct.size + 1) + DECILES <= bins:
        atoms = np.append(ordered[distinct], ordered[-1]) + 0.0
        return np.unique(np.concatenate([atoms, _below(atoms), cuts])), cuts
    return np.unique(np.concatenate([grid, _below(_repeated(grid)), _below(ordered[:1])])), cuts


def quantiles(ordered: Floats, shares: Floats) -> Floats:
    """Return quantiles of rising values, interpolated as ``numpy.quantile`` does, to the last bit; never -0.0.

    The position of share q among n values is (n - 1) q (Hyndman and Fan 1996, type 7); numpy interpolates from
    the nearer of its two neighbours.
    """
    at = (ordered.size - 1) * shares
    before = np.floor(at)
    weight = at - before
    low = before.astype(np.intp)
    left, right = ordered[low], ordered[np.minimum(low + 1, ordered.size - 1)]
    step = right - left
    return np.where(2 * weight < 1, left + step * weight, right - step * (1 - weight)) + 0.0


def _repeated(rising: Floats) -> Floats:
    return np.extract(rising[1:] == rising[:-1], rising[1:])


def _below(values: Floats) -> Floats:
    return np.asarray(np.nextafter(values, -np.inf), np.float64)


def _squared(values: Floats) -> float:
    return float(np.einsum("i,i->", values, values))  # not `@`: threaded BLAS spins on long vectors
