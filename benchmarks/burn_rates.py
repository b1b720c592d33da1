"""False alarms and delays of burn rates: the exact bound beside the usual table of ratios, in simulated weeks.

``python -m benchmarks.burn_rates [--weeks 1000] [--runs 200]`` takes a few CPU minutes. The rates, windows and the
level are those of ``core.alerting.objectives.burn_rates``; a test compares the verdicts of both. The usual table alarms
when the share of bad requests is at the burn rate in both windows; its fast rates are those that page. *Bound* also
asks that chance is excluded if requests fail at the budget's rate (what the product does), *strict* if at the burn
rate itself.

The healthy world is one whose error rate is at most the objective's budget: at the budget the objective is just met, at
half of it there is room. An alarm is counted when none was in the hour before.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modelops_pipelines.core.alerting.objectives.burn_rates import (
    BURN_RATES,
    LEVEL,
    LOOK_EVERY,
    ROUNDING,
    BurnRate,
    rate_limit,
)

SLOT = LOOK_EVERY.total_seconds()
HOUR = int(3600 / SLOT)
LEAD = 74 * HOUR
"""What the longest window needs before the first look."""
WEEK = 7 * 24 * HOUR
YEAR_WEEKS = 365 / 7
AT_ONCE = 10
METHODS = {"usual": "usual table", "fast": "its fast rates", "bound": "bound (ours)", "strict": "strict bound"}
FALSE_ALARM_RATES = (4.0, 60.0, 600.0)
DELAY_RATES = (4.0, 60.0, 600.0, 6000.0)
OBJECTIVES = (0.99, 0.999)
FOUND = 0.10
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class World:
    """Requests a minute, the objective, and the share of requests that fail."""

    a_minute: float
    objective: float
    failing: float


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weeks", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=200)
    asked = parser.parse_args()
    began = time.monotonic()
    print(f"False alarms a year, {asked.weeks} weeks ({LEVEL:.1e} a look and burn rate):\n")
    _print_header("requests/min", "objective", "error rate", *METHODS.values())
    for a_minute in FALSE_ALARM_RATES:
        for objective in OBJECTIVES:
            for words, part in (("half the budget", 0.5), ("the budget", 1.0)):
                weeks = asked.weeks if a_minute == FALSE_ALARM_RATES[0] else max(AT_ONCE, asked.weeks // 5)
                world = World(a_minute, objective, part * (1 - objective))
                counts = false_alarms(world, weeks, np.random.default_rng(18))
                shown = " | ".join(f"{counts[name] / weeks * YEAR_WEEKS:.2f}" for name in METHODS)
                print(f"| {a_minute:g} | {objective:.1%} | {words} | {shown} |", flush=True)
    print(f"\nMinutes from {FOUND:.0%} errors to the alarm (median, 95th percentile), half the budget before:\n")
    _print_header("requests/min", "objective", *METHODS.values())
    for a_minute in DELAY_RATES:
        for objective in OBJECTIVES:
            found = delays(World(a_minute, objective, FOUND), asked.runs, np.random.default_rng(18))
            print(
                f"| {a_minute:g} | {objective:.1%} | {' | '.join(_spread(found[name]) for name in METHODS)} |",
                flush=True,
            )
    print(f"\n{time.monotonic() - began:.0f} s")


def false_alarms(world: World, weeks: int, random: np.random.Generator) -> dict[str, int]:
    """Return how many alarms each method opened in so many weeks of a world."""
    found = dict.fromkeys(METHODS, 0)
    for start in range(0, weeks, AT_ONCE):
        slots = LEAD + WEEK * min(AT_ONCE, weeks - start)
        n = random.poisson(world.a_minute * SLOT / 60, (1, slots))
        bad = random.binomial(n, world.failing)
        for name, burns in zip(METHODS, judged(world.objective, n, bad), strict=True):
            found[name] += _openings(burns[0, LEAD:])
    return found


def delays(world: World, runs: int, random: np.random.Generator, hours: int = 24) -> dict[str, list[float]]:
    """Return the minutes from the first failing request to each method's alarm, by run; infinite when none came."""
    found: dict[str, list[float]] = {name: [] for name in METHODS}
    for start in range(0, runs, AT_ONCE):
        shape = (min(AT_ONCE, runs - start), LEAD + hours * HOUR)
        n = random.poisson(world.a_minute * SLOT / 60, shape)
        bad = random.binomial(n, np.where(np.arange(shape[1]) < LEAD, (1 - world.objective) / 2, world.failing))
        for name, burns in zip(METHODS, judged(world.objective, n, bad), strict=True):
            after = burns[:, LEAD + 1 :]
            first = np.where(after.any(axis=1), after.argmax(axis=1) + 1, np.inf)
            found[name] += (first * SLOT / 60).tolist()
    return found


def judged(objective: float, n: Ints, bad: Ints) -> Iterator[Bools]:
    """Yield for each method whether it alarms at the end of each slot but the last; (runs, slots)."""
    usual, fast, bound, strict = (np.zeros(n.shape, dtype=bool) for _ in METHODS)
    sums = [np.concatenate([np.zeros((len(n), 1), dtype=np.int64), np.cumsum(one, axis=1)], axis=1) for one in (n, bad)]
    for rate in BURN_RATES:
        at_rate, long = _at_rate(rate, objective, *sums)
        rows, ends = np.nonzero(at_rate)
        counted, failed = (one[rows, ends] for one in long)
        usual |= at_rate
        fast |= at_rate & rate.is_fast
        bound[rows, ends] |= _unlikely(failed, counted, 1 - objective)
        strict[rows, ends] |= _unlikely(failed, counted, rate_limit(rate.times, 1 - objective))
    yield from (usual, fast, bound, strict)


def _at_rate(rate: BurnRate, objective: float, n: Ints, bad: Ints) -> tuple[Bools, tuple[Ints, Ints]]:
    """Return whether both windows are at the rate, and the counts of the long one."""
    limit, ends = rate_limit(rate.times, 1 - objective), np.arange(n.shape[1] - 1)
    at_rate = np.ones((len(n), len(ends)), dtype=bool)
    long = (n[:, :0], bad[:, :0])
    for span in (rate.short, rate.long):
        seconds = span.total_seconds()
        starts = ends - int(seconds / SLOT) if seconds <= SLOT * HOUR else (ends // HOUR - int(seconds // 3600)) * HOUR
        starts = np.maximum(starts, 0)
        long = (n[:, ends] - n[:, starts], bad[:, ends] - bad[:, starts])
        at_rate &= (long[1] > 0) & (long[1] >= limit * ROUNDING * long[0])
    return at_rate, long


def _unlikely(bad: Ints, n: Ints, share: float) -> Bools:
    from scipy.special import betainc

    unlikely: Bools = betainc(bad, n - bad + 1, share) <= LEVEL
    return unlikely


def _openings(burns: Bools) -> int:
    """Return how many alarms there are with none in the hour before."""
    at = np.flatnonzero(burns)
    return int(len(at) > 0) + int((np.diff(at) > HOUR).sum())


def _print_header(*titles: str) -> None:
    print(f"| {' | '.join(titles)} |\n|{' --: |' * len(titles)}")


def _spread(minutes: list[float]) -> str:
    median, late = np.quantile(minutes, [0.5, 0.95], method="higher")
    return f"{_minutes(median)}, {_minutes(late)}"


def _minutes(value: float) -> str:
    return f"{value:.1f}" if np.isfinite(value) else "never in a day"


if __name__ == "__main__":
    main()
