"""The review queue, and what the reviews say."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from modelops_pipelines.client.answers.result import Result


@dataclass(frozen=True)
class ReviewItem(Result):
    """A prediction in the review queue."""

    id: int
    endpoint: str
    prediction_id: str
    event_time: datetime
    model_version: str | None
    reason: str
    priority: float
    """The higher the sooner."""
    probability: float | None
    """With which a random item was drawn."""
    wanted: int
    """Verdicts wanted, of as many reviewers."""
    verdicts: int
    """Verdicts given."""
    status: str
    assignee: str | None
    created_at: datetime
    detail: Mapping[str, Any]
    """What was answered, and why it is here."""


@dataclass(frozen=True)
class ReviewVerdict(Result):
    """A verdict that was given."""

    reviewer: str
    verdict: str
    label: str | None
    note: str | None
    at: datetime


@dataclass(frozen=True)
class ReviewItemDetails(ReviewItem):
    """An item with what a reviewer needs. Verdicts on an open item are shown to those who have judged it."""

    conflict: bool
    """Whether reviewers say different things."""
    given: tuple[ReviewVerdict, ...]
    replaced: tuple[Mapping[str, Any], ...]
    """Verdicts that their reviewers replaced, or that were reopened."""
    reopened: tuple[Mapping[str, Any], ...]
    features: Mapping[str, Any] | None
    """Null where they were not kept."""


@dataclass(frozen=True)
class Agreement(Result):
    """How far reviewers agree; kappa is null, with the reason, where it is undefined."""

    kappa: float | None
    """Mean pairwise Cohen's kappa, from -1 to 1."""
    reason: str | None
    pairs: int
    shared: int
    """Predictions with verdicts of several reviewers."""
    agreed: float | None
    """Share of them on which all agree."""


@dataclass(frozen=True)
class ReviewedQuality(Result):
    """The quality of all predictions, estimated from the random sample without bias, with its 95 % interval."""

    metric: str
    value: float | None
    low: float | None
    high: float | None
    judged: int
    drawn: int
    predictions: int
    """Predictions of the days with a judged draw."""
    reason: str | None


@dataclass(frozen=True)
class ReviewSummary(Result):
    """What the reviews say."""

    endpoint: str
    items: Mapping[str, Mapping[str, int]]
    """Items by reason and status."""
    open: int
    done: int
    dropped: int
    oldest_open: datetime | None
    agreement: Agreement
    quality: ReviewedQuality
