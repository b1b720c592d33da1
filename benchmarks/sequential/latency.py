"""The latency guard in made-up worlds, through the product's own counting: equal versions, and slow challengers.

A worker's requests arrive at random; a stall of a version at a worker holds its requests until it ends; a stall of the
machine holds all. Anonymous callers, unless a world says otherwise.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from modelops_pipelines.core.endpoints.spec import Guard
from modelops_pipelines.core.metrics.latency_sketch import bucket
from modelops_pipelines.core.release.guards import Arm, Leg, Pairs, judge_trial
from modelops_pipelines.core.release.live_counts import Count, Second
from modelops_pipelines.core.release.sequential_tests import FAIL
from modelops_pipelines.core.release.trial_counts import TrialCounter

Floats = NDArray[np.float64]
POLICY = Guard()
CHAMPION, CHALLENGER = "1", "2"
BEFORE = 60
"""Seconds of the champion alone before the trial."""


@dataclass(frozen=True)
class World:
    """One world: requests per second in all, and what makes answers slow.

    ``sigma`` is the spread of a log-normal latency around 10 ms, ``tail`` the index of a Pareto one instead. Stalls of
    a version at a worker, and of a worker, start every so many seconds on average and last 0.1 to 2 s.
    ``restless`` is the spread of a factor on all latencies of a worker that changes every second. ``cold`` requests of
    the challenger at each worker take 50 times as long. A share ``part`` of the challenger's answers is ``slower``.
    ``callers`` named callers differ by ``differ`` in their usual latency; 0 is anonymous traffic.
    """

    name: str
    rate: float = 10.0
    share: int = 20
    workers: int = 2
    seconds: int = 600
    sigma: float = 0.3
    tail: float | None = None
    stall_every: float | None = None
    pause_every: float | None = None
    restless: float = 0.0
    cold: int = 0
    slower: float = 1.0
    part: float = 0.0
    callers: int = 0
    differ: float = 0.0


def found_after(world: World, seed: int) -> float | None:
    """Return after how many seconds of the trial the guard fails the challenger; None if it never does."""
    counter = TrialCounter(CHAMPION, CHALLENGER, world.share, BEFORE - 0.5, POLICY.slower)
    judged = 0  # only another slow answer of the challenger's can fail it
    for second in _seconds(world, np.random.default_rng([seed, 15])):
        counter.add(second)
        leg = counter.leg()
        if leg.slow.challenger > judged:
            judged = leg.slow.challenger
            if judge_trial([leg], None, POLICY, 1).verdict == FAIL:
                return second.second - BEFORE
    return None


def _seconds(world: World, chance: np.random.Generator) -> Iterator[Second]:
    """Yield the workers' seconds in order of time."""
    found = [one for _ in range(world.workers) for one in _worker(world, chance)]
    yield from sorted(found, key=lambda one: one.second)


def _worker(world: World, chance: np.random.Generator) -> Iterator[Second]:
    horizon = BEFORE + world.seconds
    at = np.sort(chance.uniform(0, horizon, chance.poisson(world.rate / world.workers * horizon)))
    who = chance.integers(0, world.callers, len(at)) if world.callers else np.full(len(at), -1)
    point = np.random.default_rng([world.callers, world.share]).random(world.callers) if world.callers else None
    draws = chance.random(len(at)) if point is None else point[who]
    mine = (draws * 100 < world.share) & (at >= BEFORE)
    milliseconds = _latencies(world, chance, at, mine, who)
    finished = at + milliseconds / 1000
    order = np.argsort(finished, kind="stable")
    yield from _counted(finished[order], milliseconds[order], mine[order], who[order])


def _latencies(
    world: World, chance: np.random.Generator, at: Floats, mine: NDArray[np.bool_], who: NDArray[np.int64]
) -> Floats:
    if world.tail is not None:
        base = 10 * (1 + chance.pareto(world.tail, len(at)))
    else:
        base = 10 * np.exp(world.sigma * chance.standard_normal(len(at)))
    if world.callers:
        base *= np.exp(world.differ * np.random.default_rng(world.callers).standard_normal(world.callers))[who]
    if world.restless:
        factors = np.exp(world.restless * chance.standard_normal(BEFORE + world.seconds + 1))
        base *= factors[at.astype(int)]
    base[mine & (chance.random(len(at)) < world.part)] *= world.slower
    base[np.flatnonzero(mine)[: world.cold]] *= 50
    for every, whom in ((world.stall_every, mine), (world.stall_every, ~mine), (world.pause_every, mine | ~mine)):
        if every is not None:
            base[whom] += _waits(chance, at[whom], every, BEFORE + world.seconds) * 1000
    return base


def _waits(chance: np.random.Generator, at: Floats, every: float, horizon: float) -> Floats:
    """Return how long each request waits for the end of the stall that it meets."""
    starts = np.sort(chance.uniform(0, horizon, chance.poisson(horizon / every)))
    if not len(starts):
        return np.zeros(len(at))
    ends = np.maximum.accumulate(starts + chance.uniform(0.1, 2.0, len(starts)))
    last = np.searchsorted(starts, at, side="right") - 1
    return np.where(last >= 0, np.maximum(ends[last] - at, 0), 0)


def _counted(
    finished: Floats, milliseconds: Floats, mine: NDArray[np.bool_], who: NDArray[np.int64]
) -> Iterator[Second]:
    """Yield a worker's seconds as the gateway counts them (gateway/worker/live_metrics.py)."""
    seen: set[int] = set()
    current = Second(-1)
    for end, ms, challenger, caller in zip(
        finished.tolist(), milliseconds.tolist(), mine.tolist(), who.tolist(), strict=True
    ):
        if int(end) != current.second:
            if current.versions:
                yield current
            if current.second < BEFORE <= int(end):
                seen.clear()
            current = Second(int(end))
        count = current.versions.setdefault(CHALLENGER if challenger else CHAMPION, Count())
        count.requests += 1
        key = bucket(ms)
        count.latencies[key] = count.latencies.get(key, 0) + 1
        if caller < 0:
            if not count.anonymous:
                count.fresh.append((None, key))
            count.anonymous += 1
        elif caller not in seen:
            seen.add(caller)
            count.fresh.append((caller, key))
    if current.versions:
        yield current


BUSY = World("", rate=40, share=50, seconds=300)
EQUAL = (
    World("quiet"),
    World("a version stalls every 10 s", stall_every=10),
    World("a version stalls every 10 s, share 5 %", stall_every=10, share=5),
    World("a version stalls every 10 s, share 80 %", stall_every=10, share=80),
    replace(BUSY, name="40/s, share 50 %, a version stalls every 10 s", stall_every=10),
    replace(BUSY, name="40/s, share 50 %, a version stalls every 3 s", stall_every=3),
    replace(BUSY, name="40/s, share 50 %, the machine pauses every 5 s", pause_every=5),
    replace(BUSY, name="40/s, restless machine (sigma 1), stalls every 10 s", restless=1.0, stall_every=10),
    World("Pareto tail, index 1.2", tail=1.2),
    World("log-normal, sigma 1.2", sigma=1.2),
    World("first 5 requests at each worker 50 times slower", cold=5),
    replace(BUSY, name="40/s, share 50 %, first 20 requests 50 times slower", cold=20),
    World("50 callers that differ by sigma 1, stalls every 10 s", callers=50, differ=1.0, stall_every=10),
)
SLOWER = (
    *(
        World(f"{part:.0%} of the answers {times:g} times slower", part=part, slower=times)
        for part in (0.2, 0.5, 1.0)
        for times in (2.0, 3.0, 4.0)
    ),
    World("half 4 times slower, stalls every 10 s", part=0.5, slower=4, stall_every=10),
    World("half 4 times slower, restless machine", part=0.5, slower=4, restless=1.0),
    World("all 4 times slower, Pareto tail, index 1.2", part=1.0, slower=4, tail=1.2),
    World("half 4 times slower, one worker", part=0.5, slower=4, workers=1),
)


def timed_after(part: float, times: float, seed: int, seconds: int = 600) -> float | None:
    """Return after how many seconds requests timed again on both versions fail the challenger, two a second."""
    chance, pairs = np.random.default_rng([seed, 16]), Pairs()
    for second in range(seconds):
        for _ in range(2):
            mine, other = np.exp(0.3 * chance.standard_normal(2)).tolist()
            mine *= times if chance.random() < part else 1
            pairs = pairs.plus(Pairs.of(mine > POLICY.slower * other, other > POLICY.slower * mine))
        if pairs.challenger > pairs.champion:
            verdict = judge_trial([Leg(20, Arm(), Arm(), timed=pairs)], None, POLICY, 1)
            if verdict.verdict == FAIL:
                return second
    return None


def latency(runs: int) -> None:
    """Print how often the latency guard fails equal versions, and how soon a slow one."""
    print(f"\nlatency guard, {runs} canaries each, 10 minutes (5 at 40/s), judged every second\n")
    print(f"| equal versions | rolled back |\n|{'---|' * 2}")
    for world in EQUAL:
        alarms = [found_after(world, seed) is not None for seed in range(runs)]
        print(f"| {world.name} | {np.mean(alarms):.1%} |", flush=True)
    print(f"\n| slow challenger, 10/s, 20 % | found in 60 s | in 10 minutes | median, 90 % (s) |\n|{'---|' * 4}")
    for world in SLOWER:
        after = np.array([np.inf if (s := found_after(world, seed)) is None else s for seed in range(runs)])
        middle, late = (np.quantile(after, share, method="inverted_cdf") for share in (0.5, 0.9))
        shown = f"{(after <= 60).mean():.0%} | {np.isfinite(after).mean():.0%} | {middle:.0f}, {late:.0f}"
        print(f"| {world.name} | {shown} |", flush=True)
    print(f"\n| timed again on both versions | found in 60 s | in 10 minutes | median, 90 % (s) |\n|{'---|' * 4}")
    for part, times in ((0.0, 1.0), (0.2, 2.0), (0.2, 3.0), (0.2, 4.0), (0.5, 2.0), (0.5, 3.0), (1.0, 2.0)):
        after = np.array([np.inf if (s := timed_after(part, times, seed)) is None else s for seed in range(runs)])
        middle, late = (np.quantile(after, share, method="inverted_cdf") for share in (0.5, 0.9))
        shown = f"{(after <= 60).mean():.0%} | {np.isfinite(after).mean():.1%} | {middle:.0f}, {late:.0f}"
        print(f"| {part:.0%} of the answers {times:g} times slower | {shown} |", flush=True)
