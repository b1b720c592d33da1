"""A mergeable latency sketch: counts in buckets 2 % wide, so that every percentile is within 1 %."""

import math
from collections.abc import Iterable, Mapping

_LOG_BASE = math.log(1.02)
_FLOOR_MS = 1e-3


def bucket(milliseconds: float) -> int:
    """Return floor(ln(ms) / ln(1.02)); anything under a microsecond counts as one."""
    return math.floor(math.log(max(milliseconds, _FLOOR_MS)) / _LOG_BASE)


def upper_edge(key: int) -> float:
    """Return the latency (ms) at which a bucket ends."""
    return math.exp((key + 1) * _LOG_BASE)


def merge(sketches: Iterable[Mapping[int, int]]) -> dict[int, int]:
    """Add sketches up; the order does not matter."""
    total: dict[int, int] = {}
    for sketch in sketches:
        for key, count in sketch.items():
            total[key] = total.get(key, 0) + count
    return total


def percentile(sketch: Mapping[int, int], share: float) -> float | None:
    """Return the latency (ms) that the share (0..1) of requests stays under, within 1 %; None without requests.

    Nearest-rank: the smallest bucket whose cumulative count reaches share * n; the bucket's geometric middle.
    """
    total = sum(sketch.values())
    if not total:
        return None
    rank, cumulative = max(1, math.ceil(share * total)), 0
    for key in sorted(sketch):
        cumulative += sketch[key]
        if cumulative >= rank:
            return math.exp((key + 0.5) * _LOG_BASE)
    raise AssertionError("the counts add up to the total")  # pragma: no cover


def count_within(sketch: Mapping[int, int], milliseconds: float) -> int:
    """Return how many requests took at most so long; a bucket counts when its geometric middle does."""
    last = math.floor(math.log(max(milliseconds, _FLOOR_MS)) / _LOG_BASE - 0.5)
    return sum(count for key, count in sketch.items() if key <= last)
