"""Requests that wait for the same version are answered together: nobody waits for a batch to fill.

A batch is whatever has queued up while the last one ran. Everything here happens on the event loop's thread, but for
the model's own work, which goes to a thread unless the model is so quick that the hand-over would cost more.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from modelops_pipelines.gateway.model_runtime.loaded_model import Model, Outcome, Rows

INLINE_ROWS = 256
MERGING_LANES, SINGLE_LANES = 2, 8


@dataclass(frozen=True)
class _Waiting:
    rows: Rows
    future: "asyncio.Future[Outcome]"


class Batcher:
    """The queue before one version in memory, and the threads that it predicts in where it is slow.

    Each version has its own: a model that hangs keeps nobody waiting but its own callers. They end with the batcher.
    """

    def __init__(self, model: Model) -> None:
        """Answer with the model; no thread is started before it is needed."""
        self.model = model
        self._queue: deque[_Waiting] = deque()
        self._running = 0
        self._scheduled = False
        self._lanes = MERGING_LANES if model.way.merging else SINGLE_LANES
        self._threads = ThreadPoolExecutor(self._lanes, thread_name_prefix="predict")

    def submit(self, rows: Rows) -> "asyncio.Future[Outcome]":
        """Queue the rows; the future holds their outcome, or the error that they met.

        A future that its owner has ended meanwhile (a deadline, a caller who left) costs the model nothing any more.
        """
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(rows, future))
        self._schedule()
        return future

    def _schedule(self) -> None:
        """Start a batch after one more look at the sockets, so that what has arrived already joins it."""
        if self._queue and not self._scheduled and self._running < self._lanes:
            self._scheduled = True
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self._start)

    def _start(self) -> None:
        self._scheduled = False
        batch = self._take()
        if not batch:
            return
        requests = [waiting.rows for waiting in batch]
        if self.model.way.inline and sum(rows.count for rows in requests) <= INLINE_ROWS:
            _settle(batch, self.model.answer(requests))
        else:
            self._running += 1
            run = asyncio.get_running_loop().run_in_executor(self._threads, self.model.answer, requests)
            run.add_done_callback(partial(self._ran, batch))
        self._schedule()

    def _ran(self, batch: Sequence[_Waiting], run: "asyncio.Future[list[Outcome | Exception]]") -> None:
        self._running -= 1
        error = run.exception()
        outcomes = [error] * len(batch) if isinstance(error, Exception) else run.result()
        _settle(batch, outcomes)
        self._schedule()

    def _take(self) -> list[_Waiting]:
        """Take what waits, in order, up to as many rows as may be merged; at least one request."""
        most = self.model.way.merging.most if self.model.way.merging else 0
        batch: list[_Waiting] = []
        rows = 0
        while self._queue:
            if self._queue[0].future.done():
                self._queue.popleft()
                continue
            rows += self._queue[0].rows.count
            if batch and rows > most:
                break
            batch.append(self._queue.popleft())
        return batch


def _settle(batch: Sequence[_Waiting], outcomes: Sequence[Outcome | Exception]) -> None:
    for waiting, outcome in zip(batch, outcomes, strict=True):
        if waiting.future.done():
            continue
        if isinstance(outcome, Exception):
            waiting.future.set_exception(outcome)
        else:
            waiting.future.set_result(outcome)
