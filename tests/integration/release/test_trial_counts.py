"""The watchdog's counts of a trial and those of the log are the same for the same requests."""

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from modelops_pipelines.core.release.desired_state import Variant, route
from modelops_pipelines.core.release.guards import Leg
from modelops_pipelines.core.release.live_counts import Second, second_of
from modelops_pipelines.core.release.trial_counts import TrialCounter
from modelops_pipelines.gateway.worker.live_metrics import Judged, LiveMetrics
from modelops_pipelines.gateway.worker.replays import Replay
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.release.trials.canary import Span, evidence_of
from tests.fakes.records import VERSION, request_record, write_segment
from tests.support.project import Project, make_project

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
STEPS = (5, 25, 50)
SECONDS, QUIET = 30, 3
WORKERS = ("a", "b")


@dataclass(frozen=True)
class Request:
    """One request as both sides see it; times in seconds since NOW, of the answer."""

    at: float
    worker: str
    version: str
    caller: str | None
    milliseconds: float
    failed: bool
    shared: bool
    hit: bool = False


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project with two versions."""
    made = make_project(tmp_path / "project")
    for number in ("1", "2"):
        made.stores.deployments.record_version(replace(VERSION, version=number))
    return made


def world(seed: int, callers: int) -> list[Request]:
    """Return requests of named callers (at most one a second each) and anonymous ones, in three legs after a minute."""
    chance, found = random.Random(seed), []
    for second in range(-60, SECONDS * len(STEPS)):
        share = STEPS[second // SECONDS] if second >= 0 else 0
        if second >= 0 and second % SECONDS >= SECONDS - QUIET:
            continue  # no request is under way when the share changes
        names = [f"u{n}" for n in range(callers) if chance.random() < 0.3] + [None] * chance.randrange(6)
        for name in names:
            variants = (Variant("1", "champion", 100 - share), Variant("2", "challenger", share))
            sticky = f"e/2/{name}".encode() if name else chance.randbytes(8)
            version = route(variants, sticky).version if share else "1"
            failed = chance.random() < (0.1 if version == "2" else 0.03)
            found.append(
                Request(
                    second + round(chance.uniform(0.2, 0.95), 3),
                    chance.choice(WORKERS),
                    version,
                    name,
                    round(chance.lognormvariate(3, 1.0), 3) + 0.001,
                    failed,
                    failed and chance.random() < 0.3,
                    hit=not failed and chance.random() < 0.2,
                )
            )
    return sorted(found, key=lambda one: one.at)


def counted_live(requests: list[Request]) -> list[Leg]:
    """Return the legs as the watchdog counts them from two workers, one of which it reads as published."""
    live = {worker: LiveMetrics(b"secret") for worker in WORKERS}
    legs, counter, began = [], None, -1
    start = NOW.timestamp()
    for number in range(-1, len(STEPS)):
        of_leg = [one for one in requests if one.at // SECONDS == number or (number < 0 and one.at < 0)]
        since = start + number * SECONDS
        if number >= 0:
            counter = (
                TrialCounter("1", "2", STEPS[0], since, 2.0)
                if counter is None
                else counter.next_leg(STEPS[number], since)
            )
        for metrics in live.values():
            metrics.begin_leg(same_trial=number > 0)
        for one in of_leg:
            judged = Judged(
                one.version,
                one.caller,
                one.milliseconds,
                failed=one.failed,
                replay=Replay(one.shared, own_failed=True) if one.failed else None,
            )
            said = (start + one.at, 1, 500 if one.failed else 200, one.milliseconds)
            live[one.worker].add(*said, None if one.hit else judged, cache_hit=one.hit)
        if counter is not None:
            counter.add_all(in_order(live))
            legs.append(counter.leg())
    assert began == -1
    return legs


def in_order(live: dict[str, LiveMetrics]) -> list[Second]:
    """Return both workers' seconds; one worker's as it reads them from the other's file."""
    from dataclasses import asdict

    own = live["a"].since(0)
    lines = [orjson.dumps(asdict(one), option=orjson.OPT_NON_STR_KEYS) for one in live["b"].since(0)]
    return sorted([*own, *(second_of(orjson.loads(line)) for line in lines)], key=lambda one: one.second)


def counted_in_the_log(project: Project, requests: list[Request]) -> list[Leg]:
    """Return the legs as the trial job counts them."""
    stores: Any = project.stores
    for worker in WORKERS:
        records = []
        for number, one in enumerate(requests):
            if one.worker == worker:
                answered = {"p": None, "s": None, "f": {}, "status": 500} if one.failed else {}
                answered["error"] = ("prediction_shared" if one.shared else "prediction") if one.failed else None
                answered |= {"hit": True} if one.hit else {}
                received = NOW + timedelta(seconds=one.at) - timedelta(milliseconds=one.milliseconds)
                known = {"version": one.version, "user": one.caller, "ms": one.milliseconds}
                records.append(request_record("cancer", number, received, 1, **known, **answered))
        write_segment(stores, "cancer", "predictions", worker, records, 1)
    ingest(stores, project.spec, "predictions")
    spans = [
        Span(NOW + timedelta(seconds=number * SECONDS), NOW + timedelta(seconds=(number + 1) * SECONDS), share)
        for number, share in enumerate(STEPS)
    ]
    return list(evidence_of(stores, project.spec, ("1", "2"), spans).legs)


@pytest.mark.parametrize(("seed", "callers"), [(1, 0), (2, 5), (3, 40), (4, 200)])
def test_the_watchdog_and_the_log_count_the_same(project: Project, seed: int, callers: int) -> None:
    requests = [one for one in world(seed, callers) if one.at < 0 or one.at % SECONDS >= 1]
    live, logged = counted_live(requests), counted_in_the_log(project, requests)
    for mine, theirs in zip(live, logged, strict=True):
        assert (mine.challenger, mine.champion) == (theirs.challenger, theirs.champion)
        assert mine.failures == theirs.failures
        assert (mine.slow, mine.slow_ms) == (theirs.slow, theirs.slow_ms)
    answered = [one for one in requests if one.at >= 0 and not one.hit]
    assert len(answered) == sum(leg.challenger.requests + leg.champion.requests for leg in live) < len(requests)
    assert sum(leg.slow.compared for leg in live) > 0
    assert sum(leg.champion.errors for leg in live) > 0
