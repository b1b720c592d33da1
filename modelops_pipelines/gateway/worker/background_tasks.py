"""What a worker does over and over, each in a thread of its own; a failure is logged, and the next turn tries again."""

import logging
import threading
from collections.abc import Callable

from modelops_pipelines.core.errors import ModelOpsError

JOIN_SECONDS = 5.0
_LOG = logging.getLogger("modelops.gateway")


class BackgroundTasks:
    """The threads of one worker."""

    def __init__(self) -> None:
        """Begin without a task."""
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
        """Log an error of ours once until it changes, since it says what is wrong; any other with its traceback."""
        told: str | None = None
        while not self._stop.wait(pause):
            try:
                step()
            except ModelOpsError as error:
                if told != str(error):
                    _LOG.error("Background task %s fails, and runs every %g s: %s", name, pause, error)
                told = str(error)
            except Exception:  # noqa: BLE001 - a thread that ends would stop following the desired state
                _LOG.exception("Background task %s failed; it runs again in %g s", name, pause)
            else:
                if told is not None:
                    _LOG.warning("Background task %s works again", name)
                told = None
