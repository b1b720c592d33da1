"""The seasonal reference of a window: the same time of day on the same kind of day.

Hours are whole hours since 1970 UTC, and a day is 24 of them from midnight UTC. Distances and drift:
``core/drift/calibrated.py``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from modelops_pipelines.core.profiles.profile import Profile
from modelops_pipelines.core.profiles.profile_stack import Stack

Hours = npt.NDArray[np.int64]

DAY, WEEK = 24, 168
MONDAY = 3  # 1970 began on a Thursday
SATURDAY = 5
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


@dataclass(frozen=True)
class Matching:
    """How reference spans are chosen.

    They are in the last ``days`` ``eligible`` days before the window, on days of the same class (Monday to Friday, or
    weekend). With too few of these there is no verdict: compared with working days, every first weekend would raise an
    alarm.
    """

    days: int = 28
    eligible: Eligible = EVERYTHING


@dataclass(frozen=True, eq=False)
class SeasonReference:
    """Reference windows of one column: ``windows`` and the day number of each, ``days``, of shape (m,).

    Windows with the same day number are left out together when one of them is compared with the rest.
    """

    windows: Stack
    days: Hours

    @property
    def day_count(self) -> int:
        """The number of distinct days."""
        return len(np.unique(self.days))


@dataclass(frozen=True, eq=False)
class Season:
    """A window of one column, [start, end) in hours, widened if necessary, with its reference windows.

    ``prior`` is the start of the last window that shares no row with it (``prior_window``).
    """

    start: int
    end: int
    current: Profile
    reference: SeasonReference
    prior: int | None


def season_of(at: Hours, hourly: Stack, start: int, end: int, minimum: int, matching: Matching | None = None) -> Season:
    """Return the window [start, end) and its reference from a column's hours.

    ``at`` (ascending, of shape (m,)) has the hours of ``hourly``; hours without data may be missing. The window is
    widened to ``minimum`` rows first (``widened``). Raises ValueError unless end > start.
    """
    first = widened(at, hourly, start, end, minimum)
    low, high = np.searchsorted(at, [first, end])
    current = hourly.take(np.arange(low, high)).total()
    prior = prior_window(at, first, end - start)
    return Season(first, end, current, reference_of(at, hourly, first, end, matching or Matching(), prior), prior)


def widened(at: Hours, hourly: Stack, start: int, end: int, minimum: int) -> int:
    """Return the start of the shortest span up to ``end`` that contains [start, end) and ``minimum`` rows.

    A window under a day grows to a day at most, a longer one to a week. If even that has too few rows, the span
    starts at its first hour with rows. Raises ValueError unless end > start.
    """
    if end <= start:
        message = f"The window's end, hour {end}, is not after its start, hour {start}"
        raise ValueError(message)
    longest = end - max(end - start, DAY if end - start < DAY else WEEK)
    low, high = np.searchsorted(at, [longest, end])
    within, rows = at[low:high][::-1], np.cumsum(hourly.n[low:high][::-1])
    if not rows.size:
        return start
    reached = int(np.searchsorted(rows, min(minimum, rows[-1])))
    return min(start, int(within[reached]))


def prior_window(at: Hours, start: int, length: int) -> int | None:
    """Return the start of the last window of ``length`` hours that has rows and ends by ``start``, within a week.

    It confirms the window that is widened back to ``start``, and shares no rows with it: shared rows would confirm
    themselves. With data once a day it is yesterday's. ``at`` (ascending, of shape (m,)) has the hours with data.
    """
    before = int(np.searchsorted(at, start // length * length))
    last = int(at[before - 1]) if before else start - WEEK - 1
    return last // length * length if last >= start - WEEK else None


def reference_of(
    at: Hours, hourly: Stack, start: int, end: int, matching: Matching, prior: int | None = None
) -> SeasonReference:
    """Merge the hours of each reference span of [start, end); spans without rows are left out.

    The spans are those of ``reference_spans`` of the same class of weekday that end before the ``prior`` window.
    """
    day, eligible = start // DAY, matching.eligible
    starts, days, alike = reference_spans(start, end, day - eligible.first_day(day, matching.days), prior)
    alike &= eligible.allows(starts, end - start)
    low, high = np.searchsorted(at, starts), np.searchsorted(at, starts + (end - start))
    rows = np.append(0.0, np.cumsum(hourly.n))
    filled = (rows[high] > rows[low]) & alike
    return SeasonReference(hourly.merged(low[filled], high[filled]), days[filled])


def reference_spans(
    start: int, end: int, days: int, prior: int | None = None
) -> tuple[Hours, Hours, npt.NDArray[np.bool_]]:
    """Return the start and day number of each reference span of [start, end), and whether its class is the same.

    A span is as long as the window and a whole number of days before it, between ``start`` - ``days`` days and
    ``start``. Under a day, the spans an hour earlier and later are included. Over a day, spans are far enough apart
    not to overlap. A span has the same class when its first and last hours are on the same kinds of day (Monday to
    Friday, or weekend) as the window's. Spans less than a window's length before ``start``, or at or after ``prior``,
    are left out: if they were the first window of a drift, they would hide the second.
    """
    length = end - start
    gap = length if prior is None else max(length, start - prior)
    step = -(-length // DAY)  # days from span to span
    shifts = np.array([-1, 0, 1] if length < DAY else [0])
    back = np.arange(step, days + 1, step)
    moved = np.repeat(back, len(shifts)) * DAY - np.tile(shifts, len(back))
    number = start // DAY - np.repeat(back, len(shifts))
    inside = (moved >= length + gap) & (moved <= days * DAY)
    unshifted = start - np.repeat(back, len(shifts)) * DAY
    alike = (weekend(unshifted) == weekend(start)) & (weekend(unshifted + length - 1) == weekend(end - 1))
    return (start - moved)[inside].astype(np.int64), number[inside].astype(np.int64), alike[inside]


def weekend(hour: Hours | int) -> npt.NDArray[np.bool_]:
    """Return whether hours since 1970 UTC are on a Saturday or Sunday."""
    return np.asarray((np.asarray(hour) // DAY + MONDAY) % 7 >= SATURDAY)
