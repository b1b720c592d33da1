"""Limits that workers share by a real Redis server: exact while it is there, and never in a prediction's way."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelops_pipelines.core.endpoints.spec import EndpointSpec, Limits
from modelops_pipelines.core.errors import LimitError, SettingsError
from modelops_pipelines.gateway.access import redis_quotas as shared_quotas
from modelops_pipelines.gateway.access.limiter import Limiter
from tests.fakes.redis_server import RedisServer
from tests.support.programs import needs

pytestmark = needs("redis-server")
FREE = EndpointSpec("flights", "flight-delay", "regression", "late")
HANGS = 2.0
"""Seconds until a Redis that hangs is taken for away: more than a busy machine takes for what does not wait for it."""
DOWN, UP = "Redis of MODELOPS_LIMITS_URL is down", "Redis of MODELOPS_LIMITS_URL is up again"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    server.start()
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture(autouse=True)
def patience(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Try a Redis that is away again sooner than in production; take it for away later, for this machine is busy."""
    monkeypatch.setattr(shared_quotas, "RETRY", 300_000_000)
    monkeypatch.setattr(shared_quotas, "SECONDS", HANGS if "hangs" in request.node.name else 5.0)


def limited(**limits: Any) -> EndpointSpec:
    return replace(FREE, limits=Limits(**limits))


def run(server: RedisServer, workers: int, scenario: Callable[[list[Limiter]], Awaitable[None]]) -> None:
    """Run a scenario with the limiters of so many workers."""

    async def whole() -> None:
        limiters = [Limiter(worker, workers, None, server.url) for worker in range(workers)]
        try:
            await scenario(limiters)
        finally:
            for limiter in limiters:
                await limiter.close()

    asyncio.run(whole())


async def ask(limiter: Limiter, spec: EndpointSpec, key: str | None = "k", user: str | None = None) -> bool:
    try:
        await limiter.check_shared(spec, key, user)
    except LimitError:
        return False
    return True


async def ask_all(limiters: list[Limiter], spec: EndpointSpec, times: int, **caller: Any) -> int:
    """Return how many are let in of so many requests that come to all workers at once."""
    asked = [ask(limiters[n % len(limiters)], spec, **caller) for n in range(times)]
    return sum(await asyncio.gather(*asked))


def test_three_workers_share_a_limit_exactly(server: RedisServer) -> None:
    async def scenario(limiters: list[Limiter]) -> None:
        assert all(limiter.shared for limiter in limiters)
        spec = limited(per_key="100/minute; 5000/hour", per_user="40/minute")
        assert await ask_all(limiters, spec, 150, user="ann") == 40
        assert await ask_all(limiters, spec, 150) == 60
        assert await ask_all(limiters, spec, 20, key="another") == 20
        assert await ask_all(limiters[:1], replace(spec, name="elsewhere"), 150) == 100
        with pytest.raises(
            LimitError, match=r"This key is over its rate limit for endpoint 'flights': 100/minute. Try"
        ) as raised:
            await limiters[2].check_shared(spec, "k", None)
        assert 50 <= raised.value.retry_after <= 60

    run(server, 3, scenario)


def test_one_worker_may_use_the_whole_limit_and_an_endpoint_without_limits_asks_nobody(server: RedisServer) -> None:
    async def scenario(limiters: list[Limiter]) -> None:
        assert await ask_all(limiters[:1], limited(endpoint="100/minute"), 101) == 100
        server.kill()
        assert await ask_all(limiters, FREE, 300) == 300

    run(server, 3, scenario)


def test_a_refused_request_counts_towards_no_limit_even_in_a_race(server: RedisServer) -> None:
    async def scenario(limiters: list[Limiter]) -> None:
        spec = limited(per_user="10/minute", endpoint="30/minute")
        assert await ask_all(limiters, spec, 200, user="ann") == 10
        assert await ask_all(limiters, spec, 200, user="bob") == 10
        assert await ask_all(limiters, spec, 200, user="eve") == 10
        assert await ask_all(limiters, spec, 200, user="dan") == 0

    run(server, 3, scenario)


def test_after_retry_after_the_caller_is_let_in(server: RedisServer) -> None:
    async def scenario(limiters: list[Limiter]) -> None:
        spec = limited(per_key="2/3 seconds")
        assert await ask_all(limiters, spec, 5) == 2
        with pytest.raises(LimitError) as raised:
            await limiters[0].check_shared(spec, "k", None)
        await asyncio.sleep(raised.value.retry_after)
        assert await ask_all(limiters, spec, 5) == 2

    run(server, 3, scenario)


def test_a_window_that_moves_is_never_too_full_for_one_worker_nor_kept_shut(server: RedisServer) -> None:
    async def scenario(limiters: list[Limiter]) -> None:
        times = await _pressed(limiters, limited(endpoint="40/second"), 2.5)
        assert 80 <= len(times) <= 120
        assert _fullest(times, 0.85) <= 40  # hits are timed later still on a busy machine

    run(server, 1, scenario)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_redis_that_is_killed_and_comes_back_empty_fails_nothing_and_lets_in_at_most_limit_times_workers(
    server: RedisServer, workers: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(limiters: list[Limiter]) -> None:
        spec = limited(endpoint="60/2 seconds")
        pressed = asyncio.create_task(_pressed(limiters, spec, 6.0))
        await asyncio.sleep(1.5)
        server.kill()
        await asyncio.sleep(1.5)
        assert caplog.text.count(DOWN) == workers
        await asyncio.to_thread(server.start)
        times = await pressed
        assert _fullest(times, 1.75) <= 60 * workers  # hits are timed later still on a busy machine
        assert caplog.text.count(DOWN) == caplog.text.count(UP) >= workers  # a busy machine may be away again
        assert await ask_all(limiters, replace(limited(endpoint="60/hour"), name="afterwards"), 150) == 60

    with caplog.at_level(logging.WARNING, "modelops.gateway"):
        run(server, workers, scenario)


def test_while_redis_is_away_each_worker_admits_its_part_of_what_it_has_not_admitted_yet(server: RedisServer) -> None:
    async def scenario(limiters: list[Limiter]) -> None:
        spec = limited(per_key="90/minute")
        assert await ask_all(limiters[:1], spec, 20) == 20
        server.kill()
        assert [10, 30, 30] == [await ask_all([limiter], spec, 60) for limiter in limiters]

    run(server, 3, scenario)


def test_a_redis_that_hangs_is_waited_for_once_and_then_not_for_a_while(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(limiters: list[Limiter]) -> None:
        spec = limited(per_key="1000/minute")
        assert await ask(limiters[0], spec)
        server.hang(up=True)
        monkeypatch.setattr(shared_quotas, "RETRY", 60_000_000_000)
        took = []
        for _ in range(3):
            started = time.perf_counter()
            assert await ask_all(limiters[:1], spec, 20) == 20
            took.append(time.perf_counter() - started)
        assert took[0] >= 0.9 * HANGS
        assert max(took[1:]) < 0.9 * HANGS  # nobody waited again
        monkeypatch.setattr(limiters[0]._shared, "_retry_at", 0)
        server.hang(up=False)
        assert all([await ask(limiter, spec) for limiter in limiters])
        tight = limited(per_key="3/minute")
        assert await ask_all(limiters[:1], tight, 9) == 3
        assert await ask_all(limiters[1:], tight, 9) == 0

    run(server, 2, scenario)


def test_a_redis_that_was_never_there_fails_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(limiters: list[Limiter]) -> None:
        assert await ask_all(limiters, limited(per_key="10/minute"), 30) == 10

    run(RedisServer(tmp_path), 2, scenario)
    assert caplog.text.count(DOWN) == 2


def test_neither_keys_nor_users_nor_the_password_are_told_to_redis_or_the_log(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(limiters: list[Limiter]) -> None:
        await ask_all(limiters, limited(per_key="9/minute", per_user="9/minute"), 2, key="the-key", user="the-user")
        names = await limiters[0]._shared._redis.keys("*")  # type: ignore[union-attr]
        assert len(names) == 2
        assert b"the-" not in b"".join(names)
        wrong = Limiter(redis_url=server.url.replace("redis://", "redis://bob:secret@"))
        assert await ask(wrong, limited(per_key="9/minute"))
        await wrong.close()

    run(server, 1, scenario)
    assert DOWN in caplog.text
    assert "secret" not in caplog.text


def test_an_address_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(SettingsError, match="MODELOPS_LIMITS_URL is not a Redis URL"):
        Limiter(redis_url="redis://127.0.0.1:port/0")


async def _pressed(limiters: list[Limiter], spec: EndpointSpec, seconds: float) -> list[float]:
    """Ask all workers without a pause for so long; return when requests were let in. Nothing but a refusal is raised."""
    ends, times = time.monotonic() + seconds, []

    async def press(limiter: Limiter) -> None:
        while time.monotonic() < ends:
            if await ask(limiter, spec):
                times.append(time.monotonic())
            await asyncio.sleep(0.002)

    await asyncio.gather(*(press(limiter) for limiter in limiters for _ in range(3)))
    return times


def _fullest(times: list[float], seconds: float) -> int:
    """Return the most hits in any window of that length: a little shorter than the limit's, for hits are timed late."""
    moments = np.array(sorted(times))
    return int((np.searchsorted(moments, moments + seconds, "left") - np.arange(len(moments))).max())
