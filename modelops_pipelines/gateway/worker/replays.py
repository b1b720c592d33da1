"""Tries requests again on both versions of a trial, or on a new champion and the one before.

A row that both versions fail is not the version's fault, whoever sends it and however often; a version is slow that
takes much longer for the same rows. Threads of their own do it, so that neither the event loop nor other callers'
predictions wait; a replay reaches neither the log nor the counts of requests.
"""

import asyncio
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import orjson

from modelops_pipelines.operations.model_runtime.loaded_model import Model, Rows

TIMING_SECONDS, TIMING_PART = 1.0, 10
"""Seconds between two timings of an endpoint at a worker; they take at most one part in so many of the time."""
VERSIONS_KEPT = 4
WAITING_MOST = 20
"""Failed requests of an endpoint that may wait for their replay; further ones are not tried."""


Report = Callable[[float, float], None]


@dataclass(frozen=True)
class Replay:
    """What a failed request did when it was tried again.

    ``other_failed`` is true when the other version gave no answer either, and when the request was not tried because
    too many waited; ``own_failed`` is None when the version itself was not tried again.
    """

    other_failed: bool
    own_failed: bool | None

    @property
    def pair(self) -> tuple[bool, bool] | None:
        """Whether the version and the other one failed at the same time; None when only one was tried."""
        return None if self.own_failed is None else (self.own_failed, self.other_failed)


class Replays:
    """The replays of one endpoint in one worker: a thread for each version that is tried."""

    def __init__(self) -> None:
        """Start without threads."""
        self._threads: dict[str, ThreadPoolExecutor] = {}
        self._waiting = 0
        self._next_timing = 0.0
        self._timing: asyncio.Task[None] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a replay is under way, which needs both versions."""
        return self._waiting > 0 or (self._timing is not None and not self._timing.done())

    def time_later(self, own: Model, other: Model, rows: Rows, seconds: float, report: Report) -> None:
        """Time an answered request again on both versions, unless one was a moment ago; ``report`` gets both times."""
        now = time.monotonic()
        if now >= self._next_timing and (self._timing is None or self._timing.done()):
            self._next_timing = now + TIMING_SECONDS
            self._timing = asyncio.get_running_loop().create_task(self._time(own, other, rows, seconds, report))

    async def _time(self, own: Model, other: Model, rows: Rows, seconds: float, report: Report) -> None:
        started = time.monotonic()
        models = [own, other]
        random.shuffle(models)
        took = {model.version.version: await self._milliseconds(model, rows, seconds) for model in models}
        self._next_timing = max(self._next_timing, time.monotonic() + TIMING_PART * (time.monotonic() - started))
        mine, theirs = took[own.version.version], took[other.version.version]
        if mine is not None and theirs is not None:
            report(mine, theirs)

    async def compare(self, own: Model | None, other: Model, rows: Rows, seconds: float) -> Replay:
        """Try the rows again on both versions, in random order, each with this deadline; ``own`` None: not on it."""
        if self._waiting >= WAITING_MOST:
            return Replay(other_failed=True, own_failed=None)
        self._waiting += 1
        try:
            first_own = random.random() < 0.5  # noqa: PLR2004, S311 - a coin: neither version is always the first
            own_failed = await self._fails(own, rows, seconds) if own is not None and first_own else None
            other_failed = await self._fails(other, rows, seconds)
            if own is not None and not first_own:
                own_failed = await self._fails(own, rows, seconds)
        finally:
            self._waiting -= 1
        return Replay(other_failed, own_failed)

    async def _fails(self, model: Model, rows: Rows, seconds: float) -> bool:
        """Return whether the version gives no answer to the rows in time."""
        return await self._milliseconds(model, rows, seconds) is None

    async def _milliseconds(self, model: Model, rows: Rows, seconds: float) -> float | None:
        """Return how long the version takes for the rows; None when it gives no answer in time."""
        thread = self._thread(model.version.version)
        trying = asyncio.get_running_loop().run_in_executor(thread, _answering_time, model, rows)
        try:
            return await asyncio.wait_for(trying, seconds)
        except TimeoutError:
            return None

    def _thread(self, version: str) -> ThreadPoolExecutor:
        """Return the version's thread; the oldest one ends when more versions than VERSIONS_KEPT have one."""
        if version not in self._threads:
            self._threads[version] = ThreadPoolExecutor(1, thread_name_prefix=f"replay-{version}")
        if len(self._threads) > VERSIONS_KEPT:
            self._threads.pop(next(iter(self._threads))).shutdown(wait=False)
        return self._threads[version]


def _answering_time(model: Model, rows: Rows) -> float | None:
    """Return the milliseconds of an answer; None when the version fails, or returns what JSON cannot represent."""
    started = time.perf_counter()
    [outcome] = model.answer([rows])
    milliseconds = (time.perf_counter() - started) * 1000
    if isinstance(outcome, Exception):
        return None
    try:
        orjson.dumps(outcome.output, option=orjson.OPT_SERIALIZE_NUMPY)
    except TypeError:
        return None
    return milliseconds
