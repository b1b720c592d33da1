"""Writes labels and feedback to the spool: validated, with an id from their content, durable before the response."""

import sys
from collections import OrderedDict
from datetime import UTC, datetime
from typing import Any

from modelops_pipelines.core.capture.keyed_labels import labels_record
from modelops_pipelines.core.capture.spool_records import Feedback, Origin, feedback_row, label_row, response_record
from modelops_pipelines.core.errors import InputError
from modelops_pipelines.core.ids import RequestId, parse_prediction_id
from modelops_pipelines.gateway.access.public_feedback import PublicFeedback
from modelops_pipelines.gateway.bodies.headers import parse_time
from modelops_pipelines.gateway.hot_path.durable_capture import Capture
from modelops_pipelines.gateway.http.request_models import FeedbackMessage, Label, LabelMessage, LabelsMessage
from modelops_pipelines.gateway.routes.improve.keyed_labels import check_key, keyed_label_row
from modelops_pipelines.gateway.worker.class_names import class_of_label, why_unchecked
from modelops_pipelines.gateway.worker.served_endpoint import ServedEndpoint

REMEMBERED = 10_000


class Responses:
    """Writes labels and feedback for predictions that this installation made."""

    def __init__(self, capture: Capture, secret: bytes) -> None:
        """Write to the worker's spool; ``secret`` verifies prediction ids."""
        self._capture, self._secret = capture, secret
        self.public = PublicFeedback()
        self._recent: OrderedDict[str, None] = OrderedDict()

    async def write_labels(
        self, served: ServedEndpoint, message: LabelsMessage, key_id: str | None = None
    ) -> dict[str, Any]:
        """Write all labels or none; raises UnknownError for an id never issued, InputError for an invalid label.

        ``key_id`` is the API key that sent them.
        """
        now = datetime.now(UTC)
        rows = [self._label_row(served, label, now, key_id) for label in message.labels]
        await self._capture.write(served.spec.name, "labels", labels_record(rows))
        unchecked = why_unchecked(served)
        return {"accepted": len(rows), **({} if unchecked is None else {"unchecked": unchecked})}

    async def write_feedback(
        self, served: ServedEndpoint, message: FeedbackMessage, key_id: str | None = None
    ) -> dict[str, Any]:
        """Write feedback; the same feedback again gets the same id and counts once. Raises UnknownError, InputError."""
        content = (message.rating, message.thumbs, message.comment, message.corrected_label)
        if all(part is None for part in content) and not message.categories:
            raise InputError("The feedback is empty", "Send a rating, thumbs, comment, corrected_label or categories")
        now = datetime.now(UTC)
        request, row = self._parse(served, message.prediction_id)
        corrected = None if message.corrected_label is None else _label(served, message.corrected_label)
        said = (*content[:3], corrected, message.user_id, message.session_id)
        given_at = None if message.given_at is None else parse_time(message.given_at, "given_at", now)
        feedback = Feedback(*said, tuple(message.categories), given_at)
        written = _redact(served, feedback_row(request, row, feedback, now, key_id))
        await self._capture.write(served.spec.name, "feedback", response_record([written]))
        return {"feedback_id": written["feedback_id"], "status": self._remember(written["feedback_id"])}

    def _label_row(
        self, served: ServedEndpoint, message: LabelMessage, now: datetime, key_id: str | None
    ) -> dict[str, Any]:
        check_key(message)
        if message.prediction_id is None:
            label, at = _label(served, message.label), _labelled_at(message, now)
            return keyed_label_row(served, message, label, at, now, key_id)
        request, row = self._parse(served, message.prediction_id)
        label = _label(served, message.label)
        return label_row(request, row, label, _labelled_at(message, now) or now, now, Origin(key_id=key_id))

    def _parse(self, served: ServedEndpoint, prediction_id: str) -> tuple[RequestId, int]:
        """Return the prediction's request and row index; raises UnknownError for an id never issued here."""
        return parse_prediction_id(prediction_id, served.spec.name, self._secret)

    def _remember(self, feedback_id: str) -> str:
        """Return whether this worker recorded the id among its last REMEMBERED; the table has it once in any case."""
        known = feedback_id in self._recent
        self._recent[feedback_id] = None
        if len(self._recent) > REMEMBERED:
            self._recent.popitem(last=False)
        return "already recorded" if known else "recorded"


def _labelled_at(message: LabelMessage, now: datetime) -> datetime | None:
    return None if message.labelled_at is None else parse_time(message.labelled_at, "labelled_at", now)


def _redact(served: ServedEndpoint, row: dict[str, Any]) -> dict[str, Any]:
    """Return the row with null for a user_id or session_id that the endpoint's capture policy redacts."""
    return row | dict.fromkeys({"user_id", "session_id"} & {*served.spec.capture.redact})


def _finite(given: Label) -> float | None:
    """Return a finite number as a float, else None: Python's JSON parser accepts NaN and integers of any size."""
    if isinstance(given, bool | str) or not -sys.float_info.max <= given <= sys.float_info.max:
        return None
    return float(given)


def _label(served: ServedEndpoint, given: Label) -> str | float:
    """Return a label as the task stores it; raises InputError for an invalid type or an unknown class."""
    if served.spec.task == "regression":
        number = _finite(given)
        if number is None:
            raise InputError(f"The label {str(given)[:60]!r} is not a number", "Send a number: the task is regression")
        return number
    return class_of_label(served, given)
