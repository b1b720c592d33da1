"""Machines that report every half hour: few callers with many rows each, slow weather, gaps, rare states."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

REPORTS = 48


@dataclass(frozen=True)
class Machines:
    """Days of readings from one seed, of ``machines`` that differ from each other by as much as one varies in a day.

    The outside temperature follows the weather (an autoregression of 0.7 a day, ``weather`` standard deviations of a
    reading), and machines are silent for hours at a time.
    """

    seed: int
    machines: int = 24
    weather: float = 0.08

    columns = ("outside", "load", "vibration", "pressure", "state")

    def day(self, day: int) -> dict[str, npt.NDArray[np.object_] | npt.NDArray[np.float64]]:
        """Return the columns of a day, counted from a Monday, each of shape (n,)."""
        draw = np.random.default_rng([self.seed, 81, day])
        machine = np.repeat(np.arange(self.machines), REPORTS)
        time = np.tile(np.arange(REPORTS), self.machines)
        kept = draw.random(len(time)) > 0.03
        machine, time = machine[kept], time[kept]
        n, own = len(time), np.random.default_rng([self.seed, 82]).normal(size=(4, self.machines))[:, machine]
        working = day % 7 < 5
        hour = np.sin(2 * np.pi * time / REPORTS - 2)
        outside = 15 + 6 * (self._weather(day) + 0.8 * hour + 0.6 * draw.normal(size=n))
        load = 50 + 10 * (own[0] + 0.5 * working * hour + draw.normal(size=n) + 0.04 * draw.normal())
        vibration = draw.gamma(2 + 0.3 * np.abs(own[1]), 1.0, n) * np.exp(0.03 * draw.normal())
        pressure = 1_013 + 8 * (own[2] + 0.7 * draw.normal(size=n))
        silent = draw.random(self.machines) < 0.1
        pressure[silent[machine] & (time > draw.integers(24, REPORTS))] = np.nan
        state = np.array(["run", "idle", "fault"], object)[np.searchsorted([0.85, 0.99], draw.random(n))]
        return {"outside": outside, "load": load, "vibration": vibration, "pressure": pressure, "state": state}

    def _weather(self, day: int) -> float:
        noise = (np.random.default_rng([self.seed, 83, day - back + 1_000]).normal() for back in range(20))
        return float(self.weather * np.sqrt(1 - 0.49) * sum(0.7**back * one for back, one in enumerate(noise)))
