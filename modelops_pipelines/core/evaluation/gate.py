"""The gate, which compares the candidate with the champion: its configuration and its verdicts.

The arithmetic is in ``paired_comparison``, so that a rollback does not load NumPy.

The evaluation days are fixed by the calendar (every fifth day) and never part of a training set, so that both versions
are judged on rows that neither was trained on.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from math import isfinite
from typing import Any

from modelops_pipelines.core.ids import content_id

PASS, FAIL, NOT_ENOUGH = "pass", "fail", "not enough evidence"
HELD = "held"
"""The number of a verdict that has the reasons why a pass waits for a person."""
NOT_WORSE, WORSE, TOO_FEW = "not significantly worse", "significantly worse", "too few rows or days"


@dataclass(frozen=True)
class GateConfig:
    """The gate's settings; the hash of those that a verdict depends on is part of every verdict.

    A candidate must be better on average, and the lower bound of its improvement must be above -``margin`` times the
    champion's loss (non-inferiority). With a margin of 0 the lower bound must be above 0. On the flights' year,
    retrained every month, that promotes 5 times instead of 9, because a month's improvement is smaller than the noise
    of fifty days, and costs 1.3 % of the loss instead of 0.3 % (benchmarks/README.md).

    A regime is a run of ``regime_days`` calendar days, counted from the first evaluation day. The default is four
    weeks: it has each weekday equally often and five or six evaluation days, and is longer than the weather, the sales
    promotion or the school holiday that makes one fortnight differ from the next. A quarter would cover seasons better,
    but nothing could be promoted in the first half year. A candidate needs ``min_regimes`` regimes, each with
    ``regime_min_days`` and ``regime_min_rows``: under three days a bad regime cannot be told from a bad day.

    A slice is a value of one of the endpoint's ``segments``; the ``max_slices`` largest that have ``slice_min_rows``
    are judged. ``slice_tolerance`` is a share of the champion's loss in the slice, so that it does not depend on the
    unit of the loss: with many rows even an irrelevant difference is statistically significant.

    ``max_odds_ratio`` bounds the ratio of the odds of the mean score and of the share of positives. Odds, because 5 %
    predicted for 0.1 % observed is as wrong as 98 % for 50 %; 4, because a season alone may change them by 3.2 (late
    flights: 13.2 % in September, 32.6 % in December).

    ``max_age`` is the oldest that a verdict may be when it lets a version take traffic from the champion. A verdict
    rests on what was labelled when it was made. Every fifth day brings a new evaluation day, whose labels come a
    ``label_horizon`` later, so a verdict lacks one evaluation day per five days of its age, however late labels are.
    Two weeks are three such days, beside the ten or more that it rests on. It decides which verdicts count, not what
    they say, so it is not part of the hash.

    A candidate is too slow or too large above both its ratio and its floor. Below a millisecond per row the request's
    own cost dominates, and 200 MiB of files load in seconds.
    """

    every_nth_day: int = 5
    min_days: int = 10
    min_rows: int = 1000
    margin: float = 0.01
    min_regimes: int = 2
    regime_days: int = 28
    regime_min_days: int = 3
    regime_min_rows: int = 200
    max_slices: int = 50
    slice_min_rows: int = 200
    slice_tolerance: float = 0.01
    max_odds_ratio: float = 4.0
    max_time_ratio: float = 5.0
    time_floor_ms: float = 1.0
    max_size_ratio: float = 10.0
    size_floor_mib: float = 200.0
    confidence: float = 0.95
    draws: int = 2000
    seed: int = 7
    max_age: timedelta = timedelta(days=14)

    @property
    def hash(self) -> str:
        """Content hash of the settings that a verdict depends on: 5 and 5.0 are the same setting."""
        judging = {name: value for name, value in asdict(self).items() if name != "max_age"}
        return content_id(*(f"{name}={float(value)}" for name, value in sorted(judging.items())))


@dataclass(frozen=True)
class Part:
    """A regime or a slice: the comparison on a part of the rows.

    ``upper_bound`` is that of the improvement, corrected for the number of parts of its kind; None when the part has
    too few rows or days to be judged. The candidate is significantly worse when it is below ``limit``.
    """

    name: str
    rows: int
    days: int
    champion_loss: float
    candidate_loss: float
    improvement: float
    upper_bound: float | None = None
    limit: float = 0.0

    @property
    def verdict(self) -> str:
        """The verdict on the part."""
        if self.upper_bound is None:
            return TOO_FEW
        return WORSE if self.upper_bound < self.limit else NOT_WORSE

    @property
    def sentence(self) -> str:
        """The part with its numbers."""
        return (
            f"{self.name}: improvement {self.improvement:.5f} per row, upper bound {self.upper_bound:.5f} below "
            f"{self.limit:.5f} ({self.rows} rows on {self.days} days)"
        )

    def numbers(self) -> dict[str, Any]:
        """Return every number by its name, and the verdict."""
        return {**asdict(self), "verdict": self.verdict}


@dataclass(frozen=True)
class GateResult:
    """A verdict with all numbers behind it; losses are means per row (log-loss, or squared error).

    ``lower_bound`` is that of the improvement, and must be above ``limit``. ``measured`` has the numbers of the sanity
    checks and the costs by name.
    """

    verdict: str
    reason: str
    rows: int
    days: int
    champion_loss: float | None = None
    candidate_loss: float | None = None
    improvement: float | None = None
    lower_bound: float | None = None
    limit: float | None = None
    regimes: tuple[Part, ...] = ()
    slices: tuple[Part, ...] = ()
    measured: Mapping[str, float | int | None] | None = None

    def numbers(self) -> dict[str, Any]:
        """Return every number by its name, for events, metadata and tables; numbers that are not finite become None."""
        own = ("reason", "rows", "days", "champion_loss", "candidate_loss", "improvement", "lower_bound", "limit")
        parts = {
            "regimes": [_finite(part.numbers()) for part in self.regimes],
            "slices": [_finite(part.numbers()) for part in self.slices],
        }
        return {**_finite({name: getattr(self, name) for name in own}), **_finite(self.measured or {}), **parts}


def is_evaluation_day(day: date, every_nth: int) -> bool:
    """Return whether the day is an evaluation day: every n-th day of the calendar."""
    return day.toordinal() % every_nth == 0


def table_of(numbers: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a verdict's numbers as rows of one table: all rows, then each regime, then each slice."""
    columns = ("name", "rows", "days", "champion_loss", "candidate_loss", "improvement", "bound", "limit", "verdict")
    whole = {**numbers, "name": "all rows", "bound": numbers.get("lower_bound"), "verdict": None}
    parts = [
        {**part, "name": f"{kind} {part['name']}", "bound": part.get("upper_bound")}
        for kind in ("regime", "slice")
        for part in numbers.get(f"{kind}s", [])
    ]
    return [{column: row.get(column) for column in columns} for row in (whole, *parts)]


def held_reasons(numbers: Mapping[str, Any]) -> list[str]:
    """Return why a passed verdict waits for a person, who promotes it with a reason; empty when it does not wait.

    ``numbers`` are those of a recorded verdict.
    """
    return [str(reason) for reason in numbers.get(HELD) or ()]


def describe_verdict(verdict: str, numbers: Mapping[str, Any]) -> str:
    """Return a recorded verdict as people read it: a pass that waits for a person says so; then the reason."""
    held = held_reasons(numbers) if verdict == PASS else []
    waits = f", held for a person ({'; '.join(held)})" if held else ""
    return f"{verdict}{waits}: {numbers.get('reason')}"


def _finite(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: None if isinstance(v, float) and not isfinite(v) else v for k, v in values.items()}
