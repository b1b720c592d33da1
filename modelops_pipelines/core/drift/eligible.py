"""Which hours of a column may be a reference: those in which it did not drift, since its values were last accepted."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

DAY = 24
Spans = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Eligible:
    """The hours (since 1970 UTC) that may be a reference: none in the ``excluded`` spans, none before ``since``.

    The spans [begin, end) are in order and share no hour. The reference period has a number of days without an excluded
    hour: so after a drift of a month, windows are compared with the days before it.
    """

    excluded: Spans = ()
    since: int | None = None

    @classmethod
    def of(cls, spans: Iterable[tuple[int, int]], since: int | None = None) -> Self:
        """Merge spans in any order, some of which may overlap."""
        merged: list[tuple[int, int]] = []
        for begin, end in sorted(span for span in spans if span[0] < span[1]):
            if merged and begin <= merged[-1][1]:
                merged[-1] = merged[-1][0], max(end, merged[-1][1])
            else:
                merged.append((begin, end))
        return cls(tuple(merged), since)

    def first_day(self, day: int, days: int) -> int:
        """Return the first day (since 1970) of a period that ends before ``day`` and has ``days`` eligible days."""
        for begin, end in reversed(self.excluded):
            free = day - -(-end // DAY)
            if free >= days:
                break
            days -= max(0, free)
            day = min(day, begin // DAY)
        return day - days

    def period(self, day: int, days: int) -> set[int]:
        """Return the days of that period that have an eligible hour."""
        found = set(range(self.first_day(day, days), day))
        for begin, end in self.excluded:
            found.difference_update(range(-(-begin // DAY), end // DAY))
        return found if self.since is None else {one for one in found if one >= self.since // DAY}

    def allows(self, starts: npt.NDArray[np.int64], length: int) -> npt.NDArray[np.bool_]:
        """Return whether spans of ``length`` hours, of shape (m,), have eligible hours only."""
        free = np.ones(len(starts), np.bool_) if self.since is None else starts >= self.since
        for begin, end in self.excluded:
            free &= (starts >= end) | (starts + length <= begin)
        return np.asarray(free)


EVERYTHING = Eligible()


def without(spans: Sequence[tuple[int, int]], accepted_until: int | None) -> list[tuple[int, int]]:
    """Return the parts of the spans after the hour up to which they were accepted."""
    if accepted_until is None:
        return list(spans)
    return [(max(begin, accepted_until), end) for begin, end in spans if end > accepted_until]
