"""Labels and feedback on their way into the spool: checked, identified by their content, durable before the answer."""

import sys
from collections import OrderedDict
from datetime import UTC, datetime
from typing import Any

from modelops_pipelines.core.capture.spool_records import Feedback, feedback_row, label_row, response_record
from modelops_pipelines.core.errors import InputError
from modelops_pipelines.core.ids import RequestId, parse_prediction_id
from modelops_pipelines.core.models.predictions import class_name
from modelops_pipelines.gateway.bodies.headers import parse_time
from modelops_pipelines.gateway.hot_path.durable_capture import Capture
from modelops_pipelines.gateway.http.request_models import FeedbackMessage, Label, LabelMessage, LabelsMessage
from modelops_pipelines.gateway.worker.served import Served

REMEMBERED = 10_000


class Responses:
    """Takes labels and feedback for predictions that this installation made."""

    def __init__(self, capture: Capture, secret: bytes) -> None:
        """Write to the worker's spool; ``secret`` proves prediction ids."""
        self._capture, self._secret = capture, secret
        self._recent: OrderedDict[str, None] = OrderedDict()

    async def take_labels(self, served: Served, message: LabelsMessage) -> dict[str, Any]:
        """Take all labels or none; raises UnknownError for a prediction never made, InputError for a wrong label."""
        now = datetime.now(UTC)
        rows = [self._label_row(served, label, now) for label in message.labels]
        await self._capture.write(served.spec.name, "labels", response_record(rows))
        return {"accepted": len(rows)}

    async def take_feedback(self, served: Served, message: FeedbackMessage) -> dict[str, Any]:
        """Take feedback; the same again is answered alike and counted once."""
        said = (message.rating, message.thumbs, message.comment, message.corrected_label)
        if all(part is None for part in said):
            raise InputError("The feedback says nothing", "Give a rating, thumbs, a comment or a corrected_label")
        request, row = self._parse(served, message.prediction_id)
        corrected = None if message.corrected_label is None else _label(served, message.corrected_label)
        feedback = Feedback(*said[:3], corrected, message.user_id, message.session_id)
        kept = _redacted(served, feedback_row(request, row, feedback, datetime.now(UTC)))
        await self._capture.write(served.spec.name, "feedback", response_record([kept]))
        return {"feedback_id": kept["feedback_id"], "status": self._remember(kept["feedback_id"])}

    def _label_row(self, served: Served, message: LabelMessage, now: datetime) -> dict[str, Any]:
        request, row = self._parse(served, message.prediction_id)
        label = _label(served, message.label)
        at = now if message.labelled_at is None else parse_time(message.labelled_at, "labelled_at", now)
        return label_row(request, row, label, at, now)

    def _parse(self, served: Served, prediction_id: str) -> tuple[RequestId, int]:
        """Return the request and the row that the prediction is of; raises UnknownError for one never made."""
        return parse_prediction_id(prediction_id, served.spec.name, self._secret)

    def _remember(self, number: str) -> str:
        """Tell whether this worker has seen it lately; the table itself holds it once in any case."""
        known = number in self._recent
        self._recent[number] = None
        if len(self._recent) > REMEMBERED:
            self._recent.popitem(last=False)
        return "already recorded" if known else "recorded"


def _redacted(served: Served, row: dict[str, Any]) -> dict[str, Any]:
    """Return the row without what the endpoint's capture policy keeps off the disk of the person who says it."""
    return row | dict.fromkeys({"user_id", "session_id"} & {*served.spec.capture.redact})


def _finite(given: Label) -> float | None:
    """Return a finite number as a float, or None: JSON as Python reads it also has NaN and integers of any size."""
    if isinstance(given, bool | str) or not -sys.float_info.max <= given <= sys.float_info.max:
        return None
    return float(given)


def _label(served: Served, given: Label) -> str | float:
    """Return a label as the task keeps it; raises InputError for a type or a class that the endpoint does not have."""
    if served.spec.task == "regression":
        number = _finite(given)
        if number is None:
            raise InputError(f"The label {str(given)[:60]!r} is no number", "Send a number: the task is a regression")
        return number
    name = class_name(given)
    champion = served.version_of(served.state.champion)
    classes = champion.classes if champion else None
    if classes is not None and name not in classes:
        raise InputError(f"The label {name[:60]!r} is no class of the model", f"Send one of: {', '.join(classes)}")
    return name
