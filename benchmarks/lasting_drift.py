"""Alerts on drift that lasts, day by day: kept, resolved, found again; and false alarms on steady days.

``python -m benchmarks.lasting_drift [--seeds 20] [--first 6000] [--days 42]`` (three CPU minutes). Two kinds of worlds:
``worlds/shop.py`` and ``worlds/machines.py``; nothing was tuned on the seeds from 6000 on. The rule is the default one:
any drifted column, resolved by two passes in a row; the verdicts and the reference are the product's (``core/drift``).
Each change starts on a day of its own in each seed, after 35 ordinary days, and is measured in standard deviations of
the column's rows.
"""

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import numpy as np

from benchmarks.worlds.machines import Machines
from benchmarks.worlds.shop import Shop
from modelops_pipelines.core.alerting.alerts import OPEN, Alert, Verdict
from modelops_pipelines.core.drift.calibrated import (
    LEVELS,
    CalibratedVerdict,
    Calibration,
    Flags,
    confirming_flags,
    flags_of,
    judge_calibrated,
)
from modelops_pipelines.core.drift.channels.lasting_shift import shifts_of
from modelops_pipelines.core.drift.episodes import EpisodeLog, Span
from modelops_pipelines.core.drift.seasonal_reference import Matching, season_of
from modelops_pipelines.core.profiles.profile import ColumnBins, Profile, fit_bins, profile
from modelops_pipelines.core.profiles.profile_stack import Stack
from tests.support.single_alert import apply_verdict

MONDAY = 24 * 18_267  # 6 January 2020, in hours since 1970
ORDINARY, FITTED = 35, 14
"""Days before the first change, and those of them that the bins are fitted on."""
RULES = Calibration(level=LEVELS["day"])
SHIFTS = (0.3, 0.5, 1.0, 2.0)
Shift = Callable[[int], float]


class World(Protocol):
    """Days of columns from a seed."""

    seed: int
    columns: tuple[str, ...]

    def day(self, day: int) -> Mapping[str, Any]:
        """Return a day's columns."""


@dataclass
class Endpoint:
    """A world's days as profiles, judged one by one with an alert, as the product does."""

    world: World
    column: str
    minimum: int = 500
    accumulate: bool = True
    bins: dict[str, ColumnBins] = field(default_factory=dict)
    sigma: float = 1.0
    _days: dict[tuple[int, float], dict[str, Profile]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Fit the bins on the first days."""
        days = [self.world.day(day) for day in range(FITTED)]
        for name in self.world.columns:
            values = np.concatenate([day[name] for day in days])
            self.bins[name] = fit_bins(name, values, "categorical" if values.dtype == object else "numeric")
            if name == self.column:
                self.sigma = float(np.nanstd(values))

    def profiled(self, day: int, shift: float) -> dict[str, Profile]:
        """Return a day's profiles, with the changed column shifted by some standard deviations."""
        if (day, shift) not in self._days:
            values = dict(self.world.day(day))
            if shift:
                values[self.column] = values[self.column] + shift * self.sigma
            self._days[day, shift] = {name: profile(_counted(of), self.bins[name]) for name, of in values.items()}
        return self._days[day, shift]

    def judged(self, first: int, days: int, shift: Shift) -> list["Day"]:
        """Judge the days from ``first`` on, after the ordinary ones, and follow the rule's alert."""
        names, shown = self.world.columns, [self.profiled(day, shift(day)) for day in range(first + days)]
        at = MONDAY + 24 * np.arange(first + days)
        stacks = {name: Stack.of(self.bins[name], [one[name] for one in shown]) for name in names}
        log, flagged, alert, found = EpisodeLog(24), dict[int, Flags](), None, []
        for day in range(FITTED, first + days):
            start = MONDAY + 24 * day
            known = {name: stacks[name].between(0, day + 1) for name in names}
            matching = {name: Matching(eligible=log.eligible(("1", name), start)) for name in names}
            seasons = {
                name: season_of(at[: day + 1], known[name], start, start + 24, self.minimum, matching[name])
                for name in names
            }
            judged = judge_calibrated(
                {name: one.current for name, one in seasons.items()},
                {name: one.reference for name, one in seasons.items()},
                RULES,
                confirming_flags(seasons, lambda prior: flagged.get(prior, ())),
                shifts_of(at[: day + 1], known, start, matching) if self.accumulate else {},
            )
            flagged[start] = flags_of(judged)
            verdicts = [log.follow("1", one, Span(start, start + 24, seasons[one.column].prior))[0] for one in judged]
            alert = _after(alert, verdicts, [log.before(("1", n), start + 24) is not None for n in sorted(names)], day)
            drifted = frozenset(one.column for one in verdicts if one.drifted)
            if day >= first:
                found.append(Day(day, drifted, alert is not None and alert.status == OPEN))
            alert = alert if alert is not None and alert.status == OPEN else None
        return found


@dataclass(frozen=True)
class Day:
    """A judged day: the columns that have drifted, and whether the alert is open after it."""

    day: int
    drifted: frozenset[str]
    open: bool


def _counted(values: Any) -> Any:
    """Return strings as counts by name, numbers as they are."""
    if values.dtype != object:
        return values
    names, counts = np.unique(values.astype(str), return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def _after(
    alert: Alert | None, verdicts: Sequence[CalibratedVerdict], lasting: Sequence[bool], day: int
) -> Alert | None:
    """Return the alert after a day's verdicts: as ``judge_drift`` does without a limit."""
    judged = [one for one in verdicts if one.drifted is not None]
    passed: bool | None = not any(one.drifted for one in judged) if judged else None
    if passed and any(last and one.drifted is None for one, last in zip(verdicts, lasting, strict=True)):
        passed = None
    verdict = Verdict("drift", "drift", "warning", passed, None, None, 0, str(day), "")
    return apply_verdict(alert, verdict, "", datetime(2020, 1, 6, tzinfo=UTC) + timedelta(days=day)) or alert


@dataclass
class Counts:
    """What is counted of a world over all seeds."""

    told: dict[float, int] = field(default_factory=dict)
    kept: dict[float, int] = field(default_factory=dict)
    resolved: list[int | None] = field(default_factory=list)
    again: list[bool] = field(default_factory=list)
    untouched: list[bool] = field(default_factory=list)
    episodes: int = 0
    false_days: int = 0
    days: int = 0


def measure(
    make: Callable[[int], World],
    column: str,
    seeds: Sequence[int],
    days: int,
    counts: Counts,
    sizes: Sequence[float] = SHIFTS,
) -> None:
    """Add the seeds' lasting steps, mended weeks and steady days."""
    for seed in seeds:
        endpoint = Endpoint(make(seed), column)
        begun = ORDINARY + seed % 14
        for size in sizes:
            found = endpoint.judged(begun, days, _step(size, begun))
            first = next((number for number, one in enumerate(found) if column in one.drifted), None)
            counts.told[size] = counts.told.get(size, 0) + (first is not None and first < 5)
            kept = first is not None and all(one.open for one in found[first:])
            counts.kept[size] = counts.kept.get(size, 0) + kept
        _mended(endpoint, begun, counts)
        _steady(endpoint, days, counts)


def _step(size: float, begun: int, over: int = 10**9) -> Shift:
    return lambda day: size if begun <= day < over else 0.0


def _mended(endpoint: Endpoint, begun: int, counts: Counts) -> None:
    """A week of one sigma, then ordinary days, then 0.3 sigma from the third day after it: found on the second day?"""
    over, again = begun + 7, begun + 9
    fault, small = _step(1.0, begun, over), _step(0.3, again)
    found = endpoint.judged(begun, 21, fault)
    counts.resolved.append(next((one.day - over + 1 for one in found if one.day >= over and not one.open), None))
    both: Shift = lambda day: fault(day) + small(day)  # noqa: E731
    for changes, results in ((both, counts.again), (small, counts.untouched)):
        found = [one for one in endpoint.judged(begun, 11, changes) if one.day >= again]
        results.append(any(endpoint.column in one.drifted for one in found))


def _steady(endpoint: Endpoint, days: int, counts: Counts) -> None:
    found = endpoint.judged(ORDINARY, days, lambda _: 0.0)
    hit = [bool(one.drifted) for one in found]
    counts.episodes += sum(now and not before for now, before in zip(hit, [False, *hit], strict=False))
    counts.false_days += sum(hit)
    counts.days += len(hit)


WORLDS: dict[str, tuple[Callable[[int], World], str]] = {
    "shop": (Shop, "age"),
    "machines": (Machines, "load"),
}
"""Each kind of world, and the column that changes in it."""


def main() -> None:
    """Parse the options and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=20, help="seeds of each world")
    parser.add_argument("--first", type=int, default=6000, help="the first seed")
    parser.add_argument("--days", type=int, default=42, help="days after the change, and steady days")
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.seeds)
    print("| world | step: told in 5 days / alert kept | mended: days to resolve | 0.3 sigma after / without | false |")
    print("|---|---|---|---|---|")
    for name, (make, column) in WORLDS.items():
        counts, started = Counts(), time.process_time()
        measure(make, column, seeds, options.days, counts)
        print(row(name, counts, options.seeds, time.process_time() - started), flush=True)


def row(name: str, counts: Counts, seeds: int, seconds: float) -> str:
    """Return a world's row."""
    steps = ", ".join(f"{size:g}: {counts.told[size]} / {counts.kept[size]} of {seeds}" for size in SHIFTS)
    known = sorted(one for one in counts.resolved if one is not None)
    resolved = f"{len(known)} of {seeds}, median {known[len(known) // 2]}, last {known[-1]}" if known else "none"
    months = counts.days / 30
    false = f"{counts.episodes / months:.2f} episodes a month, {counts.false_days / counts.days:.1%} of days"
    return (
        f"| {name} | {steps} | {resolved} | {sum(counts.again)} / {sum(counts.untouched)} | {false} | {seconds:.0f} s |"
    )


if __name__ == "__main__":
    main()
