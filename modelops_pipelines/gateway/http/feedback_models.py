"""Bodies of the routes about feedback, as the OpenAPI document shows them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictStr

from modelops_pipelines.gateway.http.request_models import Label
from modelops_pipelines.gateway.http.response_models import Moment

NOTE_LENGTH, NAME_LENGTH = 2000, 200
Note = Annotated[StrictStr, Field(max_length=NOTE_LENGTH, description="kept in the history")]


class FlagMessage(BaseModel):
    """Why the feedback is flagged, or no longer."""

    model_config = ConfigDict(extra="forbid")
    note: Note = ""


class AssignMessage(BaseModel):
    """Who looks after the feedback; null: nobody."""

    model_config = ConfigDict(extra="forbid")
    assignee: Annotated[StrictStr, Field(min_length=1, max_length=NAME_LENGTH)] | None
    note: Note = ""


class AcceptMessage(BaseModel):
    """The label for training; default: the corrected label, else the prediction where the feedback has thumbs up."""

    model_config = ConfigDict(extra="forbid")
    label: Label | None = None
    note: Note = ""


class FeedbackInfo(BaseModel):
    """A piece of feedback, what it is about, and what people did with it."""

    feedback_id: str
    prediction_id: str
    request_id: str
    row_index: int
    event_time: Moment = Field(description="when the prediction was requested")
    received_at: Moment
    given_at: Moment | None = Field(description="when the person gave it, if the caller said so")
    rating: int | None
    thumbs: str | None
    comment: str | None
    corrected_label: str | float | None
    categories: list[str]
    user_id: str | None
    session_id: str | None
    key_id: str | None
    model_version: str | None = Field(description="the version that answered; null while the log does not hold the row")
    prediction: str | float | None
    score: float | None
    flagged: bool
    assignee: str | None
    accepted_label: str | None = Field(description="the label that was accepted for training")


class FeedbackList(BaseModel):
    """A page of feedback, newest first by the time of receipt."""

    feedback: list[FeedbackInfo]
    next: str | None = Field(description="send it as 'cursor' for the next page; null at the end")
    complete: bool = Field(description="false when this host's spool holds more than was read")


class FeedbackEventInfo(BaseModel):
    """What a person did with feedback."""

    at: Moment
    actor: str
    action: Literal["flagged", "unflagged", "assigned", "accepted", "deleted"]
    note: str | None
    detail: dict[str, Any] = Field(description="flag and assignee before, and further values")


class FeedbackCounts(BaseModel):
    """Counts of feedback."""

    feedback: int
    rated: int
    average_rating: float | None = Field(description="null without a rating")
    thumbs_up: int
    thumbs_down: int
    comments: int
    corrections: int = Field(description="with a corrected label")
    flagged: int
    accepted: int = Field(description="accepted for training")


class VersionCounts(FeedbackCounts):
    """Counts of the feedback on a version's predictions; null: the log does not hold them."""

    version: str | None


class CategoryCounts(FeedbackCounts):
    """Counts of the feedback with a category."""

    category: str


class DayCounts(FeedbackCounts):
    """Counts of the feedback received on a day, in UTC."""

    day: str


class FeedbackStatistics(FeedbackCounts):
    """Counts of the feedback that meets the conditions. They equal a recount of the listed feedback."""

    ratings: dict[str, int] = Field(description="how often each rating was given")
    by_version: list[VersionCounts]
    by_category: list[CategoryCounts]
    by_day: list[DayCounts]
    complete: bool = Field(description="false when this host's spool holds more than was read")


class FeedbackDeleted(BaseModel):
    """The feedback is deleted: it is in no list, statistic, metric or new training set."""

    feedback_id: str
    status: Literal["deleted", "already deleted"]


class FeedbackAccepted(BaseModel):
    """The label that training sets have from this feedback."""

    feedback_id: str
    prediction_id: str
    label: str
    status: Literal["accepted", "already accepted"]
    by: str
    at: Moment
    training_rows: int = Field(description="pieces of this endpoint's feedback that are accepted")
