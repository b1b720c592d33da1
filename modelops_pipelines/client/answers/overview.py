"""All endpoints at a glance."""

from dataclasses import dataclass
from datetime import datetime

from modelops_pipelines.client.answers.endpoints import Variant
from modelops_pipelines.client.answers.result import Result


@dataclass(frozen=True)
class SummaryHealth(Result):
    """The health score, 0 to 100, when the summary was made."""

    score: float | None
    reason: str
    limited_by: str | None
    """The part that the score is limited by."""


@dataclass(frozen=True)
class SummaryTraffic(Result):
    """The traffic of the last 24 hours when the summary was made."""

    requests: int
    server_errors: int
    p95_ms: float | None
    hours: tuple[tuple[int, int], ...]
    """Requests and server errors hour by hour, oldest first."""
    until: datetime
    """The end of the last of these hours."""


@dataclass(frozen=True)
class SummaryQuality(Result):
    """One metric of the newest window that has it."""

    metric: str
    value: float
    window: datetime
    version: str
    rows: int
    """Labelled rows; for an estimate, predictions."""


@dataclass(frozen=True)
class SummaryDrift(Result):
    """The verdicts on the newest window."""

    drifted: int
    judged: int
    worst: tuple[str, ...]
    """The most important of the drifted columns."""
    window: datetime


@dataclass(frozen=True)
class Summary(Result):
    """What the newest monitoring run found; a part without data is None."""

    health: SummaryHealth
    traffic: SummaryTraffic
    quality: SummaryQuality | None
    estimated: SummaryQuality | None
    drift: SummaryDrift | None


@dataclass(frozen=True)
class WorstAlert(Result):
    """The gravest alert that nobody looks after."""

    id: int
    rule: str
    severity: str
    message: str


@dataclass(frozen=True)
class OverviewRow(Result):
    """An endpoint at a glance."""

    name: str
    task: str
    description: str
    owners: tuple[str, ...]
    tags: tuple[str, ...]
    platform: str
    """here, or elsewhere."""
    status: str
    problem: str | None
    """Why it cannot be served; None if it can."""
    champion: str | None
    since: datetime | None
    """When the present state began."""
    trials: tuple[Variant, ...]
    """Versions on trial and in shadow."""
    open_alerts: int
    """Alerts that nobody looks after."""
    acknowledged_alerts: int
    worst_alert: WorstAlert | None
    waiting_reviews: int
    """Predictions that wait for a person's label."""
    summary: Summary | None
    """None until a monitoring run has measured it."""
    measured_at: datetime | None
