"""The gate: whether the candidate is better than the champion, by evidence that a bad fortnight cannot fake.

Its configuration and its verdicts; ``comparison`` has the arithmetic, so that a rollback need not load NumPy.

The evaluation days are fixed by the calendar (every fifth day), never trained on by anything that is built here,
so that both versions are judged on rows that neither has seen.
"""

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from modelops_pipelines.core.ids import content_id

PASS, FAIL, NOT_ENOUGH = "pass", "fail", "not enough evidence"


@dataclass(frozen=True)
class GateConfig:
    """The gate's settings; their hash is part of every verdict."""

    every_nth_day: int = 5
    min_days: int = 10
    min_rows: int = 1000
    confidence: float = 0.95
    draws: int = 2000
    seed: int = 7

    @property
    def hash(self) -> str:
        """Content hash of the settings."""
        return content_id(*(f"{k}={v}" for k, v in sorted(asdict(self).items())))


@dataclass(frozen=True)
class GateResult:
    """A verdict with every number it rests on; losses are means a row (log-loss, or squared error)."""

    verdict: str
    reason: str
    rows: int
    days: int
    champion_loss: float | None
    candidate_loss: float | None
    improvement: float | None
    lower_bound: float | None

    def numbers(self) -> dict[str, Any]:
        """Return every number by its name, for events, metadata and tables."""
        return {k: v for k, v in asdict(self).items() if k != "verdict"}


def is_evaluation_day(day: date, every_nth: int) -> bool:
    """Return whether the day is kept for evaluation: every n-th day of the calendar."""
    return day.toordinal() % every_nth == 0
