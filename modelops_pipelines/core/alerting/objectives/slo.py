"""Error budgets: what an objective allows, what is spent and left, and when it is gone. No I/O, no clock."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Protocol

from modelops_pipelines.core.alerting.objectives.burn_rates import ABSENT, BURNS, UNDECIDED, Burn, Counts

SLO = "slo"
"""The kind of the verdicts and alerts of objectives."""
HOUR = timedelta(hours=1)
_SECONDS = 3600
_GAP = 300
"""Seconds without a request after which it is not taken for granted that live counts had begun before."""
_LONGEST = timedelta(days=3650)


class CountedSecond(Protocol):
    """What an endpoint answered in one second, as the gateway's workers count it; ``latencies`` is a sketch."""

    @property
    def second(self) -> int:
        """Seconds since 1970."""

    @property
    def requests(self) -> int:
        """Requests."""

    @property
    def server_errors(self) -> int:
        """Requests with a server error (5xx)."""

    @property
    def latencies(self) -> Mapping[int, int]:
        """Requests by latency bucket."""


@dataclass(frozen=True)
class Timeline:
    """An objective's events: whole hours, and with ``live`` the seconds of the last hour up to the time of the look.

    Of an hour that both have, the one with more events counts: the lake is late, and live counts may have begun late,
    with the gateway.
    """

    hours: Mapping[datetime, Counts]
    live: Mapping[int, Counts] | None = None

    def last(self, length: timedelta, end: datetime) -> Counts:
        """Return the events of the last ``length``: of live seconds up to an hour, else of the hours that it touches.

        The hour that holds ``end`` is one of these, so that the period is up to an hour longer. So is an hour that live
        seconds do not reach back to the beginning of: neither hides what the other knows. Shorter periods are of live
        seconds always.
        """
        until = int(end.timestamp())
        since = until - int(length.total_seconds())
        if self.live is not None and (length < HOUR or (length == HOUR and self._live_since <= since + _GAP)):
            return _sum(counts for at, counts in self.live.items() if since <= at < until)
        newest, count = _hour(end), -(-length // HOUR)
        found = (newest - n * HOUR for n in range(count + 1))
        of_both = _most if self.live is not None and length <= HOUR else _more
        return _sum(of_both(self.hours.get(hour, _NONE), self._live_hours.get(hour, _NONE)) for hour in found)

    @cached_property
    def _live_since(self) -> float:
        return min(self.live or (), default=math.inf)

    @cached_property
    def _live_hours(self) -> Mapping[datetime, Counts]:
        found: dict[int, tuple[int, int]] = {}
        for second, counts in (self.live or {}).items():
            n, bad = found.get(second // _SECONDS, (0, 0))
            found[second // _SECONDS] = (n + counts.n, bad + counts.bad)
        return {datetime.fromtimestamp(hour * _SECONDS, UTC): Counts(*sums) for hour, sums in found.items()}


def _most(stored: Counts, live: Counts) -> Counts:
    """Return the least that an hour had, where each knows a part of it that the other may not know."""
    return Counts(max(stored.n, live.n), max(stored.bad, live.bad))


_NONE = Counts()


@dataclass(frozen=True)
class Budget:
    """An error budget over a period: the events so far, and the share of good ones that the objective asks for."""

    objective: float
    over: timedelta
    counts: Counts

    @property
    def allowed(self) -> float:
        """How many of the events may be bad."""
        return (1 - self.objective) * self.counts.n

    @property
    def left_events(self) -> float:
        """How many more may be bad; below 0 when the budget is overspent."""
        return self.allowed - self.counts.bad

    @property
    def left(self) -> float | None:
        """Share of the budget that is left, 1 or less, below 0 when overspent; None without events."""
        return self.left_events / self.allowed if self.counts.n else None

    @property
    def burn_rate(self) -> float | None:
        """How many times as many events were bad as the objective allows; None without events."""
        return self.counts.share / (1 - self.objective) if self.counts.n else None

    def gone_in(self, counted: Counts, length: timedelta) -> timedelta | None:
        """Return when the budget is gone if as many events are bad as in a period; 0 when it is, None without any.

        Good events to come, which add to the budget, are not counted on.
        """
        if not self.counts.n or (self.left_events > 0 and not counted.bad):
            return None
        needed = max(0.0, self.left_events) / max(counted.bad, 1)
        return min(_LONGEST, length * needed)


def state_of_burns(burns: Sequence[Burn]) -> tuple[str, Burn | None]:
    """Return what all burn rates of an objective say together, with the one that says it.

    One that burns is enough, the fastest first. It is clear only when all are: without requests in one of the windows
    nothing is known, and an objective is never met by silence.
    """
    for state in (BURNS, ABSENT, UNDECIDED):
        for burn in burns:
            if burn.state == state:
                return state, burn
    return ("clear", burns[0]) if burns else (ABSENT, None)


def in_words(duration: timedelta) -> str:
    """Return when a budget is gone as people say it: minutes below two hours, hours below three days, else days."""
    minutes = duration.total_seconds() / 60
    if minutes <= 0:
        return "spent"
    if minutes < 1:
        return "under a minute"
    if minutes < 120:  # noqa: PLR2004 - two hours
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.0f} h" if minutes < 72 * 60 else f"{minutes / 1440:.0f} days"


def _hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _more(one: Counts, other: Counts) -> Counts:
    return one if one.n >= other.n else other


def _sum(counts: Iterable[Counts]) -> Counts:
    n = bad = 0
    for one in counts:
        n, bad = n + one.n, bad + one.bad
    return Counts(n, bad)
