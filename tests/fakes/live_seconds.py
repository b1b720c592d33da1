"""Live counts of a gateway, as its workers count them, for tests of what is judged from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class LiveSecond:
    """One second of one worker."""

    second: int
    requests: int
    server_errors: int = 0
    latencies: Mapping[int, int] = field(default_factory=dict)


def steady(end: datetime, minutes: int, a_minute: int, failing: int = 0) -> list[LiveSecond]:
    """Return the counts of the minutes before ``end``, each in its first second, with so many that fail."""
    until = int(end.timestamp())
    return [LiveSecond(until - 60 * n, a_minute, failing) for n in range(1, minutes + 1)]
