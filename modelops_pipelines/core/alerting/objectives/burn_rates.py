"""How fast an error budget burns, judged by an exact binomial bound, so that four requests a minute need no knob.

The windows and rates are those of Google's SRE workbook. There a ratio alone opens an alert; here chance must be
excluded too: were events bad at the rate that the objective allows, so many bad ones would be less likely than LEVEL.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from modelops_pipelines.core.alerting.exact_bounds import probability_at_least, probability_at_most

LOOK_EVERY = timedelta(seconds=10)
"""Live counts are judged on a grid of these times, however many processes look: each look may alarm by chance."""
LOOKS_A_YEAR = timedelta(days=365) // LOOK_EVERY
FALSE_ALARMS_A_YEAR = 1.0
IS_OVER = 0.05
"""So unlikely would the few bad events of a short window be at the burn rate: it is over."""
BURNS, UNDECIDED, CLEAR, ABSENT = "burns", "undecided", "clear", "absent"
ROUNDING = 1 - 1e-9
"""14.4 times 0.001 of 100,000 is 1,440 requests, not what binary fractions make of it."""


@dataclass(frozen=True)
class BurnRate:
    """Alarm when the budget burns this many times as fast as the objective allows in the long and the short window."""

    times: float
    long: timedelta
    short: timedelta
    is_fast: bool = True


BURN_RATES = (
    BurnRate(14.4, timedelta(hours=1), timedelta(minutes=5)),
    BurnRate(6.0, timedelta(hours=6), timedelta(minutes=30)),
    BurnRate(1.0, timedelta(days=3), timedelta(hours=6), is_fast=False),
)
LEVEL = FALSE_ALARMS_A_YEAR / (LOOKS_A_YEAR * len(BURN_RATES))
"""The probability of a false alarm in one look at one burn rate: added up over a year's looks they are one at most."""


@dataclass(frozen=True)
class Counts:
    """Events, and how many of them were bad."""

    n: int = 0
    bad: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        """Return the sum."""
        return Counts(self.n + other.n, self.bad + other.bad)

    @property
    def share(self) -> float:
        """Share of bad events, 0 to 1; 0 without events."""
        return self.bad / self.n if self.n else 0.0

    def is_at(self, share: float) -> bool:
        """Return whether there are bad events, and their share is at least this one."""
        return self.bad > 0 and self.bad >= share * self.n * ROUNDING


@dataclass(frozen=True)
class Burn:
    """A burn rate, what was counted in its windows, and what that says: burns, undecided, clear or absent."""

    rate: BurnRate
    long: Counts
    short: Counts
    state: str


def judge_burn(rate: BurnRate, budget: float, long: Counts, short: Counts, level: float = LEVEL) -> Burn:
    """Judge one burn rate; ``budget`` is the share of events that may be bad.

    It burns when both windows are at the rate and chance is excluded on the long one. Once it is at the rate in the
    long window, it is clear again only when the short window excludes the rate, or the long one falls below it:
    a short window with few events shows neither, and is undecided.
    """
    limit = rate_limit(rate.times, budget)
    if not long.n:
        return Burn(rate, long, short, ABSENT)
    if not long.is_at(limit):
        return Burn(rate, long, short, CLEAR)
    if short.is_at(limit):
        surely = probability_at_least(long.bad, long.n, budget) <= level
        return Burn(rate, long, short, BURNS if surely else UNDECIDED)
    is_over = short.n > 0 and probability_at_most(short.bad, short.n, limit) <= IS_OVER
    return Burn(rate, long, short, CLEAR if is_over else UNDECIDED)


def rate_limit(times: float, budget: float) -> float:
    """Return the share of bad events at a burn rate; at most halfway between the budget and all events.

    Without that, no outage would burn the budget of an objective of 0.9 at 14.4 times the rate.
    """
    return min(times * budget, (1 + budget) / 2)


def level_of(looks_a_year: float, rates: Sequence[BurnRate]) -> float:
    """Return the level for other numbers of looks a year than those of live counts."""
    return FALSE_ALARMS_A_YEAR / (looks_a_year * len(rates))
