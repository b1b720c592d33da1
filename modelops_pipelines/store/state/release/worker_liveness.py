"""Whether a gateway worker lives, from what it has recorded; without comparing the clocks of two processes."""

import time
from datetime import datetime, timedelta

from modelops_pipelines.store.filesystem.process_identity import is_gone
from modelops_pipelines.store.state.database import moment

ALIVE = timedelta(seconds=5)
"""A worker whose heartbeat has not changed for so long, by the reader's own clock, does not count."""
SKEW = timedelta(seconds=60)
"""How far the clocks of two hosts may differ."""


class Liveness:
    """What one process has observed of the workers' heartbeats."""

    def __init__(self) -> None:
        """Begin with nothing observed."""
        self._heard: dict[str, tuple[int, float]] = {}

    def is_live(self, worker: str, process: str | None, heartbeat: int, now: datetime) -> bool:
        """Return whether a worker lives: its process does, and its heartbeat (UTC microseconds) goes on.

        The heartbeat's time is that of another clock: it counts only for a worker of another host, with SKEW, or for
        one of an earlier release, which has no process.
        """
        age = now - moment(heartbeat)
        if process is None:
            return age <= ALIVE
        known, since = self._heard.get(worker, (None, 0.0))
        if known != heartbeat:
            self._heard[worker] = heartbeat, time.monotonic()
        elif time.monotonic() - since > ALIVE.total_seconds():
            return False
        gone = is_gone(process)
        return abs(age) <= SKEW if gone is None else not gone
