"""The bounds of connections, and what all connections of a worker hold together; a clock that ticks beside them."""

import asyncio
import logging
import math
import resource
from collections import Counter
from dataclasses import dataclass
from typing import Protocol

from modelops_pipelines.core.errors import ModelOpsError
from modelops_pipelines.store.settings import Settings

TICK_SECONDS = 0.5
"""How exactly a connection's times are measured. Ticks, not a clock: a worker that was held up blames no caller."""
REPORT_TICKS = 120
OTHER_FILES = 500
"""Files that a worker may have open beside its connections: the spool, databases, models, pipes."""
KIB, MIB = 1024, 1024 * 1024
_LOG = logging.getLogger("modelops.gateway")


@dataclass(frozen=True)
class Bounds:
    """The bounds of one worker: open connections, bytes of a header and of all bodies, ticks to wait for a request."""

    connections: int
    header_bytes: int
    body_bytes: int
    request_ticks: int
    idle_ticks: int


def bounds_of(settings: Settings) -> Bounds:
    """Return the bounds that the settings give each worker."""
    return Bounds(
        settings.connections,
        settings.header_kib * KIB,
        settings.bodies_mib * MIB,
        ticks(settings.request_seconds),
        ticks(settings.idle_seconds),
    )


def ticks(seconds: float) -> int:
    """Return how many ticks last at least so many seconds."""
    return math.ceil(min(seconds, 1e9) / TICK_SECONDS)


def allow_open_files(connections: int) -> None:
    """Let this process and its workers open as many files as the connections need, as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + OTHER_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class Watched(Protocol):
    """A connection, as the clock sees it."""

    def on_tick(self, tick: int) -> None:
        """End what has taken too long."""


class Connections:
    """All connections of one worker."""

    def __init__(self, bounds: Bounds) -> None:
        """Hold none yet."""
        self.bounds = bounds
        self.open: set[Watched] = set()
        self.held_bytes = 0
        self.tick = 0
        self._is_ticking = False
        self._refused: Counter[str] = Counter()
        self._reported_at = -REPORT_TICKS

    def add(self, connection: Watched, loop: asyncio.AbstractEventLoop) -> None:
        """Count the connection, and let the clock tick while there is any."""
        self.open.add(connection)
        if not self._is_ticking:
            self._is_ticking = True
            loop.call_later(TICK_SECONDS, self._advance, loop)

    def note_refusal(self, error: ModelOpsError) -> None:
        """Count a refused connection; the counts are logged at most once in REPORT_TICKS."""
        self._refused[error.message] += 1
        if self.tick - self._reported_at >= REPORT_TICKS:
            self._report()

    def _advance(self, loop: asyncio.AbstractEventLoop) -> None:
        self.tick += 1
        for connection in tuple(self.open):
            connection.on_tick(self.tick)
        if self._refused and self.tick - self._reported_at >= REPORT_TICKS:
            self._report()
        self._is_ticking = bool(self.open)
        if self._is_ticking:
            loop.call_later(TICK_SECONDS, self._advance, loop)

    def _report(self) -> None:
        refused = "; ".join(f"{message} ({count}x)" for message, count in sorted(self._refused.items()))
        _LOG.warning("Refused connections: %s", refused)
        self._refused.clear()
        self._reported_at = self.tick
