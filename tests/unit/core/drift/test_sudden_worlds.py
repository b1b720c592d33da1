"""Two months of steady worlds: the first is what is usual, and in the second nothing is a sudden fault.

The worlds have days and weeks, weather that lasts for days, sensors that sleep at night, callers that send similar rows
in a row, and categories that few use. A fault in the same world is found by the time that it fills the newest rows.
"""

import math
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from modelops_pipelines.core.drift.sudden.normal_values import Normal, normal_of_days, normal_of_training
from modelops_pipelines.core.drift.sudden.sudden_faults import (
    ROWS,
    Fault,
    Row,
    effective_callers,
    faults_of,
    has_enough_callers,
)
from modelops_pipelines.core.drift.usual_values import usual_of
from modelops_pipelines.core.profiles.profile import Kind, fit_bins, fit_profile, profile
from modelops_pipelines.core.profiles.profile_stack import Stack

DAYS, STEP = 28, 7
ROWS_OF_HOUR, NIGHT = 40, 6
KINDS: dict[str, Kind] = {"demand": "numeric", "price": "numeric", "glow": "numeric", "city": "categorical"}
CITIES = [f"city {n}" for n in range(30)]


def world(seed: int) -> list[list[Row]]:
    """Return two months of rows by hour."""
    random = np.random.default_rng(seed)
    popular = random.dirichlet([0.3] * len(CITIES))
    weather, hours = 0.0, []
    for hour in range(2 * DAYS * 24):
        of_day, of_week = hour % 24, hour // 24 % 7
        weather = 0.995 * weather + 0.1 * random.normal()
        level = 10 * math.sin(of_day / 24 * 2 * math.pi) + 5 * (of_week >= 5) + 3 * weather
        hours.append(list(_rows(random, level, of_day, popular)))
    return hours


def _rows(random: Any, level: float, of_day: int, popular: Any) -> Iterator[Row]:
    left = max(3, int(random.poisson(ROWS_OF_HOUR * (0.3 if of_day < NIGHT else 1))))
    while left > 0:
        caller, home = f"caller {random.integers(10**9)}", CITIES[random.choice(len(CITIES), p=popular)]
        own = random.normal()
        for _ in range(min(left, int(random.integers(1, 9)))):
            left -= 1
            sleeps = of_day < NIGHT and random.random() < 0.5
            yield Row(
                caller,
                {
                    "demand": level + 3 * own + random.normal(),
                    "price": None if random.random() < 0.03 else math.exp(3 + 0.5 * own + 0.3 * random.normal()),
                    "glow": None if sleeps else abs(level) + random.random(),
                    "city": home if random.random() < 0.7 else CITIES[random.choice(len(CITIES), p=popular)],
                },
            )


def values(rows: list[Row], name: str) -> list[Any]:
    return [row.features[name] for row in rows]


def by_days(hours: list[list[Row]]) -> dict[str, Normal]:
    """Return what is normal by a month of hours, as data quality sees it."""
    rows, found = [row for hour in hours for row in hour], {}
    for name, kind in KINDS.items():
        bins = fit_bins(name, values(rows, name), kind)
        usual = usual_of(Stack.of(bins, [profile(values(hour, name), bins) for hour in hours]))
        assert usual is not None
        found[name] = normal_of_days(usual)
    return found


def by_training(hours: list[list[Row]]) -> dict[str, Normal]:
    rows = [row for hour in hours for row in hour]
    return {name: normal_of_training(fit_profile(name, values(rows, name), kind)) for name, kind in KINDS.items()}


def raised(hours: list[list[Row]], normals: dict[str, Normal]) -> list[Fault]:
    """Return the faults of a look every STEP rows, with the callers judged as the gateway does."""
    rows, earlier, found = deque[Row](maxlen=ROWS), deque[float](maxlen=50), []
    for number, row in enumerate(row for hour in hours for row in hour):
        rows.append(row)
        if len(rows) == ROWS and number % STEP == 0:
            newest = list(rows)
            callers = effective_callers(newest)
            faults = faults_of(newest, normals) if has_enough_callers(callers, earlier) else []
            earlier.append(callers)
            found += faults
    return found


@pytest.mark.parametrize("seed", range(3))
def test_a_steady_month_raises_nothing_and_a_changed_unit_is_found(seed: int) -> None:
    hours = world(seed)
    before, now = hours[: DAYS * 24], hours[DAYS * 24 :]
    week, day = before[-7 * 24 :], before[12:36]
    for normals in (by_days(before), by_training(week), by_training(day)):
        assert [] == raised(now, normals)
        rows = [row for hour in now[32:36] for row in hour]
        faulty = [Row(row.caller, row.features | {"demand": row.features["demand"] * 1000}) for row in rows]
        found = raised([now[31], faulty], normals)
        assert {("demand", "range")} == {(fault.column, fault.channel) for fault in found}
