"""The sequential tests themselves: false alarms, power and delay.

The baseline is a z-test at the same level, evaluated as often. Part ``equal`` compares a version with itself;
``growing`` does so while the share grows and losses change; ``canary`` counts bad events and judges after each (the
evidence is constant in between); ``sticky`` assigns callers, not requests; ``quality`` measures how often and when a
difference is found.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from modelops_pipelines.core.release.sequential_tests import (
    FAIL,
    INCONCLUSIVE,
    PASS,
    EventsGuard,
    Interval,
    Moments,
    Step,
    difference,
    difference_of,
    judge_quality,
    log_evidence,
)

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Looks = list[tuple[Moments, Moments]]

ROWS_PER_DAY, ALPHA, DAYS, SPLITS = 2_000, 0.05, (14, 28), (0.05, 0.5)
Z_BOTH, Z_ONE = 1.96, 2.326
GUARD = EventsGuard(alpha=0.01)
HORIZON, EARLIEST = 20_000, 30
ERRORS = ((0.05, 0.10), (0.01, 0.02), (0.10, 0.12), (0.0, 1.0), (0.01, 1.0))
EQUAL = (0.05, 0.01)
SHARES = (0.05, 0.25, 0.5)
CALLERS = 2_000
CONCENTRATIONS = {"equal": 1e6, "sd 5 %": 18.0, "sd 13 %": 2.0}


@dataclass(frozen=True)
class Loss:
    """A loss by its mean: of 0 and 1 (``skew`` None), or log-normal with that sigma."""

    name: str
    mean: float
    skew: float | None = None

    def totals(self, chance: np.random.Generator, shape: tuple[int, int], rows: int) -> tuple[Floats, Floats]:
        """Draw ``rows`` rows per cell; return each cell's sum and sum of squares."""
        if self.skew is None:
            bad = chance.binomial(rows, self.mean, shape).astype(float)
            return bad, bad
        middle = math.log(self.mean) - self.skew**2 / 2
        drawn = [np.exp(middle + self.skew * chance.standard_normal((shape[1], rows))) for _ in range(shape[0])]
        return np.array([arm.sum(1) for arm in drawn]), np.array([(arm**2).sum(1) for arm in drawn])


LOSSES = (
    Loss("0/1, 1 %", 0.01),
    Loss("0/1, 5 %", 0.05),
    Loss("0/1, 30 %", 0.3),
    Loss("log-normal, sigma 1", 0.5, 1.0),
    Loss("log-normal, sigma 1.5", 0.5, 1.5),
)
EFFECTS = (
    (Loss("0/1, 5 %", 0.05), 0.1),
    (Loss("0/1, 5 %", 0.05), 0.2),
    (Loss("0/1, 5 %", 0.05), 0.5),
    (Loss("0/1, 30 %", 0.3), 0.1),
    (Loss("log-normal, sigma 1", 0.5, 1.0), 0.05),
    (Loss("log-normal, sigma 1", 0.5, 1.0), 0.1),
    (Loss("log-normal, sigma 1", 0.5, 1.0), -0.1),
)


def experiments(challenger: Loss, champion: Loss, split: float, runs: int, seed: int) -> Iterator[Looks]:
    """Yield each experiment's moments of both arms after each day of the longest plan."""
    chance = np.random.default_rng(seed)
    arms = []
    for loss, rows in ((challenger, round(ROWS_PER_DAY * split)), (champion, round(ROWS_PER_DAY * (1 - split)))):
        sums, squares = (one.cumsum(1) for one in loss.totals(chance, (runs, max(DAYS)), rows))
        arms.append((rows, sums.tolist(), squares.tolist()))
    for run in range(runs):
        yield [
            tuple(Moments.of(rows * (day + 1), sums[run][day], squares[run][day]) for rows, sums, squares in arms)
            for day in range(max(DAYS))
        ]


def z(challenger: Moments, champion: Moments) -> float:
    """Return the difference of means in standard errors; 0 without any variance."""
    error = math.sqrt(challenger.variance + champion.variance)
    return (challenger.mean - champion.mean) / error if error else 0.0


def excludes(found: Interval | None, truth: float = 0.0) -> bool:
    """Return whether an interval excludes the truth."""
    return found is not None and not found.lower <= truth <= found.upper


def excludes_zero_unpooled(look: tuple[Moments, Moments], planned: int) -> bool:
    """Return whether the interval excludes 0 without our rule that the pooled variance is the minimum."""
    found = difference(*look, planned=planned, alpha=ALPHA, fewest=2)
    if found is None or not 0 < look[0].variance + look[1].variance:
        return False
    challenger, champion = look
    pooled = (challenger.rows * challenger.row_variance + champion.rows * champion.row_variance) / (
        challenger.rows + champion.rows
    )
    ours = sum(max(one.row_variance, pooled) / one.rows for one in look)
    half = (found.upper - found.estimate) * math.sqrt((challenger.variance + champion.variance) / ours)
    return abs(found.estimate) > half


def equal(runs: int) -> None:
    """Print how often any daily look shows a difference of a version from itself."""
    print(
        f"\nfalse positives of {runs} experiments, {ROWS_PER_DAY} rows per day, alpha {ALPHA:.0%}, one look per day\n"
    )
    print("| loss | split | days | ours | planned 10 times too long, too short | no minimum variance | z-test |")
    print(f"|{'---|' * 7}")
    for loss, split in product(LOSSES, SPLITS):
        drawn = list(experiments(loss, loss, split, runs, seed=1))
        for days in DAYS:
            planned = days * ROWS_PER_DAY
            counts = [
                _share(drawn, lambda look, n=size: excludes(difference(*look, planned=n, alpha=ALPHA)), days)
                for size in (planned, 10 * planned, planned // 10)
            ]
            bare = _share(drawn, lambda look, n=planned: excludes_zero_unpooled(look, n), days)
            naive = _share(drawn, lambda look: abs(z(*look)) > Z_BOTH, days)
            ours, long, short = (f"{one:.1%}" for one in counts)
            print(f"| {loss.name} | {split:.0%} | {days} | {ours} | {long}, {short} | {bare:.1%} | {naive:.1%} |")


def _share(drawn: Sequence[Looks], alarms: Callable[[tuple[Moments, Moments]], bool], days: int) -> float:
    return sum(any(alarms(look) for look in looks[:days]) for looks in drawn) / len(drawn)


def growing(runs: int) -> None:
    """Print false alarms and power when the share grows weekly while both versions' error rate changes."""
    print(f"\nshares 5, 25 and 50 %, one week each, errors 10, 5 and 7 %, {ROWS_PER_DAY} rows and one look per day\n")
    print(f"| challenger | strata by share | the arms' plain means | z-test on these |\n|{'---|' * 4}")
    for effect in (0.0, 0.3):
        chance, wrong = np.random.default_rng(4), np.zeros(3)
        for _ in range(runs):
            wrong += np.any([_alarms_of(strata) for strata in _weeks(chance, effect)], axis=0)
        print(f"| {effect:+.0%} | {' | '.join(f'{one / runs:.1%}' for one in wrong)} |")


def _weeks(chance: np.random.Generator, effect: float) -> Iterator[Looks]:
    """Yield the strata so far, after each day."""
    done: Looks = []
    for share, rate in ((0.05, 0.10), (0.25, 0.05), (0.5, 0.07)):
        rows, rates = (round(ROWS_PER_DAY * share), round(ROWS_PER_DAY * (1 - share))), (rate * (1 + effect), rate)
        bad = [chance.binomial(n, p, 7).cumsum() for n, p in zip(rows, rates, strict=True)]
        for day in range(7):
            now = [Moments.of(n * (day + 1), *[float(one[day])] * 2) for n, one in zip(rows, bad, strict=True)]
            yield [*done, (now[0], now[1])]
        done.append((now[0], now[1]))


def _alarms_of(strata: Looks) -> tuple[bool, bool, bool]:
    whole = strata[0]
    for one in strata[1:]:
        whole = (whole[0].merged(one[0]), whole[1].merged(one[1]))
    planned = 21 * ROWS_PER_DAY
    ours, pooled = (difference_of(one, planned=planned, alpha=ALPHA) for one in (strata, [whole]))
    return excludes(ours), excludes(pooled), abs(z(*whole)) > Z_BOTH


@dataclass(frozen=True)
class Walk:
    """Counts of both arms after each bad event; arrays of shape (experiments, events)."""

    bad: Counts
    champion_bad: Counts
    requests: Counts
    champion_requests: Counts

    def excess(self) -> Floats:
        """Return the challenger's rate less the champion's."""
        return self.bad / np.maximum(self.requests, 1) - self.champion_bad / np.maximum(self.champion_requests, 1)

    def z(self) -> Floats:
        """Return the two-proportion z-statistic with the pooled rate."""
        total = np.maximum(self.requests + self.champion_requests, 1)
        rate = (self.bad + self.champion_bad) / total
        each = 1 / np.maximum(self.requests, 1) + 1 / np.maximum(self.champion_requests, 1)
        error = np.sqrt(rate * (1 - rate) * each)
        return np.divide(self.excess(), error, out=np.zeros_like(error), where=error > 0)


def walk(chance: np.random.Generator, runs: int, events: int, share: float, rates: tuple[float, float]) -> Walk:
    """Draw experiments up to ``events`` bad events; distributed exactly as if drawn request by request."""
    champion, challenger = rates
    any_bad = share * challenger + (1 - share) * champion
    mine = chance.random((runs, events)) < share * challenger / any_bad
    good = chance.geometric(any_bad, (runs, events)) - 1
    mine_good = chance.binomial(good, share * (1 - challenger) / (1 - any_bad))
    bad = mine.cumsum(1)
    champion_bad = np.arange(1, events + 1) - bad
    requests = bad + mine_good.cumsum(1)
    return Walk(bad, champion_bad, requests, champion_bad + (good - mine_good).cumsum(1))


def limits(share: float, events: int) -> Counts:
    """Return per number of bad events how many must be the challenger's for evidence of 1 / alpha."""
    found, least = np.zeros(events + 1, np.int64), 0
    for n in range(events + 1):
        while least <= n and log_evidence(least, n - least, share) < -math.log(GUARD.alpha):
            least += 1
        found[n] = least
    return found


def detections(share: float, rates: tuple[float, float], runs: int, most: Counts) -> tuple[Floats, Floats]:
    """Return after how many of its requests ours and the z-test fail the challenger; inf: not within the horizon."""
    chance, any_bad = np.random.default_rng(2), share * rates[1] + (1 - share) * rates[0]
    events = min(len(most) - 1, math.ceil(1.1 * HORIZON / share * any_bad) + 10)
    ours, naive = [], []
    for _ in range(0, runs, size := max(1, 2_000_000 // events)):
        walked = walk(chance, min(size, runs - len(ours)), events, share, rates)
        material = walked.excess() >= GUARD.least
        proved = (walked.bad >= most[1 : events + 1]) & material & (walked.champion_requests > 0)
        believed = (walked.z() > Z_ONE) & (walked.requests >= EARLIEST)
        ours += _first(proved, walked)
        naive += _first(believed, walked)
        if len(ours) >= runs:
            break
    return np.array(ours), np.array(naive)


def _first(fails: NDArray[np.bool_], walked: Walk) -> list[float]:
    at, rows = fails.argmax(1), np.arange(len(fails))
    requests = walked.requests[rows, at]
    found = fails.any(1) & (requests <= HORIZON)
    return [float(one) if hit else math.inf for one, hit in zip(requests, found, strict=True)]


def canary(runs: int) -> None:
    """Print the canary's requests to detection, and the false alarms without a difference."""
    print(f"\ncanary, judged after every request: evidence 1 / {GUARD.alpha:g} and an excess of {GUARD.least:.1%}\n")
    print("| errors | share | ours: median, 90 % | found | z-test: median, 90 % | found |")
    print(f"|{'---|' * 6}")
    needed = {share: limits(share, 25_000) for share in SHARES}
    pairs = [*ERRORS, *((rate, rate) for rate in EQUAL)]
    for rates, share in product(pairs, SHARES):
        ours, naive = detections(share, rates, runs, needed[share])
        shown = " | ".join(_delays(one) for one in (ours, naive))
        print(f"| {rates[0]:.0%} to {rates[1]:.0%} | {share:.0%} | {shown} |")


def _delays(found: Floats) -> str:
    middle, late = (float(np.quantile(found, share, method="inverted_cdf")) for share in (0.5, 0.9))
    shown = ", ".join(f"{one:,.0f}" if math.isfinite(one) else "-" for one in (middle, late))
    return f"{shown} | {np.isfinite(found).mean():.1%}"


def sticky(runs: int) -> None:
    """Print the false alarms when callers, not requests, are assigned, and callers differ in their error rates."""
    print(f"\n{CALLERS:,} callers, geometric, 10 requests each, errors 5 %, more for some callers; 14 looks\n")
    print(
        "| share | callers' error rates | guard: per request | per caller | interval: per row | per caller | z-test |"
    )
    print(f"|{'---|' * 7}")
    chance = np.random.default_rng(5)
    for share, (name, steady) in product((0.05, 0.5), CONCENTRATIONS.items()):
        needed = limits(share, 6_000)
        wrong = np.mean([_alarms(chance, share, steady, needed) for _ in range(runs)], axis=0)
        print(f"| {share:.0%} | {name} | {' | '.join(f'{one:.1%}' for one in wrong)} |")


def _alarms(chance: np.random.Generator, share: float, steady: float, needed: Counts) -> list[bool]:
    arms = chance.random(CALLERS) < share
    rates = chance.beta(0.05 * steady, 0.95 * steady, CALLERS)
    who = chance.permutation(np.repeat(np.arange(CALLERS), chance.geometric(0.1, CALLERS)))
    bad = chance.random(len(who)) < rates[who]
    unlucky = who[bad]
    first = np.sort(np.unique(unlucky, return_index=True)[1])
    guards = [bool(np.any(one.cumsum() >= needed[1 : len(one) + 1])) for one in (arms[unlucky], arms[unlucky[first]])]
    ends = np.linspace(0, len(who), 15).astype(int)[1:]
    looks = [_by_caller(who[:end], bad[:end], arms) for end in ends]
    plans = enumerate((len(who), CALLERS))
    found = [any(excludes(difference(*look[how], planned=n, alpha=ALPHA)) for look in looks) for how, n in plans]
    return [*guards, *found, any(abs(z(*look[0])) > Z_BOTH for look in looks)]


def _by_caller(who: Counts, bad: NDArray[np.bool_], arms: NDArray[np.bool_]) -> Looks:
    """Return both arms' moments, first as if rows were independent, then by callers."""
    sizes, sums = np.bincount(who, minlength=CALLERS), np.bincount(who, bad, CALLERS)
    rows, callers = [], []
    for mine in (arms, ~arms):
        m, s = sizes[mine], sums[mine]
        n, total = int(m.sum()), float(s.sum())
        rows.append(Moments.of(n, total, total))
        callers.append(Moments.of_clusters(int((m > 0).sum()), n, total, float(s @ s), float(s @ m), float(m @ m)))
    return [(rows[0], rows[1]), (callers[0], callers[1])]


def quality(runs: int) -> None:
    """Print how often and on which day a difference of losses is found, compared with one z-test on the last day."""
    days = max(DAYS)
    print(f"\nquality in {days} days of {ROWS_PER_DAY} rows: verdicts of {runs} experiments, with their median day\n")
    print("| loss | challenger | split | tolerance | fail | pass | inconclusive | one z-test on the last day |")
    print(f"|{'---|' * 8}")
    cells = [(loss, effect, 0.0) for loss, effect in EFFECTS]
    cells += [(loss, 0.0, 0.1 * loss.mean) for loss in LOSSES]
    for (loss, effect, tolerance), split in product(cells, SPLITS):
        other = Loss(loss.name, loss.mean * (1 + effect), loss.skew)
        drawn = list(experiments(other, loss, split, runs, seed=3))
        found = [_verdict(looks, tolerance) for looks in drawn]
        shown = " | ".join(_days([day for verdict, day in found if verdict == name], runs) for name in (FAIL, PASS))
        open_share = sum(verdict == INCONCLUSIVE for verdict, _ in found) / runs
        once = sum(abs(_shifted(looks[-1], tolerance)) > Z_BOTH for looks in drawn) / runs
        cell = f"| {loss.name} | {effect:+.0%} | {split:.0%} | {tolerance:g}"
        print(f"{cell} | {shown} | {open_share:.0%} | {once:.0%} |")


def _shifted(look: tuple[Moments, Moments], tolerance: float) -> float:
    challenger, champion = look
    return z(Moments(challenger.rows, challenger.mean - tolerance, challenger.variance), champion)


def _verdict(looks: Looks, tolerance: float) -> tuple[str, int]:
    """Return the first verdict that is not inconclusive, and its day."""
    for day, look in enumerate(looks, 1):
        verdict = judge_quality(*look, planned=len(looks) * ROWS_PER_DAY, tolerance=tolerance, alpha=ALPHA).verdict
        if verdict != INCONCLUSIVE:
            return verdict, day
    return INCONCLUSIVE, len(looks)


def _days(days: Sequence[int], runs: int) -> str:
    return f"{len(days) / runs:.0%}, day {np.median(days):.0f}" if days else "0 %"


def check_the_guard() -> None:
    """Assert that the simulated limits equal the guard's."""
    for share in SHARES:
        needed = limits(share, 400)
        for n in range(20, 401, 20):
            verdicts = [
                GUARD.judge([Step(share, bad, n - bad, 10 * bad, 1000 * (n - bad) + 1)]).verdict
                for bad in (int(needed[n]) - 1, int(needed[n]))
            ]
            assert verdicts == [INCONCLUSIVE, FAIL]


PARTS = {"equal": equal, "growing": growing, "canary": canary, "sticky": sticky, "quality": quality}
