"""Feedback that was given: list and count it, flag, assign, accept and delete it."""

from datetime import datetime
from typing import Any, TypedDict, Unpack

from modelops_pipelines.client.answers.feedback import (
    Feedback,
    FeedbackAccepted,
    FeedbackDeleted,
    FeedbackEvent,
    FeedbackStatistics,
)
from modelops_pipelines.client.answers.reading import many, one
from modelops_pipelines.client.answers.result import Listing
from modelops_pipelines.client.connection.call import Call, Retry, body_of
from modelops_pipelines.client.connection.operation import operation
from modelops_pipelines.client.rows.labels import plain_label

_ALL = "/endpoints/{endpoint}/feedback"
_ONE = f"{_ALL}/{{feedback_id}}"


class Conditions(TypedDict, total=False):
    """Conditions of a search, of which all must hold. Those that are None or left out say nothing."""

    rating_from: int | None
    rating_to: int | None
    thumbs: str | None
    version: str | None
    text: str | None
    """Contained in the comment, in any case."""
    category: str | None
    flagged: bool | None
    assignee: str | None
    accepted: bool | None
    corrected: bool | None
    prediction_id: str | None
    since: datetime | None
    until: datetime | None


class FeedbackCalls:
    """Operations on feedback. ``PredictionCalls.feedback`` sends it."""

    @operation
    def list_feedback(
        self, endpoint: str, *, limit: int = 100, cursor: str | None = None, **conditions: Unpack[Conditions]
    ) -> Call[Listing[Feedback]]:
        """List the feedback that meets all conditions, newest first."""
        query = {**conditions, "limit": limit, "cursor": cursor}
        return Call("GET", _ALL, many(Feedback, "feedback", "next"), {"endpoint": endpoint}, query)

    @operation
    def recent_feedback(self, endpoint: str, *, limit: int = 100) -> Call[Listing[Feedback]]:
        """List the newest feedback, also what was received a moment ago."""
        read = many(Feedback, "feedback", "next")
        return Call("GET", f"{_ALL}/recent", read, {"endpoint": endpoint}, {"limit": limit})

    @operation
    def feedback_stats(self, endpoint: str, **conditions: Unpack[Conditions]) -> Call[FeedbackStatistics]:
        """Count the feedback that meets all conditions: ratings and thumbs, by version, category and day."""
        return Call("GET", f"{_ALL}/stats", one(FeedbackStatistics), {"endpoint": endpoint}, conditions)

    @operation
    def show_feedback(self, endpoint: str, feedback_id: str) -> Call[Feedback]:
        """Show one piece of feedback with what was predicted."""
        return Call("GET", _ONE, one(Feedback), _parts(endpoint, feedback_id))

    @operation
    def feedback_history(self, endpoint: str, feedback_id: str) -> Call[Listing[FeedbackEvent]]:
        """Show who did what with the feedback, oldest first; also after its deletion."""
        return Call("GET", f"{_ONE}/history", many(FeedbackEvent), _parts(endpoint, feedback_id))

    @operation
    def delete_feedback(self, endpoint: str, feedback_id: str) -> Call[FeedbackDeleted]:
        """Delete feedback: from the answer on nothing shows it, counts it or learns from it."""
        return Call("DELETE", _ONE, one(FeedbackDeleted), _parts(endpoint, feedback_id))

    @operation
    def flag_feedback(self, endpoint: str, feedback_id: str, *, note: str = "") -> Call[Feedback]:
        """Flag feedback for review."""
        return _act("flag", one(Feedback), endpoint, feedback_id, {"note": note})

    @operation
    def unflag_feedback(self, endpoint: str, feedback_id: str, *, note: str = "") -> Call[Feedback]:
        """Take the flag off."""
        return _act("unflag", one(Feedback), endpoint, feedback_id, {"note": note})

    @operation
    def assign_feedback(
        self, endpoint: str, feedback_id: str, assignee: str | None, *, note: str = ""
    ) -> Call[Feedback]:
        """Assign feedback to a person, or to nobody (None)."""
        return _act("assign", one(Feedback), endpoint, feedback_id, {"assignee": assignee, "note": note})

    @operation
    def accept_feedback(
        self, endpoint: str, feedback_id: str, *, label: Any = None, note: str = ""
    ) -> Call[FeedbackAccepted]:
        """Accept feedback as a label for training, exactly once; by default the label that it corrects to."""
        message = {"label": plain_label(label, "label")} if label is not None else {}
        return _act("to-training", one(FeedbackAccepted), endpoint, feedback_id, {**message, "note": note})


def _act(act: str, read: Any, endpoint: str, feedback_id: str, message: dict[str, Any]) -> Call[Any]:
    content = body_of(message, nulls=True)
    return Call("POST", f"{_ONE}/{act}", read, _parts(endpoint, feedback_id), content=content, retry=Retry.UNSENT)


def _parts(endpoint: str, feedback_id: str) -> dict[str, str | int]:
    return {"endpoint": endpoint, "feedback_id": feedback_id}
