"""What callers send beside rows to predict: labels and feedback. Unknown fields are refused."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr

LABELS_A_CALL = 10_000
ID_LENGTH = LABEL_LENGTH = 200
TIME_LENGTH = 40
Label = StrictBool | StrictInt | StrictFloat | Annotated[StrictStr, Field(max_length=LABEL_LENGTH)]


def _whole(value: Any) -> Any:
    """Return a whole number as one, however it is written: to JSON 5.0 is 5."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


CallersId = Annotated[StrictStr, Field(max_length=ID_LENGTH)]
PredictionId = Annotated[StrictStr, Field(max_length=ID_LENGTH)]
Rating = Annotated[StrictInt, BeforeValidator(_whole), Field(ge=1, le=5)]


class LabelMessage(BaseModel):
    """What turned out to be true of one prediction."""

    model_config = ConfigDict(extra="forbid")
    prediction_id: PredictionId = Field(description="request_id of the answer, a dash, the row's index from 0")
    label: Label
    labelled_at: Annotated[StrictStr, Field(max_length=TIME_LENGTH)] | None = Field(
        None, description="when it became known, ISO 8601; now when left out"
    )


class LabelsMessage(BaseModel):
    """Labels for up to 10,000 predictions: all are taken, or none."""

    model_config = ConfigDict(extra="forbid")
    labels: Annotated[list[LabelMessage], Field(min_length=1, max_length=LABELS_A_CALL)]


class FeedbackMessage(BaseModel):
    """What a person says about one prediction: at least one of rating, thumbs, comment and corrected_label."""

    model_config = ConfigDict(extra="forbid")
    prediction_id: PredictionId
    rating: Rating | None = None
    thumbs: Literal["up", "down"] | None = None
    comment: Annotated[StrictStr, Field(max_length=4096)] | None = None
    corrected_label: Label | None = None
    user_id: CallersId | None = None
    session_id: CallersId | None = None
