"""Null distributions of the calibrated tests: scale, shape, and the significance level for many tests."""

from collections.abc import Sequence

import numpy as np

from modelops_pipelines.core.profiles.profile import Floats

KAPPA = (0.1, 15.0)
"""Smallest and largest shape of the gamma distribution that models squared distances."""
HEAVY = 0.25
"""Twenty squares of a normal variable rarely give a shape below this; larger ones do not indicate heavier tails."""
STUDENT = 0.5
"""Shape of the square of one normal variable, whose ratio to its scale is a squared Student variable."""
OUTLYING = 9.0
"""Squared distances are clipped at this many times their expectation when the scale is fitted."""
ROUNDS = 5
WILD = 1e6
"""Ratios are clipped here: larger ones add no information, and their squares might overflow."""
SAME = 1e-9
"""Relative determinant below which the sizes are too similar to separate a and b."""


def fitted(squared: Floats, inverse: Floats) -> tuple[float, float]:
    """Fit the mean of ``squared`` by a * ``inverse`` + b, neither negative, both of shape (m,), inverse > 0.

    Iterated least squares of the relative errors; values are clipped at ``OUTLYING`` times their expectation.
    """
    size, length = float(np.max(squared)), float(np.max(inverse))
    if size < np.finfo(np.float64).tiny:
        return 0.0, 0.0
    y, u = squared / size, inverse / length  # of order 1: their squares cannot overflow
    a, b = 0.0, float(np.mean(y))
    for _ in range(ROUNDS):
        expected = a * u + b
        a, b = _two_terms(np.minimum(y, OUTLYING * expected) / expected, u / expected, 1 / expected)
    return a * size / length, b * size


def offset_fitted(squared: Floats, chance: Floats) -> float:
    """Fit the mean of ``squared`` by ``chance`` + b, b not negative, both of shape (m,); clipped as in ``fitted``."""
    b = 0.0
    for _ in range(ROUNDS):
        b = max(0.0, float(np.mean(np.minimum(squared, OUTLYING * (chance + b)) - chance)))
    return b


def kappa(ratios: Floats) -> float:
    """Return the shape of a gamma distribution of these ratios by moments, mean^2 / variance, within ``KAPPA``.

    At least ``STUDENT`` unless it is clearly lower (under ``HEAVY``), because few ratios give a poor estimate.
    """
    cut = np.minimum(ratios, WILD)
    mean, variance = float(np.mean(cut)), float(np.var(cut))
    if variance == 0:
        return STUDENT
    shape = mean**2 / variance
    return min(max(shape, STUDENT if shape > HEAVY else KAPPA[0]), KAPPA[1])


def levels(p_values: Sequence[float], level: float) -> list[float]:
    """Return for each test the largest p-value at which Benjamini and Hochberg's procedure would reject it."""
    p, m = np.asarray(p_values, np.float64), len(p_values)
    steps = level * np.arange(1, m + 1) / m if m else p
    below = p[None, :] <= steps[:, None]
    others = below.sum(axis=1)[:, None] - below  # of step k, without test i
    reached = others >= np.arange(m)[:, None]
    return list(np.max(np.where(reached, steps[:, None], 0.0), axis=0, initial=0.0).tolist())


def _two_terms(y: Floats, u: Floats, v: Floats) -> tuple[float, float]:
    """Return the a and b, neither negative, that minimise the squares of y - a u - b v."""
    uu, uv, vv, uy, vy = (float(np.einsum("i,i->", p, q)) for p, q in ((u, u), (u, v), (v, v), (u, y), (v, y)))
    determinant = uu * vv - uv * uv
    if determinant > SAME * uu * vv:
        a, b = (uy * vv - vy * uv) / determinant, (vy * uu - uy * uv) / determinant
        if a >= 0 and b >= 0:
            return a, b
        if b < 0:
            return uy / uu, 0.0
    return 0.0, vy / vv
