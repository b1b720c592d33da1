"""Versions on trial: verdicts and shadows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from modelops_pipelines.client.answers.result import Result


@dataclass(frozen=True)
class Trial(Result):
    """A verdict on a version on trial, or on a new champion."""

    at: datetime
    version: str
    share: int
    """Of the traffic, in percent."""
    generation: int
    """Of the endpoint's desired state."""
    verdict: str
    reason: str | None
    numbers: dict[str, Any]


@dataclass(frozen=True)
class Shadow(Result):
    """The answers of a shadow beside those that callers received. A number without data is None."""

    version: str
    since: datetime
    until: datetime | None
    """None while it is the shadow."""
    compared: int
    """Rows that the shadow was asked."""
    failed: int
    """Of them, rows on which the shadow failed."""
    first_error: str | None
    """The error of one of them; None without the role operate: it may quote a row."""
    agreement: float | None
    """Share of rows with the same prediction."""
    score_difference: float | None
    """Mean absolute difference of the scores."""
    prediction_difference: float | None
    """Mean absolute difference; regression only."""
    milliseconds: float | None
    """Mean time per row of the shadow."""
    live_milliseconds: float | None
    """Mean time per row of the champion, measured beside it."""
    latency_ratio: float | None
    labelled: int
    """Rows with a label, on which the losses are."""
    loss: float | None
    """Log-loss, share of wrong classes, or squared error."""
    live_loss: float | None
    people: int
    """Users, sessions or requests among the labelled rows."""
    loss_difference: float | None
    """Shadow minus live; below 0 the shadow is better."""
    lower: float | None
    """Of the interval of the difference, which holds at every look."""
    upper: float | None
    verdict: str
    reason: str | None
    """Why rows are in no comparison; None when all are."""
