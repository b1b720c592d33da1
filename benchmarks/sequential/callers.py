"""The errors guard in made-up worlds, through the product's own counting: canaries of 5, 25 and 50 %.

Named callers stay with their version (``core.release.desired_state.route``), so that they move when the share grows.
A caller's requests hit one of two workers at random. Canaries of equal versions should hardly ever be rolled back; a
challenger with 2 points more errors should be. With ``kind`` row, a bad row fails whenever it is sent to the
challenger, so that a replay of the row on both versions tells them apart; with noise, every request fails by chance.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from modelops_pipelines.core.endpoints.spec import Guard
from modelops_pipelines.core.release.desired_state import Variant, route
from modelops_pipelines.core.release.guards import Leg, judge_trial
from modelops_pipelines.core.release.live_counts import Count, Second
from modelops_pipelines.core.release.sequential_tests import FAIL
from modelops_pipelines.core.release.trial_counts import TrialCounter

Flags = NDArray[np.bool_]
CHAMPION, CHALLENGER = "1", "2"
POLICY = Guard()
LOOKS, WORKERS, STEPS = 30, 2, (5, 25, 50)
_OUTAGES = 3


@dataclass(frozen=True)
class World:
    """One world: how many callers (None: anonymous requests), their requests per leg, and what makes requests fail.

    ``zipf`` makes few callers send most requests; ``spread`` makes callers differ in their error rate (beta, by how
    concentrated); ``burst`` is the part of a leg in outages of everything, with half of the requests failing;
    ``trend`` multiplies the error rate in each leg; ``extra`` is the challenger's additional error rate, of ``kind``.
    ``poison`` is a share of the requests that both versions always fail.
    """

    name: str
    callers: int | None = None
    per_leg: int = 6000
    rate: float = 0.01
    steps: tuple[int, ...] = STEPS
    zipf: bool = False
    spread: float | None = None
    burst: float = 0.0
    trend: tuple[float, ...] = (1.0, 1.0, 1.0)
    extra: float = 0.0
    kind: str = "noise"
    poison: float = 0.0


@dataclass(frozen=True)
class Requests:
    """The requests of one leg, in order."""

    who: NDArray[np.int64]
    challenger: Flags
    failed: Flags
    shared: Flags
    again: Flags
    other_again: Flags


def rolled_back_by(world: World, seed: int) -> str | None:
    """Return the guard that fails the challenger in one canary; None if it is never failed."""
    chance = np.random.default_rng([seed, 77])
    points = _points(world, seed)
    rates = _rates(world, chance)
    legs: list[Leg] = []
    counter = TrialCounter(CHAMPION, CHALLENGER, world.steps[0], 0.0, POLICY.slower)
    for number, share in enumerate(world.steps):
        if number:
            counter = counter.next_leg(share, float(number * LOOKS * 10))
        requests = _requests(world, chance, number, points, rates)
        known: list[set[int]] = [set() for _ in range(WORKERS)]
        for look, part in enumerate(np.array_split(np.arange(len(requests.who)), LOOKS), 1):
            for second in _counted(requests, part, chance, known, int(counter.since) + look):
                counter.add(second)
            verdict = judge_trial([*legs, counter.leg()], None, POLICY, 100)
            if verdict.verdict == FAIL:
                return verdict.guard
        legs.append(counter.leg())
    return None


def _points(world: World, seed: int) -> NDArray[np.bool_] | None:
    """Return for each caller and leg whether the challenger answers; None for anonymous requests."""
    if world.callers is None:
        return None
    variants = [(Variant(CHAMPION, "champion", 100 - s), Variant(CHALLENGER, "challenger", s)) for s in world.steps]
    return np.array(
        [
            [route(both, f"{seed}/{CHALLENGER}/{caller}".encode()).version == CHALLENGER for both in variants]
            for caller in range(world.callers)
        ]
    )


def _rates(world: World, chance: np.random.Generator) -> NDArray[np.float64] | None:
    if world.callers is None or world.spread is None:
        return None
    return chance.beta(world.rate * world.spread, (1 - world.rate) * world.spread, world.callers)


def _requests(
    world: World,
    chance: np.random.Generator,
    leg: int,
    points: NDArray[np.bool_] | None,
    rates: NDArray[np.float64] | None,
) -> Requests:
    n = chance.poisson(world.per_leg)
    who = np.full(n, -1)
    mine = chance.random(n) * 100 < world.steps[leg]
    if points is not None and world.callers is not None:
        weights = 1 / np.arange(1, world.callers + 1) ** (1.1 if world.zipf else 0.0)
        who = chance.choice(world.callers, n, p=weights / weights.sum())
        mine = points[who, leg]
    usual = (np.full(n, world.rate) if rates is None else rates[who]) * world.trend[leg]
    if world.burst:
        at, starts = np.sort(chance.random(n)), chance.random(_OUTAGES)
        out = ((at[:, None] >= starts) & (at[:, None] < starts + world.burst / _OUTAGES)).any(1)
        usual = np.where(out, 0.5, usual)
    poison = chance.random(n) < world.poison
    broken = mine & (chance.random(n) < world.extra)
    row = broken & (world.kind == "row")
    # the request itself, and its replays on both versions at the same time
    noise = np.clip(usual + world.extra * mine * (world.kind == "noise"), 0, 1)
    failed, again = ((chance.random(n) < noise) | poison | row for _ in range(2))
    other = np.clip(usual + world.extra * ~mine * (world.kind == "noise"), 0, 1)
    other_again = (chance.random(n) < other) | poison
    return Requests(who, mine, failed, failed & other_again, again, other_again)


def _counted(
    requests: Requests, part: NDArray[np.int64], chance: np.random.Generator, known: Sequence[set[int]], second: int
) -> list[Second]:
    """Return the workers' seconds for these requests, as the gateway counts them (gateway/worker/live_metrics.py)."""
    worker = chance.integers(0, WORKERS, len(part))
    return [
        Second(
            second,
            versions={
                version: _count(requests, part[(worker == w) & (requests.challenger[part] == mine)], known[w])
                for version, mine in ((CHALLENGER, True), (CHAMPION, False))
            },
        )
        for w in range(WORKERS)
    ]


def _count(requests: Requests, rows: NDArray[np.int64], known: set[int]) -> Count:
    own = requests.failed[rows] & ~requests.shared[rows]
    named = requests.who[rows] >= 0
    callers = set(requests.who[rows][named].tolist()) - known
    known |= callers
    tried, again, other = (
        one[rows][requests.failed[rows]] for one in (requests.failed, requests.again, requests.other_again)
    )
    return Count(
        requests=len(rows),
        failed=int(own.sum()),
        anonymous=int((~named).sum()),
        anonymous_errors=int((own & ~named).sum()),
        fresh=[(caller, 0) for caller in callers],
        failing=list(set(requests.who[rows][own & named].tolist())),
        replays=[len(tried), int((again & ~other).sum()), int((other & ~again).sum())],
    )


EQUAL = (
    World("300 callers x 20 requests a step", callers=300),
    World("300 callers x 100", callers=300, per_leg=30_000),
    World("300 callers x 20, 5 % errors", callers=300, rate=0.05),
    World("300 callers x 20, bursts of errors", callers=300, burst=0.01),
    World("300 callers that differ, Zipf, x 20", callers=300, zipf=True, spread=20),
    World("300 callers that differ, Zipf, x 20, 5 % errors", callers=300, zipf=True, spread=20, rate=0.05),
    World("300 callers x 20, errors grow (1, 3, 9 %)", callers=300, trend=(1, 3, 9)),
    World("300 callers x 20, errors shrink (9, 3, 1 %)", callers=300, trend=(9, 3, 1)),
    World("300 callers x 20, 5 % of rows fail on both versions", callers=300, poison=0.05),
    World("2,000 callers x 3", callers=2000),
    World("20,000 callers x 0.3", callers=20_000),
    World("20 callers that differ, Zipf, x 300", callers=20, zipf=True, spread=20),
    World("5 callers that differ, Zipf, x 1,200", callers=5, zipf=True, spread=20),
    World("anonymous, 6,000 requests a step"),
    World("anonymous, bursts of errors", burst=0.01),
    World("anonymous, fixed share 5 %, 18,000 requests", steps=(5,), per_leg=18_000),
    World("300 callers that differ, Zipf, fixed share 50 %", callers=300, steps=(50,), zipf=True, spread=20),
)
WORSE = (
    World("anonymous", extra=0.02),
    World("2,000 callers x 3", callers=2000, extra=0.02),
    World("300 callers x 20", callers=300, extra=0.02),
    World("300 callers x 100", callers=300, per_leg=30_000, extra=0.02),
    World("300 callers x 20, fixed share 10 %", callers=300, per_leg=18_000, steps=(10,), extra=0.02),
    World("20 callers, Zipf, x 300", callers=20, zipf=True, spread=20, extra=0.02),
    World("5 callers, Zipf, x 1,200", callers=5, zipf=True, spread=20, extra=0.02),
)


def callers(runs: int) -> None:
    """Print how often equal versions are rolled back, and how often a rise from 1 to 3 % of errors is found."""
    print(f"\n{runs} canaries each, steps of 5, 25 and 50 %, errors 1 %, judged {LOOKS} times a step\n")
    print(f"| equal versions | rolled back |\n|{'---|' * 2}")
    for world in EQUAL:
        alarms = [rolled_back_by(world, seed) is not None for seed in range(runs)]
        print(f"| {world.name} | {np.mean(alarms):.1%} |", flush=True)
    print(f"\n| errors from 1 to 3 % | errors by chance | rows that only the challenger fails |\n|{'---|' * 3}")
    for world in WORSE:
        shown = []
        for kind in ("noise", "row"):
            found = [rolled_back_by(replace(world, kind=kind), seed) for seed in range(runs)]
            by = sum(one == "replays" for one in found) / runs
            shown.append(f"{1 - found.count(None) / runs:.0%} ({by:.0%} by replays)")
        print(f"| {world.name} | {' | '.join(shown)} |", flush=True)
