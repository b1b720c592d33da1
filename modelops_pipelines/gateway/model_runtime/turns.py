"""Turns of the questions that explanations ask a version: one at a time, so that a prediction waits for one at most."""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any


class Turns:
    """Starts one question after another, each when the one before has really ended.

    A question that nobody waits for any more (its deadline, the caller is gone) is not started. One that is under way
    then keeps its turn until the version is done with it. All code runs on the event loop's thread.
    """

    def __init__(self) -> None:
        """Nothing is asked yet."""
        self._waiting: deque[tuple[Callable[[], asyncio.Future[Any]], asyncio.Future[Any]]] = deque()
        self._is_taken = False

    def ask(self, start: Callable[[], "asyncio.Future[Any]"]) -> "asyncio.Future[Any]":
        """Return the future of a question, which ``start`` asks when it is its turn."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((start, future))
        self._next()
        return future

    def _next(self) -> None:
        while self._waiting and not self._is_taken:
            start, future = self._waiting.popleft()
            if future.done():
                continue
            try:
                run = start()
            except Exception as error:  # noqa: BLE001 - it is the question's outcome, as an error of its answer is
                future.set_exception(error)
            else:
                self._is_taken = True
                run.add_done_callback(partial(self._end, future))

    def _end(self, future: "asyncio.Future[Any]", run: "asyncio.Future[Any]") -> None:
        self._is_taken = False
        error = None if run.cancelled() else run.exception()
        if not future.done():
            if run.cancelled():
                future.cancel()
            elif error is not None:
                future.set_exception(error)
            else:
                future.set_result(run.result())
        self._next()
