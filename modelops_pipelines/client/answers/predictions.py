"""Answers to predictions, labels and feedback."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelops_pipelines.client.answers.result import Result
from modelops_pipelines.core.ids import prediction_id


@dataclass(frozen=True)
class RowExplanation(Result):
    """What each feature contributed to one row's prediction; all but ``reason`` are null where there is none."""

    base_value: float | None
    value: float | None
    """The explained value: base value plus all contributions."""
    contributions: Mapping[str, float] | None
    """By feature."""
    standard_errors: Mapping[str, float] | None
    """Of each contribution; null where they are exact."""
    method: str | None
    scale: str | None
    """Probability or log-odds of the class, prediction, log or margin."""
    class_name: str | None
    reason: str | None
    """Why there is no explanation."""


@dataclass(frozen=True)
class Predictions(Result):
    """The model's predictions, one per row, as the model returned them."""

    predictions: tuple[Any, ...]
    request_id: str
    """A prediction's id is this, a dash, and the row's index from 0."""
    model_version: str
    variant: str
    unanswered: tuple[int, ...] = ()
    """Rows, from 0, for which the model gave NaN or an infinite number: null; only if there are any."""
    explanations: tuple[RowExplanation, ...] = ()
    """One per row; only where they were asked for."""

    @property
    def prediction_ids(self) -> list[str]:
        """The id of each row's prediction, which labels and feedback name."""
        return [prediction_id(self.request_id, row) for row in range(len(self.predictions))]

    def records(self) -> list[dict[str, Any]]:
        """Return a row for each prediction."""
        more = {"model_version": self.model_version, "variant": self.variant}
        named = zip(self.prediction_ids, self.predictions, strict=True)
        return [{"prediction_id": name, "prediction": predicted, **more} for name, predicted in named]


@dataclass(frozen=True)
class PredictionsAccepted(Result):
    """How many predictions that others made, and labels with them, are in the log or will be."""

    accepted: int
    labels: int
    prediction_ids: tuple[str | None, ...]
    """In the order of the predictions; null for a request that failed."""


@dataclass(frozen=True)
class LabelsAccepted(Result):
    """How many labels were accepted."""

    accepted: int
    unchecked: str = ""
    """Why the labels were not checked against the model's classes; only if so."""


@dataclass(frozen=True)
class FeedbackRecorded(Result):
    """The feedback's id, a hash of its content: the same feedback again is recorded once."""

    feedback_id: str
    status: str
