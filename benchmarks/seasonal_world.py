"""A simulated endpoint with seasons: hourly rows of thirteen columns, and the same rows with a change in one column.

Traffic ranges from 300 rows per hour on weekend nights to 2,700 at noon on weekdays. Every column's level has a daily
and a weekly season and an effect of the day, drawn each day (``DAY_EFFECT`` standard deviations of a row's noise).
Each hour has its own random generator, so that it can be drawn again with a change.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from modelops_pipelines.core.profiles.profile import ColumnBins, Profile, fit_bins, profile
from modelops_pipelines.core.profiles.profile_stack import Stack

FIRST_HOUR = 24 * 18_267  # Monday 6 January 2020
NUMERIC = tuple(f"x{number}" for number in range(10))
SKEWED, WITH_NULLS, FAHRENHEIT = "x8", "x9", "x0"
CATEGORICAL = {"few": 4, "some": 12, "many": 300}
DAY_EFFECT, DAILY, WEEKLY, NULLS = 0.03, 0.5, 0.3, 0.1
BIN_DAYS = 7
"""Number of first days on which the bins are fitted."""


@dataclass(frozen=True)
class Change:
    """A change in one column: a shift (in the noise's sigmas), a stretch, swapped categories, nulls, another unit."""

    name: str
    column: str
    shift: float = 0.0
    stretch: float = 1.0
    swapped: float = 0.0
    missing: float = 0.0
    celsius: bool = False

    def of(self, values: npt.NDArray[Any], rng: np.random.Generator) -> npt.NDArray[Any]:
        """Return the values with the change applied."""
        if self.swapped:
            first = np.flatnonzero(values == "c0")
            moved = rng.random(len(first)) < self.swapped * len(values) / max(len(first), 1)
            values[first[moved]] = "c1"
            return values
        values = values.astype(np.float64)
        unit = 15.0 if self.column == FAHRENHEIT else 1.0
        middle = np.nanmean(values)
        values = middle + (values - middle) * self.stretch + self.shift * unit
        values[rng.random(len(values)) < self.missing] = np.nan
        return (values - 32) / 1.8 if self.celsius else values


@dataclass(frozen=True)
class World:
    """Simulated weeks of traffic from one seed; ``day_effect`` in standard deviations of a row's noise."""

    seed: int
    weeks: int
    day_effect: float = DAY_EFFECT

    @property
    def hours(self) -> range:
        """All hours, since 1970 UTC."""
        return range(FIRST_HOUR, FIRST_HOUR + self.weeks * 168)

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns' names."""
        return (*NUMERIC, *CATEGORICAL)

    def rows(self, hour: int) -> int:
        """Count the rows of an hour."""
        by_day = 0.5 - 0.5 * np.cos(2 * np.pi * (hour % 24) / 24)
        level = 300 + (1_500 if self._weekend(hour) else 2_400) * by_day
        return max(1, int(np.random.default_rng([self.seed, hour]).normal(level, 0.05 * level)))

    def values(self, column: str, hour: int, change: Change | None = None) -> npt.NDArray[Any]:
        """Draw a column's values of an hour, of shape (rows,), changed if the change is of this column."""
        place = self.columns.index(column)
        rng = np.random.default_rng([self.seed, hour, place])
        day = np.random.default_rng([self.seed, hour // 24, 1_000 + place])
        phase = 2 * np.pi * ((hour % 24) / 24 - place / len(self.columns))
        level = DAILY * np.sin(phase) + WEEKLY * self._weekend(hour) * (-1) ** place
        draw = self._category if column in CATEGORICAL else self._number
        values = draw(column, self.rows(hour), level, rng, day)
        return change.of(values, rng) if change and change.column == column else values

    def _number(
        self, column: str, n: int, level: float, rng: np.random.Generator, day: np.random.Generator
    ) -> npt.NDArray[Any]:
        values = rng.normal(level + self.day_effect * day.normal(), 1.0, n)
        if column == SKEWED:
            return np.exp(values)
        if column == WITH_NULLS:
            values[rng.random(n) < NULLS * np.exp(self.day_effect * day.normal())] = np.nan
        return 60 + 15 * values if column == FAHRENHEIT else values

    def _category(
        self, column: str, n: int, level: float, rng: np.random.Generator, day: np.random.Generator
    ) -> npt.NDArray[Any]:
        k = CATEGORICAL[column]
        tilt = level * np.cos(np.arange(k)) + self.day_effect * day.normal(size=k)
        weights = np.exp(tilt) / (1 + np.arange(k))
        return np.array([f"c{i}" for i in range(k)], object)[rng.choice(k, n, p=weights / weights.sum())]

    def _weekend(self, hour: int) -> bool:
        return (hour // 24 + 3) % 7 >= 5

    def fitted(self) -> dict[str, ColumnBins]:
        """Fit every column's bins on the first days."""
        hours = self.hours[: 24 * BIN_DAYS]
        return {
            name: fit_bins(
                name,
                np.concatenate([self.values(name, hour) for hour in hours]),
                "categorical" if name in CATEGORICAL else "numeric",
            )
            for name in self.columns
        }

    def profiled(self, bins: Mapping[str, ColumnBins]) -> dict[str, Stack]:
        """Profile every column hour by hour."""
        return {name: Stack.of(one, [self.profile(one, hour) for hour in self.hours]) for name, one in bins.items()}

    def profile(self, bins: ColumnBins, hour: int, change: Change | None = None) -> Profile:
        """Profile a column's hour."""
        values = self.values(bins.name, hour, change)
        if bins.kind == "categorical":
            return profile(_counted(values), bins)
        return profile(values, bins)


def _counted(values: npt.NDArray[Any]) -> dict[str | None, int]:
    names, counts = np.unique(values.astype(str), return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))
