"""What a worker does over and over, each in a thread of its own; a failure is logged, and the next turn tries again."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from modelops_pipelines.core.errors import ModelOpsError

JOIN_SECONDS = 5.0
SHARE, LONGEST_PAUSE = 0.003, 10.0
"""The share of a core that a repeated look at all endpoints may take; it is due again after LONGEST_PAUSE at last."""
_LOG = logging.getLogger("modelops.gateway")


class BackgroundTasks:
    """The threads of one worker."""

    def __init__(self) -> None:
        """Begin without a task; ``faults`` has what is wrong with those that fail now, by their name."""
        self.faults: dict[str, str] = {}
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def repeat(self, name: str, step: Callable[[], None], pause: float) -> None:
        """Call ``step`` every ``pause`` seconds in its own thread until ``stop``."""
        thread = threading.Thread(target=self._run, args=(name, step, pause), name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def stop(self) -> None:
        """End the threads; wait for each at most JOIN_SECONDS."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=JOIN_SECONDS)

    def _run(self, name: str, step: Callable[[], None], pause: float) -> None:
        """Log what fails once until it changes: every turn would fill the disk that may be why it fails."""
        while not self._stop.wait(pause):
            try:
                step()
            except Exception as error:  # noqa: BLE001 - a thread that ends would stop following the desired state
                ours = isinstance(error, ModelOpsError)  # it says itself what is wrong
                fault = str(error) if ours else f"{type(error).__name__}: {error}"
                if self.faults.get(name) != fault:
                    text = "Background task %s fails, and runs again every %g s: %s"
                    _LOG.error(text, name, pause, fault, exc_info=None if ours else error)
                self.faults[name] = fault
            else:
                if self.faults.pop(name, None) is not None:
                    _LOG.warning("Background task %s works again", name)


class Pace:
    """How often something is done that costs more with more endpoints: it takes at most a share of a core."""

    def __init__(self, share: float = SHARE) -> None:
        """Be due at once."""
        self._due_at, self._share = 0.0, share

    def is_due(self) -> bool:
        """Return whether it may be done again."""
        return time.monotonic() >= self._due_at

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Measure the thread's CPU time that a turn takes; the next one is due after so much the longer."""
        before = time.thread_time()
        try:
            yield
        finally:
            self._due_at = time.monotonic() + min(LONGEST_PAUSE, (time.thread_time() - before) / self._share)
