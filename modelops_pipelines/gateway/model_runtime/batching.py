"""Batches the requests that are queued for the same version; no request waits for a batch to fill.

A batch is what was queued while the previous one ran. All code runs on the event loop's thread, except the model's
prediction: it runs in a thread, unless the model is so fast that the thread switch would cost more.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

from modelops_pipelines.core.errors import ModelOpsError
from modelops_pipelines.gateway.model_runtime.source import Source
from modelops_pipelines.gateway.model_runtime.turns import Turns
from modelops_pipelines.operations.model_runtime.explanations.explaining import ExactQuestion
from modelops_pipelines.operations.model_runtime.loaded_model import Model, Outcome, Rows
from modelops_pipelines.operations.model_runtime.prediction_paths import ABSENT

INLINE_ROWS = 256
MERGING_THREADS, SINGLE_THREADS = 2, 8


@dataclass(frozen=True)
class _Queued:
    rows: Rows
    future: "asyncio.Future[Outcome]"


class Suspects(Protocol):
    """The rows during which a version crashed."""

    def refusal(self, rows: Rows) -> ModelOpsError | None:
        """Return why these rows are not tried again, None where they may be."""

    def acquit(self, rows: Rows) -> None:
        """Take note that the version has answered these rows."""


@dataclass(frozen=True)
class LoadFault:
    """Why a version could not be loaded, and when that was tried last (monotonic seconds)."""

    error: ModelOpsError
    at: float


class Batcher:
    """The queue of one version, and its thread pool.

    Each version has its own, so that a model that blocks delays only its own callers. The threads end with the batcher.
    The version may leave the memory and come back (``is_resident``); what ``model`` says of it stays known meanwhile.
    ``source`` is where it is loaded from, ``fault`` why that failed.
    """

    def __init__(self, model: Model, suspects: Suspects | None = None, source: Source | None = None) -> None:
        """Predict with this model, but not the rows that ``suspects`` refuses; threads start when they are needed."""
        self._suspects = suspects
        self._queue: deque[_Queued] = deque()
        self._running, self._turns = 0, Turns()
        self._scheduled = False
        self.fault: LoadFault | None = None
        self.put(model, source)

    def put(self, model: Model, source: Source | None) -> None:
        """Have the version in memory."""
        self.model, self.source, self.fault = model, source, None
        self._max_running = MERGING_THREADS if model.path.merging else SINGLE_THREADS
        self._threads = ThreadPoolExecutor(self._max_running, thread_name_prefix="predict")
        self.is_resident = model.path is not ABSENT  # last: who sees it finds all of the above

    def let_go(self) -> None:
        """Let go of the model; the caller has set ``is_resident`` to False, and made sure that nobody uses it."""
        self.model = replace(self.model, path=self.model.path.without_model())
        self._threads.shutdown(wait=False)

    def refusal(self, rows: Rows) -> ModelOpsError | None:
        """Return why the version is not called with these rows again, None where it may be."""
        return self._suspects.refusal(rows) if self._suspects else None

    def submit(self, rows: Rows) -> "asyncio.Future[Outcome]":
        """Queue the rows; the future gets their outcome or error.

        Rows whose future is already done (deadline, caller disconnected) are skipped: the model never sees them.
        """
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        refusal = self.refusal(rows)
        if refusal is not None:
            future.set_exception(refusal)
            return future
        self._queue.append(_Queued(rows, future))
        self._schedule()
        return future

    def ask(self, question: ExactQuestion | Rows) -> "asyncio.Future[Any]":
        """Ask a question of an explanation, when the ones before have been answered: of all callers one at a time.

        Its rows wait in the queue as those of any request; exact contributions take one of the version's threads.
        """
        return self._turns.ask(partial(self._ask, question))

    def _ask(self, question: ExactQuestion | Rows) -> "asyncio.Future[Any]":
        if not isinstance(question, ExactQuestion):
            return self.submit(question)
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._threads, self.model.explain, question.columns, question.reference)

    def _schedule(self) -> None:
        """Start a batch after the event loop has read its sockets once more, so that arrived requests join it."""
        if self._queue and not self._scheduled and self._running < self._max_running:
            self._scheduled = True
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self._start)

    def _start(self) -> None:
        self._scheduled = False
        batch = self._next_batch()
        if not batch:
            return
        requests = [queued.rows for queued in batch]
        for rows in requests:
            if rows.mark is not None:
                rows.mark.enter()
        if self._is_quick(requests):
            self._complete(batch, self.model.answer(requests))
        else:
            self._running += 1
            run = asyncio.get_running_loop().run_in_executor(self._threads, self.model.answer, requests)
            run.add_done_callback(partial(self._on_batch_done, batch))
        self._schedule()

    def _is_quick(self, requests: Sequence[Rows]) -> bool:
        """Return whether the event loop's thread predicts: few rows on the array path, no parameters."""
        few = sum(rows.count for rows in requests) <= INLINE_ROWS
        return self.model.path.inline and few and not requests[0].is_apart

    def _on_batch_done(self, batch: Sequence[_Queued], run: "asyncio.Future[list[Outcome | Exception]]") -> None:
        self._running -= 1
        error = run.exception()
        outcomes = [error] * len(batch) if isinstance(error, Exception) else run.result()
        self._complete(batch, outcomes)
        self._schedule()

    def _next_batch(self) -> list[_Queued]:
        """Remove queued requests in order, up to the rows that may be merged, at least one; skip those already done.

        A request with parameters, or without an optional column, is a batch of its own.
        """
        most = self.model.path.merging.most if self.model.path.merging else 0
        batch: list[_Queued] = []
        rows = 0
        while self._queue:
            if self._queue[0].future.done():
                self._queue.popleft()
                continue
            rows += self._queue[0].rows.count
            if batch and (rows > most or self._queue[0].rows.is_apart):
                break
            batch.append(self._queue.popleft())
            if batch[-1].rows.is_apart:
                break
        return batch

    def _complete(self, batch: Sequence[_Queued], outcomes: Sequence[Outcome | Exception]) -> None:
        for queued, outcome in zip(batch, outcomes, strict=True):
            if queued.rows.mark is not None:
                queued.rows.mark.leave()
            if self._suspects and not isinstance(outcome, Exception):
                self._suspects.acquit(queued.rows)
            if queued.future.done():
                continue
            if isinstance(outcome, Exception):
                queued.future.set_exception(outcome)
            else:
                queued.future.set_result(outcome)
