"""Which endpoints' pending work is done now, and in which runs: small ingests are joined, and so are endpoints."""

from collections.abc import Sequence
from dataclasses import dataclass

MOST_ENDPOINTS = 50
"""Endpoints of one run. A run costs three CPU seconds before it does anything, and one endpoint's memory at a time."""
MOST_BYTES = 8 * 1024 * 1024
MOST_SEGMENTS = 100
"""More than this is ingested without waiting for more to join it."""


@dataclass(frozen=True)
class PendingWork:
    """What an endpoint's monitoring has to do: segments to ingest, and marked windows that are due.

    ``size`` is in bytes, ``waited`` in seconds since the oldest segment was written, 0 without one. ``identity`` is the
    same as long as the work is.
    """

    endpoint: str
    segments: int
    windows: int
    size: int
    waited: float
    identity: str

    def is_ripe(self, lag: float) -> bool:
        """Return whether to do it now, when captured rows may wait ``lag`` seconds for others to join their commit."""
        waits_for_others = self.segments and self.waited < lag
        return not waits_for_others or self.size >= MOST_BYTES or self.segments >= MOST_SEGMENTS

    def describe(self) -> str:
        """Return the work in words."""
        return f"{self.segments} sealed segment(s), {self.windows} pending window(s)"


@dataclass(frozen=True)
class Attempts:
    """How an endpoint's work went before: how often its process was lost in a row, or it failed by its own fault.

    ``done`` when the newest run did it; ``ended`` in seconds since the epoch, ``run`` is the newest run's id.
    """

    lost: int = 0
    failed: int = 0
    done: bool = False
    ended: float = 0.0
    run: str | None = None

    @property
    def alone(self) -> bool:
        """Whether it gets a run of its own: what kills its process again and again must not harm other endpoints."""
        return self.lost > 1


def joined(endpoints: Sequence[str], alone: set[str], most: int = MOST_ENDPOINTS) -> list[tuple[str, ...]]:
    """Return the endpoints in groups, a run each; those ``alone`` each by itself, after the others."""
    together = [name for name in endpoints if name not in alone]
    groups = [tuple(together[start : start + most]) for start in range(0, len(together), most)]
    return [*groups, *((name,) for name in endpoints if name in alone)]
