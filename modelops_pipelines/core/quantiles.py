"""Sorted numbers and the edges between them: the arithmetic under a numeric column's bins.

Here are arrays only; what a bin means is said in ``core/profiles.py``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

DECILES = 10


@dataclass(frozen=True, eq=False)
class Ordered:
    """A column's finite values, rising, of shape (n,), and how many others there were."""

    finite: npt.NDArray[np.float64]
    infinities: int
    nulls: int

    @classmethod
    def of(cls, values: npt.NDArray[np.float64], largest: float) -> Self:
        """Sort values of shape (n,); NaN is a null, and a magnitude above ``largest`` is an infinity."""
        ordered = np.array(values, np.float64)
        ordered.sort()  # NaN comes last, and the infinities lie at the ends of the rest
        bounds = np.array([np.nextafter(-largest, -np.inf), largest, np.inf])
        start, end, known = ordered.searchsorted(bounds, side="right").tolist()
        return cls(ordered[start:end], start + known - end, ordered.size - known)

    @property
    def median(self) -> float:
        """Middle value, or the mean of the two; there is at least one value."""
        size = self.finite.size
        return float((self.finite[(size - 1) // 2] + self.finite[size // 2]) / 2) + 0.0

    def starts(self, edges: Sequence[float] | npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
        """Return where the first value of each of the ``len(edges) + 1`` bins lies, or would lie."""
        found = np.zeros(len(edges) + 1, np.intp)
        found[1:] = self.finite.searchsorted(edges, side="right")
        return found


def quantile_edges(
    ordered: npt.NDArray[np.float64], bins: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
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


def quantiles(ordered: npt.NDArray[np.float64], shares: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
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


def _repeated(rising: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.extract(rising[1:] == rising[:-1], rising[1:])


def _below(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(np.nextafter(values, -np.inf), np.float64)
