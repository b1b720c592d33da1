"""Loads at the first request: one for all that wait; a budget is kept; nobody's version leaves under a request."""

import asyncio
import random
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from modelops_pipelines.core.errors import ModelOpsError, NotReadyError, OverloadError
from modelops_pipelines.gateway.worker.residency import residency as module
from modelops_pipelines.gateway.worker.residency.preloading import Preloading
from modelops_pipelines.gateway.worker.residency.residency import LOADS, Residency
from modelops_pipelines.gateway.worker.served_endpoint import ServedEndpoint
from tests.fakes.slow_loads import BYTES, SlowLoads, absent_endpoint


class Worker:
    """Endpoints with the residency that they share."""

    def __init__(self, folder: Path, names: Sequence[str], budget: int | None, loads: SlowLoads, **spec: int) -> None:
        self.endpoints = {name: absent_endpoint(name, folder, **spec) for name in names}
        self.loads, self.faults = loads, list[str]()
        self.residency = Residency(self.endpoints, loads, budget, lambda *_: None, self._fault)  # type: ignore[arg-type]

    def _fault(self, served: ServedEndpoint, _version: str, _error: ModelOpsError) -> None:
        self.faults.append(served.spec.name)

    @property
    def resident(self) -> list[str]:
        return sorted(name for name, served in self.endpoints.items() if served.is_resident)

    async def ask(self, name: str, *, hold: float = 0.0, seconds: float = 5.0) -> None:
        """Ask as the hot path does; fail if the version is not there while the request has it."""
        served = self.endpoints[name]
        with served.admit(1):
            variant, batcher = served.choose(b"")
            if not batcher.is_resident:
                await self.residency.wait_for(served, variant.version, seconds)
            for _ in range(3):
                assert [0.0] == batcher.model.path.predict({"x": [1.0]}).tolist()
                await asyncio.sleep(hold / 3)


def test_all_that_wait_for_a_version_share_one_load(tmp_path: Path) -> None:
    worker = Worker(tmp_path, "abc", None, SlowLoads(0.05))

    async def crowd() -> None:
        await asyncio.gather(*(worker.ask(name) for name in "aaaaabbbbb"))

    asyncio.run(crowd())
    assert {"a": 1, "b": 1} == worker.loads.loads
    assert ["a", "b"] == worker.resident


def test_only_so_many_are_loaded_at_a_time(tmp_path: Path) -> None:
    worker = Worker(tmp_path, "abcdefgh", None, SlowLoads(0.02))

    async def crowd() -> None:
        await asyncio.gather(*(worker.ask(name) for name in "abcdefgh"))

    asyncio.run(crowd())
    assert LOADS == worker.loads.most_at_once


def test_the_least_recently_used_leaves_and_comes_back(tmp_path: Path) -> None:
    worker = Worker(tmp_path, "abc", 2 * BYTES, SlowLoads())
    for name in "abac":
        asyncio.run(worker.ask(name))
    assert ["a", "c"] == worker.resident
    asyncio.run(worker.ask("b"))
    assert ["b", "c"] == worker.resident
    assert {"a": 1, "b": 2, "c": 1} == worker.loads.loads
    assert 2 == len(worker.loads.ended)


def test_the_budget_is_kept_but_for_what_answers(tmp_path: Path) -> None:
    worker = Worker(tmp_path, "abcd", 2 * BYTES, SlowLoads())

    async def crowd() -> int:
        asked = [asyncio.create_task(worker.ask(name, hold=0.3)) for name in "abcd"]
        await asyncio.sleep(0.15)
        most = worker.residency.taken()
        await asyncio.gather(*asked)
        return most

    assert 4 * BYTES == asyncio.run(crowd())
    worker.residency.make_room()
    assert 2 * BYTES == worker.residency.taken()


def test_requests_and_evictions_in_any_order_never_meet_an_absent_version(tmp_path: Path) -> None:
    names, draw = "abcdefghij", random.Random(7)
    worker = Worker(tmp_path, names, 3 * BYTES, SlowLoads())

    async def caller() -> None:
        for _ in range(60):
            await worker.ask(draw.choice(names))

    async def crowd() -> None:
        evicting = asyncio.create_task(asyncio.to_thread(evict))
        await asyncio.gather(*(caller() for _ in range(8)))
        await evicting

    def evict() -> None:
        for _ in range(300):
            worker.residency.make_room(3 * BYTES)
            time.sleep(0.0005)

    asyncio.run(crowd())
    assert sum(worker.loads.loads.values()) > len(names)


def test_one_that_cannot_be_loaded_is_told_and_not_tried_again_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(tmp_path, "ab", None, SlowLoads())
    worker.loads.failing.add("a")
    for _ in range(3):
        with pytest.raises(
            NotReadyError, match="Endpoint 'a' cannot serve version 1: the files of a are gone"
        ) as found:
            asyncio.run(worker.ask("a"))
        assert "put them back" == found.value.remedy
    asyncio.run(worker.ask("b"))
    assert {"a": 1, "b": 1} == worker.loads.loads
    assert ["a"] == worker.faults
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.0)
    worker.loads.failing.clear()
    asyncio.run(worker.ask("a"))
    assert worker.endpoints["a"].load_fault is None


def test_a_load_that_takes_longer_than_the_deadline_is_there_for_the_next_request(tmp_path: Path) -> None:
    worker = Worker(tmp_path, "a", None, SlowLoads(0.3))
    with pytest.raises(OverloadError, match="not in memory, and not loaded within the deadline"):
        asyncio.run(worker.ask("a", seconds=0.05))
    worker.residency.ensure("a", "1")
    asyncio.run(worker.ask("a", seconds=0.05))
    assert {"a": 1} == worker.loads.loads


def test_what_nobody_waits_for_any_more_is_not_loaded(tmp_path: Path) -> None:
    worker = Worker(tmp_path, "abcdef", None, SlowLoads(0.2))

    async def crowd() -> None:
        asked = [worker.ask(name, seconds=0.05) for name in "abcdef"]
        assert len(asked) == len([one for one in await asyncio.gather(*asked, return_exceptions=True) if one])

    asyncio.run(crowd())
    worker.residency.close()
    assert LOADS == sum(worker.loads.loads.values())


def test_what_could_not_come_back_does_not_leave(tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    worker = Worker(files, "ab", BYTES, SlowLoads())
    asyncio.run(worker.ask("a"))
    files.rmdir()
    worker.residency.make_room(BYTES)
    assert ["a"] == worker.resident


@pytest.mark.parametrize(("budget", "loaded"), [(None, "abcde"), (3 * BYTES, "abc"), (0, "")])
def test_a_start_loads_what_fits_those_used_last_first(tmp_path: Path, budget: int | None, loaded: str) -> None:
    worker = Worker(tmp_path, "edcba", budget, SlowLoads())
    for age, name in enumerate("abcde"):
        worker.endpoints[name].live.used_at = -float(age)
    preloading = Preloading(worker.residency, worker.endpoints, lambda _: None, tmp_path / "spool")
    assert not preloading.is_warm
    preloading.turn()
    assert preloading.is_warm
    assert loaded == "".join(worker.resident)[: len(loaded)]
    assert len(worker.resident) <= len(loaded) + 1  # before the first load nobody knows what one takes


def test_what_is_pinned_is_loaded_whatever_the_budget_and_stays(tmp_path: Path) -> None:
    worker = Worker(tmp_path, "abc", BYTES, SlowLoads(), min_resident=1)
    preloading = Preloading(worker.residency, worker.endpoints, lambda _: None, tmp_path / "spool")
    preloading.turn()
    worker.residency.make_room(BYTES)
    assert ["a", "b", "c"] == worker.resident
