"""What columns contribute over many predictions, and whether their shares differ from those of the reference rows.

The distance of two groups of rows is the total variation of their shares: half the sum of the absolute differences, 0
when every column matters as much as before, 1 when other columns do. Rows that are divided at random have a distance
too, which is the noise (a permutation test: Good 2005, Permutation, parametric and bootstrap tests of hypotheses).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FEWEST = 50
"""Rows of either group below which there is no distance."""
MOST = 2000
"""Rows of a group that are compared, the same ones at every call."""
DIVISIONS, NOISE = 1999, 0.999
_AT_ONCE = 100
_SEED = 20_090_518


@dataclass(frozen=True)
class Compared:
    """The distance of a window's shares from the reference's.

    ``noise`` is the distance that 1 of 1,000 random divisions exceeds, ``p_value`` the share of divisions with at least
    this distance. ``column`` is the place of the column whose share changed most, by ``change``.
    """

    distance: float
    noise: float
    p_value: float
    column: int
    change: float

    @property
    def excess(self) -> float:
        """By how much the distance exceeds the noise, 0 where it does not."""
        return max(0.0, self.distance - self.noise)


def shares_of(contributions: Floats) -> Floats | None:
    """Return each column's share of the mean absolute contribution; None where no column contributes anything.

    ``contributions`` has shape (rows, columns).
    """
    sums = np.abs(contributions).sum(axis=0)
    total = sums.sum()
    return sums / total if total > 0 else None


def compare_shares(window: Floats, reference: Floats) -> Compared | str:
    """Return the distance of a window's shares from the reference's, or why there is none.

    Both have shape (rows, columns), with the columns in the same order.
    """
    if min(len(window), len(reference)) < FEWEST:
        counts = f"{len(window)} explained predictions and {len(reference)} reference rows"
        return f"{counts}; a distance needs {FEWEST} of each"
    mine, theirs = _some(window), _some(reference)
    shares = shares_of(mine), shares_of(theirs)
    if shares[0] is None or shares[1] is None:
        return "no column contributes anything"
    changes = shares[0] - shares[1]
    distance = float(np.abs(changes).sum() / 2)
    chance = _by_chance(np.abs(np.concatenate([mine, theirs])), len(mine))
    p_value = (1 + int((chance >= distance).sum())) / (len(chance) + 1)
    most = int(np.abs(changes).argmax())
    noise = float(np.quantile(chance, NOISE, method="higher"))
    return Compared(distance, noise, p_value, most, float(changes[most]))


def ranks_of(means: Sequence[float]) -> list[int]:
    """Return each value's rank, 1 for the largest; equal ones keep their order."""
    order = sorted(range(len(means)), key=lambda place: (-means[place], place))
    return [rank for _, rank in sorted(zip(order, range(1, len(means) + 1), strict=True))]


def _some(rows: Floats) -> Floats:
    if len(rows) <= MOST:
        return rows
    return rows[np.random.default_rng(_SEED).permutation(len(rows))[:MOST]]


def _by_chance(sizes: Floats, count: int) -> Floats:
    """Return the distances of DIVISIONS random divisions of rows into ``count`` and the others."""
    draw, whole = np.random.default_rng(_SEED), sizes.sum(axis=0)
    found = []
    for start in range(0, DIVISIONS, _AT_ONCE):
        times = min(_AT_ONCE, DIVISIONS - start)
        order = draw.random((times, len(sizes))).argpartition(count - 1, axis=1)[:, :count]
        chosen = np.zeros((times, len(sizes)))
        np.put_along_axis(chosen, order, 1.0, axis=1)
        mine = chosen @ sizes
        found.append(np.abs(_normed(mine) - _normed(whole - mine)).sum(axis=1) / 2)
    return np.concatenate(found)


def _normed(sums: Floats) -> Floats:
    totals = sums.sum(axis=1, keepdims=True)
    normed: Floats = np.divide(sums, totals, out=np.zeros_like(sums), where=totals > 0)
    return normed
