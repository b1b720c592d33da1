"""Which earlier hours a window is fairly held against: the same time of day on the same sort of day.

Hours are whole hours since 1970 UTC, and a day is 24 of them from midnight UTC. What is measured between the
window and those hours, and what counts as drift, is ``core/drift/calibrated.py``'s.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modelops_pipelines.core.profiles.profile import Profile
from modelops_pipelines.core.profiles.profile_stack import Stack

Hours = npt.NDArray[np.int64]

DAY, WEEK = 24, 168
MONDAY = 3  # 1970 began on a Thursday
SATURDAY = 5


@dataclass(frozen=True)
class Matching:
    """How reference spans are chosen.

    They lie in the last ``days`` before the window, on days of the same class (Monday to Friday, or weekend). Where
    there are too few of these, there is no verdict: held against working days, every first weekend would be an alarm.
    """

    days: int = 28


@dataclass(frozen=True, eq=False)
class SeasonReference:
    """Reference windows of one column: ``windows`` and the day number of each, ``days``, of shape (m,).

    Windows of the same day number are left out together when one of them is judged by the rest.
    """

    windows: Stack
    days: Hours

    @property
    def day_count(self) -> int:
        """Distinct days."""
        return len(np.unique(self.days))


@dataclass(frozen=True, eq=False)
class Season:
    """A window of one column, [start, end) in hours and widened if need be, beside its reference windows.

    ``prior`` is the start of the last window that shares no row with it (``prior_window``).
    """

    start: int
    end: int
    current: Profile
    reference: SeasonReference
    prior: int | None


def season_of(at: Hours, hourly: Stack, start: int, end: int, minimum: int, matching: Matching | None = None) -> Season:
    """Take the window [start, end) and its reference out of a column's hours.

    ``at`` (rising, of shape (m,)) names the hours of ``hourly``; hours without data may lack. The window is
    widened to ``minimum`` rows first (``widened``). Raises ValueError unless end > start.
    """
    first = widened(at, hourly, start, end, minimum)
    low, high = np.searchsorted(at, [first, end])
    current = hourly.take(np.arange(low, high)).total()
    prior = prior_window(at, first, end - start)
    return Season(first, end, current, reference_of(at, hourly, first, end, matching or Matching(), prior), prior)


def widened(at: Hours, hourly: Stack, start: int, end: int, minimum: int) -> int:
    """Return the start of the shortest span up to ``end`` that holds [start, end) and ``minimum`` rows.

    A window under a day grows to a day at most, a longer one to a week. When even that holds too few rows, the
    span starts at the first hour in it that has any. Raises ValueError unless end > start.
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

    It is the one to confirm a window that is widened back to ``start``: what both held would confirm itself. Where
    data come once a day, it is yesterday's. ``at`` (rising, of shape (m,)) names the hours with data.
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
    starts, days, alike = reference_spans(start, end, matching.days, prior)
    low, high = np.searchsorted(at, starts), np.searchsorted(at, starts + (end - start))
    rows = np.append(0.0, np.cumsum(hourly.n))
    filled = (rows[high] > rows[low]) & alike
    return SeasonReference(hourly.merged(low[filled], high[filled]), days[filled])


def reference_spans(
    start: int, end: int, days: int, prior: int | None = None
) -> tuple[Hours, Hours, npt.NDArray[np.bool_]]:
    """Return the start and the day number of each span to hold [start, end) against, and whether its class is alike.

    A span is as long as the window and lies a whole number of days before it, between ``start`` - ``days``
    days and ``start``. Under a day, the spans an hour earlier and later are taken too. Over a day, spans are
    so many days apart that they do not overlap. Alike are spans whose first and last hours fall on the same
    sorts of day (Monday to Friday, or weekend) as the window's. What lies less than a window's length before
    ``start``, or at or after ``prior``, is left out: were it the first window of a drift, it would hide the second.
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
    alike = (_weekend(unshifted) == _weekend(start)) & (_weekend(unshifted + length - 1) == _weekend(end - 1))
    return (start - moved)[inside].astype(np.int64), number[inside].astype(np.int64), alike[inside]


def _weekend(hour: Hours | int) -> npt.NDArray[np.bool_]:
    return np.asarray((np.asarray(hour) // DAY + MONDAY) % 7 >= SATURDAY)
