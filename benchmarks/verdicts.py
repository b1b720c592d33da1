"""Reliability of drift verdicts: false alarms, power and delay, simulated and on a year of real flights.

Run ``python -m benchmarks.verdicts`` (under 8 minutes); ``--seeds``, ``--weeks`` and ``--part`` make it shorter.
An episode is a maximal run of consecutive windows that each have a drifted column. The simulated world is
``seasonal_world``; its first four weeks are the reference, the rest is judged. A change starts at a random window and
lasts; it is found when the changed column drifts within ``PATIENCE`` windows. Power ignores false alarms: a method that
alarms in every window finds everything, in one long episode, so read it together with the share of windows with a
drifted column. ``--day-effect`` sets the variation between days.
"""

import argparse
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean, median

import numpy as np

from benchmarks.seasonal_world import FAHRENHEIT, Change, World
from modelops_pipelines.core.drift.calibrated import (
    LEVELS,
    Calibration,
    Flags,
    confirming_flags,
    flags_of,
    judge_calibrated,
)
from modelops_pipelines.core.drift.channels.lasting_shift import shifts_of
from modelops_pipelines.core.drift.distances import chi_square, jensen_shannon, kolmogorov_smirnov, psi, wasserstein
from modelops_pipelines.core.drift.seasonal_reference import DAY, season_of
from modelops_pipelines.core.profiles.profile import Profile
from modelops_pipelines.core.profiles.profile_stack import Stack

Drifted = set[str]
Windows = Mapping[str, Profile]

REFERENCE_DAYS, MINIMUM = 28, 500
RULES = {1: Calibration(MINIMUM, level=LEVELS["hour"]), 24: Calibration(MINIMUM, level=LEVELS["day"])}
PATIENCE = {1: 12, 24: 5}
STARTS = {1: 8, 24: 8}
CHANGES = (
    *(Change(f"shift {size:g} sigma", "x3", shift=size) for size in (0.1, 0.2, 0.3, 0.5, 1.0)),
    Change("skewed column, shift 0.3", "x8", shift=0.3 * math.sqrt((math.e - 1) * math.e)),
    Change("variance x1.5", "x3", stretch=math.sqrt(1.5)),
    Change("5 points swapped", "some", swapped=0.05),
    Change("+5 points missing", "x3", missing=0.05),
    Change("+5 points missing, of 10 %", "x9", missing=0.05 / 0.9),
    Change("unit change", FAHRENHEIT, celsius=True),
)


@dataclass(frozen=True)
class Judge:
    """One seed's world by the hour, and the whole reference for the methods that use no seasons."""

    world: World
    hours: dict[str, Stack]
    whole: dict[str, Profile]
    length: int

    @property
    def windows(self) -> range:
        """Starts of the windows to judge, in hours."""
        return range(self.world.hours.start + 24 * REFERENCE_DAYS, self.world.hours.stop, self.length)

    def calibrated(self, starts: Sequence[int], hours: Mapping[str, Stack]) -> list[Drifted]:
        """Judge consecutive windows, each with the flags of the window that can confirm it."""
        at, flagged, found = np.asarray(self.world.hours), dict[int, Flags](), []
        for start in starts:
            seasons = {name: season_of(at, one, start, start + self.length, MINIMUM) for name, one in hours.items()}
            current = {name: one.current for name, one in seasons.items()}
            reference = {name: one.reference for name, one in seasons.items()}
            before = confirming_flags(seasons, lambda prior: flagged.get(prior, ()))
            shifts = shifts_of(at, hours, start) if self.length == DAY else {}
            verdicts = judge_calibrated(current, reference, RULES[self.length], before, shifts)
            flagged[start] = flags_of(verdicts)
            found.append({one.column for one in verdicts if one.drifted})
        return found

    def fixed(self, drifts: Callable[[Profile, Profile], bool]) -> "Method":
        """Return a method that compares each window's columns with the whole reference."""

        def judged(starts: Sequence[int], hours: Mapping[str, Stack]) -> list[Drifted]:
            first = self.world.hours.start
            rows = [np.arange(start - first, start - first + self.length) for start in starts]
            return [{n for n, one in hours.items() if drifts(one.take(r).total(), self.whole[n])} for r in rows]

        return judged


Method = Callable[[Sequence[int], Mapping[str, Stack]], list[Drifted]]


def evidently(current: Profile, reference: Profile) -> bool:
    """Decide as Evidently's defaults for more than 1,000 reference rows: a distance of 0.1 or more."""
    distance = wasserstein if reference.bins.kind == "numeric" else jensen_shannon
    return (distance(current, reference).value or 0.0) >= 0.1


def significance(current: Profile, reference: Profile) -> bool:
    """Decide by p < 0.05, Kolmogorov-Smirnov (asymptotic distribution) or chi-square."""
    if reference.bins.kind != "numeric":
        return (chi_square(current, reference).value or 0.0) < 0.05
    from scipy.special import kolmogorov

    n, m = current.present, reference.present
    return float(kolmogorov(math.sqrt(n * m / (n + m)) * (kolmogorov_smirnov(current, reference).value or 0.0))) < 0.05


def stability(current: Profile, reference: Profile) -> bool:
    """Decide by a population stability index of 0.2 or more."""
    return (psi(current, reference).value or 0.0) >= 0.2


@dataclass
class Tally:
    """A method's results over all seeds: episodes, weeks, drifted windows, and delays per change (None: not found)."""

    episodes: int = 0
    drifted: int = 0
    windows: int = 0
    weeks: float = 0.0
    delays: dict[str, list[int | None]] = field(default_factory=dict)
    cpu: float = 0.0


def episodes(found: Sequence[Drifted]) -> int:
    """Count maximal runs of windows with any drifted column."""
    hit = [bool(one) for one in found]
    return sum(now and not before for now, before in zip(hit, [False, *hit], strict=False))


def measure_world(tallies: dict[str, Tally], judge: Judge) -> None:
    """Add a seed's false alarms and powers to the tallies."""
    methods: dict[str, Method] = {
        "calibrated": judge.calibrated,
        "Evidently's defaults": judge.fixed(evidently),
        "KS, chi-square p < .05": judge.fixed(significance),
        "PSI >= 0.2": judge.fixed(stability),
    }
    for name, method in methods.items():
        _measure_alarms(tallies.setdefault(name, Tally()), method, judge)
    rng = np.random.default_rng(judge.world.seed)
    last = len(judge.windows) - PATIENCE[judge.length]
    for change in CHANGES:
        for begun in rng.choice(last, min(STARTS[judge.length], last), replace=False).tolist():
            starts = judge.windows[begun : begun + PATIENCE[judge.length]]
            hours = broken(judge, change, starts)
            for name, method in methods.items():
                hit = [change.column in one for one in method(starts, hours)]
                tallies[name].delays.setdefault(change.name, []).append(hit.index(True) if any(hit) else None)


def _measure_alarms(tally: Tally, method: Method, judge: Judge) -> None:
    """Add the method's false alarms on data without a change."""
    cpu = time.process_time()
    found = method(judge.windows, judge.hours)
    tally.cpu += time.process_time() - cpu
    tally.episodes += episodes(found)
    tally.drifted += sum(map(bool, found))
    tally.windows += len(found)
    tally.weeks += len(found) * judge.length / 168


def broken(judge: Judge, change: Change, starts: range) -> dict[str, Stack]:
    """Return the hours with the change in those of the windows."""
    column, first = judge.hours[change.column], judge.world.hours.start
    bins = column.bins
    low, high = starts.start - first, starts.stop - first
    new = [judge.world.profile(bins, hour, change) for hour in range(starts.start, starts.stop)]
    parts = [column.take(np.arange(low)), Stack.of(bins, new), column.take(np.arange(high, len(column)))]
    return {**judge.hours, change.column: parts[0].joined(parts[1]).joined(parts[2])}


def simulated(seeds: int, weeks: int, day_effect: float) -> None:
    """Print the simulated world's tables."""
    for length, name in ((1, "Hourly"), (24, "Daily")):
        tallies: dict[str, Tally] = {}
        for seed in range(seeds):
            world = World(seed, weeks, day_effect)
            hours = world.profiled(world.fitted())
            whole = {n: one.take(np.arange(24 * REFERENCE_DAYS)).total() for n, one in hours.items()}
            measure_world(tallies, Judge(world, hours, whole, length))
        print(f"\n{name} windows, day effects of {day_effect:g} sigma, {seeds} seeds of {weeks} weeks\n")
        print(f"| method | {' | '.join(tallies)} |\n|{'---|' * (1 + len(tallies))}")
        row("false alarm episodes per week", [f"{t.episodes / t.weeks:.1f}" for t in tallies.values()])
        row("windows with a drifted column", [f"{t.drifted / t.windows:.0%}" for t in tallies.values()])
        for change in CHANGES:
            row(f"{change.name}: found, delay", [power(t.delays[change.name]) for t in tallies.values()])
        row("CPU ms per window", [f"{1000 * t.cpu / t.windows:.0f}" for t in tallies.values()])


def row(title: str, cells: Sequence[str]) -> None:
    """Print a row of a table."""
    print(f"| {title} | {' | '.join(cells)} |", flush=True)


def power(delays: Sequence[int | None]) -> str:
    """Format the share found and the median delay in windows; the first window is 1."""
    found = [delay + 1 for delay in delays if delay is not None]
    return f"{mean(delay is not None for delay in delays):.0%}, {median(found):g}" if found else "0 %"


def main() -> None:
    """Parse the options and run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--weeks", type=int, default=8)
    parser.add_argument("--day-effect", type=float, default=0.03)
    parser.add_argument("--part", choices=("simulated", "flights", "all"), default="all")
    options = parser.parse_args()
    if options.part != "flights":
        simulated(options.seeds, options.weeks, options.day_effect)
    if options.part != "simulated":
        from benchmarks.verdicts_on_flights import flights

        flights()


if __name__ == "__main__":
    main()
