"""Tells on stderr which step a long command is at, and since when. What is done at once is not told."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from modelops_pipelines.cli.output import echo

FIRST, AGAIN = timedelta(seconds=1), timedelta(seconds=30)
"""How long a step lasts until it is told, and until it is told again."""
TICK_SECONDS = 0.5
Tell = Callable[[str], None]


@dataclass
class _Step:
    name: str
    since: datetime
    told_at: datetime | None = None


class Steps:
    """The step under way, when it began, and when it was told last."""

    def __init__(self, say: Tell, now: Callable[[], datetime]) -> None:
        """Tell by ``say``, by this clock."""
        self._say, self._now, self._lock = say, now, threading.Lock()
        self._current: _Step | None = None

    def begin(self, name: str) -> None:
        """Take that a step begins: the one before has ended."""
        with self._lock:
            self._current = _Step(name, self._now())

    def tick(self) -> None:
        """Tell the step under way if it is time to: when it began, and later how long it lasts."""
        with self._lock:
            step, now = self._current, self._now()
            if step is None or now - (step.told_at or step.since) < (AGAIN if step.told_at else FIRST):
                return
            lasts = f", {(now - step.since).total_seconds():.0f} s ago" if step.told_at else ""
            self._say(f"{step.name}, since {step.since:%H:%M:%S} UTC{lasts}")
            step.told_at = now


@contextmanager
def told_steps(tick: float = TICK_SECONDS) -> Iterator[Tell]:
    """Yield a function that is given each step as it begins, such as ``training candidate deep``."""
    steps, ended = Steps(lambda line: echo(line, err=True), lambda: datetime.now(UTC)), threading.Event()

    def repeat() -> None:
        while not ended.wait(tick):
            steps.tick()

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield steps.begin
    finally:
        ended.set()
        thread.join()
