"""The reference of an endpoint with few requests: spans of days, long enough to hold a few dozen rows.

Seasons are not matched then, and their differences count as ordinary. Hours are since 1970 UTC.
"""

import numpy as np

from modelops_pipelines.core.drift.seasonal_reference import (
    DAY,
    EVERYTHING,
    Eligible,
    Hours,
    Season,
    SeasonReference,
    prior_window,
)
from modelops_pipelines.core.profiles.profile_stack import Stack

LEAST = 30
"""Rows of a span, at least."""
LENGTHS = (1, 2, 4, 7, 14)
"""Days of a span: the first of these that holds enough rows."""
BLOCKS = 8
"""Spans of the reference, or as many as 28 days hold."""
FEWEST_BLOCKS = 5
FEWEST_DAYS = 14
"""Days that the reference spans at least: a first weekend is compared with no working days alone."""
LONGEST = (BLOCKS + 2) * LENGTHS[-1]
"""Days before a window that may be needed."""


def sparse_season(
    at: Hours,
    hourly: Stack,
    start: int,
    end: int,
    before: tuple[Hours, Stack],
    eligible: Eligible = EVERYTHING,
    least: int = LEAST,
) -> Season | None:
    """Return the shortest span up to ``end`` with ``least`` rows, and spans before it as its reference.

    ``at`` (ascending, of shape (m,)) has the hours of ``hourly``, and ``before`` those that the reference is taken
    from. The span just before is no reference: if it was the first of a drift, it would hide the second. None when no
    span has as many rows.
    """
    rows = np.append(0.0, np.cumsum(hourly.n))
    for days in LENGTHS:
        first = min(start, end - days * DAY)
        low, high = np.searchsorted(at, [first, end])
        if rows[high] - rows[low] >= least:
            current = hourly.take(np.arange(low, high)).total()
            reference = _blocks(*before, first, days, eligible)
            return Season(first, end, current, reference, prior_window(at, first, end - start))
    return None


def _blocks(at: Hours, hourly: Stack, first: int, days: int, eligible: Eligible) -> SeasonReference:
    """Return the eligible spans of as many days before the one that precedes ``first``, those with rows."""
    length, excluded = days * DAY, sum(end - begin for begin, end in eligible.excluded)
    reach = max(BLOCKS, 28 // days) + len(eligible.excluded) + -(-excluded // length)
    starts = first - length * np.arange(2, 2 + reach)
    starts = starts[eligible.allows(starts, length)][: max(BLOCKS, 28 // days)]
    low, high = np.searchsorted(at, starts), np.searchsorted(at, starts + length)
    rows = np.append(0.0, np.cumsum(hourly.n))
    filled = rows[high] > rows[low]
    if first - starts[filled].min(initial=first) < FEWEST_DAYS * DAY:
        filled[:] = False
    return SeasonReference(hourly.merged(low[filled], high[filled]), starts[filled] // DAY)
