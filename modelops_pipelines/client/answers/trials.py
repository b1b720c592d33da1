"""Versions on trial: verdicts, shadows and A/B tests."""

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


@dataclass(frozen=True)
class AbTest(Result):
    """An A/B test."""

    name: str
    champion: str
    challenger: str
    share: int
    """Of the callers that the challenger answers, in percent."""
    error_rate: float
    planned: int
    actor: str
    """Who started it."""
    reason: str
    """Why it was started."""
    started_at: datetime
    ended_at: datetime | None
    """None while it runs."""
    decision: str | None
    """promote, keep, rolled back or overtaken; None while it runs."""


@dataclass(frozen=True)
class Sides(Result):
    """A count of each side."""

    challenger: int
    champion: int


@dataclass(frozen=True)
class Losses(Result):
    """The mean loss per labelled answer of each side; None without one."""

    challenger: float | None
    champion: float | None


@dataclass(frozen=True)
class AbTestResult(Result):
    """The result so far, of the labels that have arrived. It may be read as often as one likes."""

    verdict: str
    """challenger better, challenger worse or undecided."""
    reason: str
    requests: Sides
    errors: Sides
    labelled: Sides
    loss: Losses
    """Log-loss, share of wrong answers, or squared error."""
    difference: float | None
    """Challenger minus champion; None while there are too few labels."""
    lower: float | None
    """Of the interval of the difference, which holds at every look."""
    upper: float | None


@dataclass(frozen=True)
class AbTestDetails(AbTest):
    """An A/B test with its result so far."""

    result: AbTestResult
