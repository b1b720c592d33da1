"""Shadows: their periods, agreement with the live version, and the difference in loss. No I/O."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from modelops_pipelines.core.models.predictions import Answer
from modelops_pipelines.core.release.desired_state import SHADOW
from modelops_pipelines.core.release.event_log import Event
from modelops_pipelines.core.release.sequential_tests import FEWEST_ROWS, Interval, Moments

SIX_DIGITS = 1e-6
BETTER, WORSE, UNDECIDED = "better", "worse", "undecided"


@dataclass(frozen=True)
class ShadowPeriod:
    """The time in which a version was the shadow; ``until`` is None while it still is."""

    version: str
    since: datetime
    until: datetime | None


class LastComparison(NamedTuple):
    """When the last comparison was requested (seconds since 1970), and the endpoint's mark at that time."""

    at: int
    mark: str


def next_shadow(marks: Mapping[str, str], last: Mapping[str, LastComparison], now: int, every: int) -> str | None:
    """Return the endpoint whose shadow is to be compared next, None when none is due.

    An endpoint is due when it has new data (a new mark) and its last comparison was requested at least ``every``
    seconds ago; of several, the one that has waited longest.
    """
    due = [
        (last[name].at if name in last else 0, name)
        for name, mark in marks.items()
        if name not in last or (last[name].mark != mark and now - last[name].at >= every)
    ]
    return min(due)[1] if due else None


def shadow_periods(events: Sequence[Event]) -> tuple[ShadowPeriod, ...]:
    """Return the endpoint's shadows in order; a change of the share does not end a period."""
    found: list[ShadowPeriod] = []
    for event in events:
        live: Any = event.evidence.get("live")
        if live is None:
            continue
        version = next((str(one[0]) for one in live["variants"] if one[1] == SHADOW), None)
        last = found[-1] if found and found[-1].until is None else None
        if last is not None and last.version != version:
            found[-1] = ShadowPeriod(last.version, last.since, event.at)
        if version is not None and (last is None or last.version != version):
            found.append(ShadowPeriod(version, event.at, None))
    return tuple(found)


def agrees(shadow: Answer | None, live: Answer | None) -> bool | None:
    """Return whether two predictions are equal, numbers to six digits; None if one is missing."""
    if shadow is None or live is None:
        return None
    if isinstance(shadow, float) and isinstance(live, float):
        return math.isclose(shadow, live, rel_tol=SIX_DIGITS)
    return shadow == live


def paired_difference(
    differences: Moments, *, planned: int, alpha: float = 0.05, fewest: int = FEWEST_ROWS
) -> Interval | None:
    """Return the confidence sequence of the rows' mean difference, valid at any time; None for too few rows.

    half-width = sqrt(v) sqrt(2 (n rho^2 + 1) / (n^2 rho^2) log(sqrt(n rho^2 + 1) / alpha)), v a row's variance, n the
    rows (callers, for moments of clusters), rho as in ``sequential_tests.difference_of``: Waudby-Smith et al.,
    Theorem 2.2. Both versions answered the same rows, so a row's difficulty cancels in the difference.
    """
    n = differences.rows
    if n < max(2, fewest) or not math.isfinite(differences.mean + differences.variance) or differences.variance <= 0:
        return None
    scaled = n * (-2 * math.log(alpha) + math.log1p(-2 * math.log(alpha))) / planned
    half = math.sqrt(differences.variance * 2 * (scaled + 1) / scaled * math.log(math.sqrt(scaled + 1) / alpha))
    return Interval(differences.mean, differences.mean - half, differences.mean + half)


def verdict(interval: Interval | None) -> str:
    """Return the verdict on a shadow from the interval of its loss minus the live version's loss."""
    if interval is None or interval.lower <= 0 <= interval.upper:
        return UNDECIDED
    return WORSE if interval.lower > 0 else BETTER
