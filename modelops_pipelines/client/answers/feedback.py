"""Feedback, what people did with it, and its counts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from modelops_pipelines.client.answers.result import Result


@dataclass(frozen=True)
class Feedback(Result):
    """A piece of feedback, what it is about, and what people did with it."""

    feedback_id: str
    prediction_id: str
    request_id: str
    row_index: int
    event_time: datetime
    """When the prediction was requested."""
    received_at: datetime
    given_at: datetime | None
    """When the person gave it, if the caller said so."""
    rating: int | None
    thumbs: str | None
    comment: str | None
    corrected_label: str | float | None
    categories: tuple[str, ...]
    user_id: str | None
    session_id: str | None
    key_id: str | None
    model_version: str | None
    """The version that answered; null while the log does not hold the row."""
    prediction: str | float | None
    score: float | None
    flagged: bool
    assignee: str | None
    accepted_label: str | None
    """The label that was accepted for training."""


@dataclass(frozen=True)
class FeedbackEvent(Result):
    """What a person did with feedback."""

    at: datetime
    actor: str
    action: str
    note: str | None
    detail: Mapping[str, Any]
    """Flag and assignee before, and further values."""


@dataclass(frozen=True)
class FeedbackCounts(Result):
    """Counts of feedback."""

    feedback: int
    rated: int
    average_rating: float | None
    """Null without a rating."""
    thumbs_up: int
    thumbs_down: int
    comments: int
    corrections: int
    """With a corrected label."""
    flagged: int
    accepted: int
    """Accepted for training."""


@dataclass(frozen=True)
class VersionCounts(FeedbackCounts):
    """Counts of the feedback on a version's predictions; null: the log does not hold them."""

    version: str | None


@dataclass(frozen=True)
class CategoryCounts(FeedbackCounts):
    """Counts of the feedback with a category."""

    category: str


@dataclass(frozen=True)
class DayCounts(FeedbackCounts):
    """Counts of the feedback received on a day, in UTC."""

    day: str


@dataclass(frozen=True)
class FeedbackStatistics(FeedbackCounts):
    """Counts of the feedback that meets the conditions. They equal a recount of the listed feedback."""

    ratings: Mapping[str, int]
    """How often each rating was given."""
    by_version: tuple[VersionCounts, ...]
    by_category: tuple[CategoryCounts, ...]
    by_day: tuple[DayCounts, ...]
    complete: bool
    """False when this host's spool holds more than was read."""


@dataclass(frozen=True)
class FeedbackDeleted(Result):
    """The feedback is deleted: it is in no list, statistic, metric or new training set."""

    feedback_id: str
    status: str


@dataclass(frozen=True)
class FeedbackAccepted(Result):
    """The label that training sets have from this feedback."""

    feedback_id: str
    prediction_id: str
    label: str
    status: str
    by: str
    at: datetime
    training_rows: int
    """Pieces of this endpoint's feedback that are accepted."""
