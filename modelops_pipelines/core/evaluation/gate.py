"""The gate: whether the candidate is better than the champion, by evidence that a bad fortnight cannot fake.

Its configuration and its verdicts; ``comparison`` has the arithmetic, so that a rollback need not load NumPy.

The evaluation days are fixed by the calendar (every fifth day), never trained on by anything that is built here,
so that both versions are judged on rows that neither has seen.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from math import isfinite
from typing import Any

from modelops_pipelines.core.ids import content_id

PASS, FAIL, NOT_ENOUGH = "pass", "fail", "not enough evidence"
NOT_WORSE, WORSE, TOO_FEW = "not worse beyond doubt", "worse beyond doubt", "too few rows or days"


@dataclass(frozen=True)
class GateConfig:
    """The gate's settings; their hash is part of every verdict.

    A candidate has to be better on average, and beyond doubt not worse by more than ``margin`` of the champion's loss,
    which nobody would notice. 0 asks that it be better beyond doubt. On the flights' year, retrained every month, that
    promotes 5 times instead of 9, for a month's step is smaller than the noise of fifty days, and costs 1.3 % of the
    loss instead of 0.3 % (benchmarks/README.md).

    A regime is a run of ``regime_days`` calendar days, counted from the first evaluation day. Four weeks, because
    that holds every weekday equally often and five or six evaluation days, and is longer than the weather, a
    promotion or a school holiday that makes one fortnight unlike the next; a quarter would say more of seasons, but
    nothing could be promoted in the first half year. A candidate has to be seen in ``min_regimes`` of them, each with
    ``regime_min_days`` and ``regime_min_rows``: fewer days than three cannot tell a bad regime from a bad day.

    A slice is a value of one of the endpoint's ``segments``; the ``max_slices`` largest that have ``slice_min_rows``
    are judged. ``slice_tolerance`` is a share of the champion's loss in the slice, so that it means the same whatever
    the loss is measured in: on many rows even a loss that nobody would notice is beyond doubt.

    ``max_odds_ratio`` bounds how far the mean score may lie from the share of positives, as a ratio of their odds.
    Odds, because 5 % claimed where 0.1 % come true is as wrong as 98 % where 50 % do; 4, because a season may move
    them by 3.2 (flights that are late: 13.2 % in September, 32.6 % in December) and is no fault of the model.

    Slow or large is a candidate above both its ratio and its floor. Below a millisecond a row a request's own cost is
    the larger one, and 200 MiB of files load in seconds.
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

    @property
    def hash(self) -> str:
        """Content hash of the settings: 5 and 5.0 are the same setting."""
        return content_id(*(f"{name}={float(value)}" for name, value in sorted(asdict(self).items())))


@dataclass(frozen=True)
class Part:
    """A regime or a slice: how the candidate does on a part of the rows.

    ``upper_bound`` is that of the improvement, corrected for the number of parts of its kind; None where the part has
    too few rows or days to be judged by itself. It is worse beyond doubt below ``limit``.
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
        """What is said of the part."""
        if self.upper_bound is None:
            return TOO_FEW
        return WORSE if self.upper_bound < self.limit else NOT_WORSE

    @property
    def sentence(self) -> str:
        """The part with its numbers."""
        return (
            f"{self.name}: improvement {self.improvement:.5f} a row, upper bound {self.upper_bound:.5f} below "
            f"{self.limit:.5f} ({self.rows} rows on {self.days} days)"
        )

    def numbers(self) -> dict[str, Any]:
        """Return every number by its name, and the verdict."""
        return {**asdict(self), "verdict": self.verdict}


@dataclass(frozen=True)
class GateResult:
    """A verdict with every number it rests on; losses are means a row (log-loss, or squared error).

    ``lower_bound`` is that of the improvement, and has to be above ``limit``. ``measured`` has the numbers of the
    sanity bounds and of the costs by their names.
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
        """Return every number by its name, for events, metadata and tables; what is no finite number is None."""
        own = ("reason", "rows", "days", "champion_loss", "candidate_loss", "improvement", "lower_bound", "limit")
        parts = {
            "regimes": [_finite(part.numbers()) for part in self.regimes],
            "slices": [_finite(part.numbers()) for part in self.slices],
        }
        return {**_finite({name: getattr(self, name) for name in own}), **_finite(self.measured or {}), **parts}


def is_evaluation_day(day: date, every_nth: int) -> bool:
    """Return whether the day is kept for evaluation: every n-th day of the calendar."""
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


def _finite(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: None if isinstance(v, float) and not isfinite(v) else v for k, v in values.items()}
