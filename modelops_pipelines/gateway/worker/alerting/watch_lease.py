"""Which worker of a home watches: the one that holds a lease in the state."""

import threading
import time

from modelops_pipelines.store.filesystem.process_identity import this_process
from modelops_pipelines.store.stores import Stores

NAME = "alert-watch"
ASK_SECONDS, LEASE_SECONDS = 0.9, 10.0
"""A worker that hangs loses the watch after so long; one that has ended, at once."""


class WatchLease:
    """A lease on the watch: one process of all that ask holds it, until it ends, hangs or gives it back."""

    def __init__(self, stores: Stores) -> None:
        """Hold nothing yet."""
        self._stores, self._process = stores, this_process()
        self._lock, self._asked_at, self._is_mine = threading.Lock(), float("-inf"), False

    def is_held(self) -> bool:
        """Return whether this process watches; take or keep the lease if it may. The state is asked once a second."""
        with self._lock:
            if time.monotonic() - self._asked_at >= ASK_SECONDS:
                self._is_mine = False  # also when asking fails
                self._is_mine = self._stores.leases.take(NAME, self._process, self._stores.now(), LEASE_SECONDS)
                self._asked_at = time.monotonic()
            return self._is_mine

    def release(self) -> None:
        """Let another process watch at once."""
        self._stores.leases.release(NAME, self._process)
