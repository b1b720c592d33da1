"""Tests of one window: its distance from the reference, by the distances of reference windows from each other."""

import math
from dataclasses import dataclass

import numpy as np

from modelops_pipelines.core.drift.channels.measured import Channel, Measured
from modelops_pipelines.core.drift.leave_one_out import Distances
from modelops_pipelines.core.drift.null_distribution import STUDENT, fitted, kappa, offset_fitted

NARROW = 0.1
"""Fraction of a floor: the smallest scale of a test, for columns that hardly vary by chance."""


@dataclass(frozen=True)
class DistanceTest:
    """A test of a window's distance: its value (never negative), scale and smallest relevant value (``floor``)."""

    channel: Channel
    value: float
    floor: float
    scale: float
    kappa: float
    days: int
    most: float

    @property
    def effect(self) -> float:
        """The value in units of the smallest relevant one."""
        return self.value / self.floor

    @property
    def measured(self) -> Measured:
        """The channel's effect in the window."""
        return Measured(self.channel, self.effect, math.sqrt(self.scale) / self.floor, self.p_value)

    @property
    def p_value(self) -> float:
        """Probability of such a value by chance: F.sf(T^2 / s^2, 2 kappa, 2 kappa (days - 1)).

        T^2 / s^2 is a gamma variable of shape kappa and mean 1 over the mean of ``days`` - 1 such.
        """
        from scipy.special import fdtrc

        return float(fdtrc(2 * self.kappa, 2 * self.kappa * (self.days - 1), self.value**2 / self.scale))

    def value_at(self, level: float) -> float:
        """Return the value whose p-value is ``level``."""
        from scipy.special import fdtri

        return math.sqrt(self.scale * float(fdtri(2 * self.kappa, 2 * self.kappa * (self.days - 1), 1 - level)))


def of_distances(found: Distances, floor: float, days: int) -> DistanceTest:
    """Test a distance, whose smallest relevant value is ``floor``, by those of the reference windows."""
    squared = found.others**2
    a, b = fitted(squared, 1 / found.sizes)
    least = (NARROW * floor) ** 2
    expected = np.maximum(a / found.sizes + b, least)
    fewer = max(0.0, 1 / found.n - 1 / float(found.sizes.min()))  # fewer rows than in any fitted window: from theory
    scale = max(a * (1 / found.n - fewer) + b, least) + max(a, found.unit) * fewer
    most = float(np.max(found.others))
    return DistanceTest("distribution", found.value, floor, scale, kappa(squared / expected), days, most)


def of_shares(channel: Channel, found: Distances, floor: float, days: int) -> DistanceTest:
    """Test |delta|^2 / (p (1 - p) / n + b): the square of a Student variable (kappa 1/2), or heavier-tailed."""
    squared, chance = found.others**2, found.unit / found.sizes
    b = offset_fitted(squared, chance)
    shape = min(STUDENT, kappa(squared / (chance + b)))
    scale = max(found.unit / found.n + b, (NARROW * floor) ** 2)
    most = float(np.max(np.abs(found.others)))
    return DistanceTest(channel, abs(found.value), floor, scale, shape, days, most)
