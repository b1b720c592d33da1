"""Limits in memory under a million calls (a tenth of them in an ordinary run): never more than the rate in any window, wherever it begins."""

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from modelops_pipelines.core.access.rates import parse_rates
from modelops_pipelines.core.endpoints.spec import EndpointSpec, Limits
from modelops_pipelines.core.errors import LimitError
from modelops_pipelines.gateway.access.limiter import Limiter
from tests.fakes.clock import SECOND, Clock

FREE = EndpointSpec("flights", "flight-delay", "regression", "late")
ALL = Limits(per_key="50/minute", per_user="20/minute; 5/second", endpoint="100/10 seconds")
WORKERS = 3


@pytest.fixture
def clock() -> Clock:
    return Clock()


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


def test_many_calls_of_three_workers_never_exceed_a_limit_in_any_window(
    clock: Clock, pytestconfig: pytest.Config
) -> None:
    calls = pytestconfig.getoption("calls")
    limiters = [Limiter(worker, WORKERS, "150/10 seconds", clock=clock) for worker in range(WORKERS)]
    spec, hits = replace(FREE, limits=ALL), defaultdict[tuple[str, ...], list[int]](list)
    chances = np.random.default_rng(7).integers(0, [WORKERS, 4, 12], (calls, 3)).tolist()
    for clock.now, (worker, key, user) in zip(arrivals(calls, 11), chances, strict=True):
        try:
            limiters[worker].check(spec, f"k{key}", f"u{user}")
        except LimitError:
            continue
        for name in (("key", f"k{key}"), ("user", f"u{user}"), ("endpoint",), ("gateway",)):
            hits[name].append(clock.now)
            hits[*name, str(worker)].append(clock.now)
    rates = {"key": ALL.per_key, "user": ALL.per_user, "endpoint": ALL.endpoint, "gateway": "150/10 seconds"}
    assert len(hits["endpoint",]) > calls // 20
    for name, times in hits.items():
        alone = name[-1] in {"0", "1", "2"}
        for rate in parse_rates(str(rates[name[0]])) or ():
            part = rate.amount // WORKERS + (int(name[-1]) < rate.amount % WORKERS) if alone else rate.amount
            assert fullest(times, rate.seconds) <= part, (name, rate)
    reached = [name for name in (("endpoint",), ("key", "k0")) if fullest(hits[name], 60) >= 49]
    assert reached, "the limits were never even near"
