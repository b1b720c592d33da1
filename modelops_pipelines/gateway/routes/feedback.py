"""Labels and feedback on their way into the spool: checked, identified by their content, durable before the answer."""

import sys
from collections import OrderedDict
from datetime import UTC, datetime
from typing import Any

from modelops_pipelines.core.errors import InputError
from modelops_pipelines.core.ids import content_id, parse_prediction_id
from modelops_pipelines.core.models.predictions import class_name
from modelops_pipelines.gateway.bodies.headers import micros, parse_time
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
        await self._capture.write(served.spec.name, "labels", {"rows": rows})
        return {"accepted": len(rows)}

    async def take_feedback(self, served: Served, message: FeedbackMessage) -> dict[str, Any]:
        """Take feedback; the same again is answered alike and counted once."""
        said = (message.rating, message.thumbs, message.comment, message.corrected_label)
        if all(part is None for part in said):
            raise InputError("The feedback says nothing", "Give a rating, thumbs, a comment or a corrected_label")
        identity = self._identity(served, message.prediction_id)
        corrected = None if message.corrected_label is None else _label(served, message.corrected_label)
        number = content_id(message.prediction_id, *said[:3], corrected, message.user_id, message.session_id)
        row = {
            "feedback_id": number,
            **identity,
            "rating": message.rating,
            "thumbs": message.thumbs,
            "comment": message.comment,
            "corrected_label": corrected,
            **_who(served, message),
            "received_at": micros(datetime.now(UTC)),
        }
        await self._capture.write(served.spec.name, "feedback", {"rows": [row]})
        return {"feedback_id": number, "status": self._remember(number)}

    def _label_row(self, served: Served, message: LabelMessage, now: datetime) -> dict[str, Any]:
        identity = self._identity(served, message.prediction_id)
        label = _label(served, message.label)
        at = now if message.labelled_at is None else parse_time(message.labelled_at, "labelled_at", now)
        number = content_id(message.prediction_id, label, micros(at))
        return {"label_id": number, **identity, "label": label, "labelled_at": micros(at), "received_at": micros(now)}

    def _identity(self, served: Served, prediction_id: str) -> dict[str, Any]:
        request, row = parse_prediction_id(prediction_id, served.spec.name, self._secret)
        return {
            "prediction_id": prediction_id,
            "request_id": request.text,
            "row_index": row,
            "event_time": micros(request.event_time),
        }

    def _remember(self, number: str) -> str:
        """Tell whether this worker has seen it lately; the table itself holds it once in any case."""
        known = number in self._recent
        self._recent[number] = None
        if len(self._recent) > REMEMBERED:
            self._recent.popitem(last=False)
        return "already recorded" if known else "recorded"


def _who(served: Served, message: FeedbackMessage) -> dict[str, str | None]:
    """Return who says it, but for what the endpoint's capture policy keeps off the disk."""
    said = {"user_id": message.user_id, "session_id": message.session_id}
    return {name: None if name in served.spec.capture.redact else value for name, value in said.items()}


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
