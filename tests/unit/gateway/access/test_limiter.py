"""Limits in memory: never more than the rate in any window, wherever it begins; a refusal costs nothing."""

import random
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.endpoints.spec import EndpointSpec, Limits
from modelops_pipelines.core.errors import LimitError, SettingsError
from modelops_pipelines.gateway.access import sliding_windows as quotas
from modelops_pipelines.gateway.access.limiter import Limiter
from tests.fakes.clock import SECOND, Clock

FREE = EndpointSpec("flights", "flight-delay", "regression", "late")
ALL = Limits(per_key="50/minute", per_user="20/minute; 5/second", endpoint="100/10 seconds")
WORKERS = 3


@dataclass
class Caller:
    """Asks a limiter at the clock's time, and counts."""

    limiter: Limiter
    spec: EndpointSpec
    admitted: int = 0
    refusals: list[LimitError] = field(default_factory=list)

    def ask(self, times: int = 1, key: str | None = "k1", user: str | None = "ann") -> int:
        """Return how many of so many requests are let in."""
        before = self.admitted
        for _ in range(times):
            try:
                self.limiter.check(self.spec, key, user)
                self.admitted += 1
            except LimitError as refused:
                self.refusals.append(refused)
        return self.admitted - before


@pytest.fixture
def clock() -> Clock:
    return Clock()


def caller(clock: Clock, limits: Limits, global_rate: str | None = None, worker: int = 0, workers: int = 1) -> Caller:
    return Caller(Limiter(worker, workers, global_rate, clock=clock), replace(FREE, limits=limits))


def fullest(times: Sequence[int], seconds: int) -> int:
    """Return the most hits that any window of that length holds, wherever it begins (its end is not in it)."""
    moments = np.array(sorted(times))
    return int((np.searchsorted(moments, moments + seconds * SECOND, "left") - np.arange(len(moments))).max())


def arrivals(number: int, seed: int) -> Iterable[int]:
    """Yield the times of so many requests: storms, trickles and silences, some at the very same time."""
    chance, now = random.Random(seed), Clock().now
    for at in range(number):
        if at % 500 == 0:
            pace = chance.choice([0, 10**4, 10**6, 10**8, 3 * 10**8])
        now += chance.choice([0, 0, 60 * SECOND if at % 5000 == 0 else 0]) + round(chance.expovariate(1) * pace)
        yield now


ASKED = st.lists(st.tuples(st.integers(0, 4 * SECOND), st.sampled_from("ab")), max_size=60)


@given(ASKED, st.integers(1, 4), st.integers(1, 3))
def test_a_limit_admits_exactly_what_a_list_of_all_hits_would(
    asked: list[tuple[int, str]], amount: int, seconds: int
) -> None:
    clock = Clock()
    one = caller(clock, Limits(per_user=f"{amount}/{seconds} seconds"))
    admitted: dict[str, list[int]] = {"a": [], "b": []}
    for pause, user in asked:
        clock.now += pause
        room = sum(hit > clock.now - seconds * SECOND for hit in admitted[user]) < amount
        assert one.ask(user=user) == room
        if room:
            admitted[user].append(clock.now)


@given(st.lists(st.integers(0, 3 * SECOND), max_size=40), st.sampled_from(["3/2 seconds", "2/second; 5/10 seconds"]))
def test_after_retry_after_the_caller_is_let_in_and_a_second_before_it_is_not(pauses: list[int], rate: str) -> None:
    clock = Clock()
    one = caller(clock, Limits(per_key=rate, per_user="4/3 seconds"), "6/4 seconds")
    for pause in [*pauses, 0, 0, 0, 0, 0]:
        clock.now += pause
        one.ask()
    wait = one.refusals[-1].retry_after
    assert wait >= 1
    clock.move(wait - 1)
    assert one.ask() == 0
    clock.move(1)
    assert one.ask() == 1


def test_the_limit_is_reached_and_not_exceeded(clock: Clock) -> None:
    one = caller(clock, Limits(per_key="100/minute"))
    assert [99, 1, 0] == [one.ask(99), one.ask(1), one.ask(1)]
    clock.now += 60 * SECOND - 1
    assert one.ask() == 0
    clock.now += 1
    assert one.ask(101) == 100


def test_a_window_moves_and_has_no_border_to_burst_at(clock: Clock) -> None:
    one = caller(clock, Limits(per_key="10/minute"))
    clock.move(59)
    assert one.ask(10) == 10
    clock.move(2)
    assert one.ask(10) == 0
    clock.move(58)
    assert one.ask(10) == 10


def test_a_refused_request_counts_towards_no_limit(clock: Clock) -> None:
    one = caller(clock, Limits(per_key="3/minute", per_user="1/minute", endpoint="4/minute"), "5/minute")
    assert one.ask(10) == 1
    assert one.ask(10, user="bob") == 1
    assert one.ask(10, user="eve") == 1
    assert one.ask(10, user="dan") == 0
    assert one.ask(10, key="k2", user="dan") == 1
    assert one.ask(10, key="k2", user="fay") == 0
    elsewhere = Caller(one.limiter, replace(FREE, name="elsewhere"))
    assert elsewhere.ask(10) == 1


REFUSALS = {
    "key": (Limits(per_key="1/minute"), None, "This key is over its rate limit for endpoint 'flights': 1/minute"),
    "user": (
        Limits(per_user="9/second; 1/hour"),
        None,
        "This user is over the rate limit for endpoint 'flights': 1/hour",
    ),
    "endpoint": (Limits(endpoint="1/10 seconds"), None, "Endpoint 'flights' is over its rate limit: 1/10 seconds"),
    "gateway": (Limits(), "1/day", "The gateway is over its rate limit: 1/day"),
}


@pytest.mark.parametrize(("limits", "global_rate", "message"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_names_the_limit_and_its_rate_and_never_the_caller(
    clock: Clock, limits: Limits, global_rate: str | None, message: str
) -> None:
    one = caller(clock, limits, global_rate)
    one.ask(2, "the-key", "the-user")
    [refusal] = one.refusals
    assert refusal.message == message
    assert refusal.remedy.startswith(f"Try again in {refusal.retry_after} s, or raise ")
    assert "the-" not in str(refusal)


def test_the_limit_that_lasts_longest_is_the_one_that_is_named(clock: Clock) -> None:
    one = caller(clock, Limits(per_key="1/second; 1/minute", per_user="1/10 seconds"))
    one.ask(2)
    assert one.refusals[0].retry_after == 60
    assert one.refusals[0].message.endswith(": 1/minute")


def test_callers_do_not_share_and_endpoints_do_not_either(clock: Clock) -> None:
    one = caller(clock, Limits(per_key="1/minute", per_user="1/minute"))
    assert one.ask(2, "k1", "ann") + one.ask(2, "k2", "bob") + one.ask(2, "k1", "eve") == 2
    other = Caller(one.limiter, replace(one.spec, name="other"))
    assert other.ask(2, "k1", "ann") == 1


def test_who_is_not_named_is_under_no_limit_of_his_own(clock: Clock) -> None:
    one = caller(clock, Limits(per_key="1/minute", per_user="1/minute"))
    assert one.ask(50, None, None) == 50
    assert caller(clock, Limits()).ask(50) == 50


@pytest.mark.parametrize("workers", [1, 2, 3, 7, 101])
def test_the_workers_parts_make_up_the_whole(clock: Clock, workers: int) -> None:
    callers = [caller(clock, Limits(per_key="100/minute"), None, worker, workers) for worker in range(workers)]
    admitted = [one.ask(200) for one in callers]
    assert sum(admitted) == 100
    assert max(admitted) - min(admitted) <= 1


def test_a_worker_without_a_part_says_so_and_when_to_try_the_others(clock: Clock) -> None:
    last = caller(clock, Limits(per_key="2/minute"), None, 2, 3)
    assert last.ask() == 0
    assert last.refusals[0].message.endswith(": 2/minute, of which this worker admits 0")
    assert last.refusals[0].retry_after == 1


def test_a_changed_rate_holds_at_once_and_counts_from_nothing(clock: Clock) -> None:
    one = caller(clock, Limits(per_key="5/minute", endpoint="20/minute"))
    assert one.ask(9) == 5
    one.spec = replace(one.spec, limits=replace(one.spec.limits, per_key="3/minute"))
    assert one.ask(9) == 3
    one.spec = replace(one.spec, description="another", limits=replace(one.spec.limits, concurrent=1))
    assert one.ask(9) == 0
    one.spec = replace(one.spec, limits=replace(one.spec.limits, per_key=None))
    assert one.ask(50) == 12


def test_callers_who_were_made_up_are_forgotten_and_do_not_fill_the_memory(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quotas, "MOST_CALLERS", 100)
    one = caller(clock, Limits(per_user="1/minute"))
    [quota] = one.limiter._quotas_of("user", "flights", "1/minute")
    for at in range(1000):
        one.ask(user=f"user {at}")
    assert 98 <= len(quota._hits) <= 100
    clock.move(60)
    for at in range(200):
        one.ask(user="regular")
        clock.move(1)
        one.ask(user=f"new {at}")
    assert len(quota._hits) < 80  # 61 have a hit in the window


def test_a_shared_limit_without_the_client_of_redis_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(SettingsError, match=r"pip install 'modelops_pipelines\[redis\]'"):
        Limiter(redis_url="redis://127.0.0.1:6379/0")
