"""Request bodies of labels and feedback. Unknown fields are rejected."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr
from pydantic_core import PydanticCustomError

LABELS_A_CALL = 10_000
ID_LENGTH = LABEL_LENGTH = 200
TIME_LENGTH = 40


def _plain(value: Any) -> Any:
    """Raise one error for what is no label, where each type of the union would raise its own."""
    if not isinstance(value, bool | int | float | str):
        kind = "null" if value is None else "a list" if isinstance(value, list) else "an object"
        raise PydanticCustomError("label_type", f"The label is {kind}, and must be a text, a number, true or false")
    if isinstance(value, str) and len(value) > LABEL_LENGTH:
        raise PydanticCustomError("label_length", f"The label has {len(value)} characters, and may have {LABEL_LENGTH}")
    return value


_AnyLabel = StrictBool | StrictInt | StrictFloat | Annotated[StrictStr, Field(max_length=LABEL_LENGTH)]
Label = Annotated[_AnyLabel, BeforeValidator(_plain)]


def _whole(value: Any) -> Any:
    """Return an integer for a float without a fraction: in JSON 5.0 is the number 5."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


CallersId = Annotated[StrictStr, Field(max_length=ID_LENGTH)]
PredictionId = Annotated[StrictStr, Field(max_length=ID_LENGTH)]
Rating = Annotated[StrictInt, BeforeValidator(_whole), Field(ge=1, le=5)]


class LabelMessage(BaseModel):
    """The true outcome of one prediction."""

    model_config = ConfigDict(extra="forbid")
    prediction_id: PredictionId = Field(description="the answer's request_id, a dash, the row's index from 0")
    label: Label
    labelled_at: Annotated[StrictStr, Field(max_length=TIME_LENGTH)] | None = Field(
        None, description="when the outcome became known, ISO 8601 with an offset; default: now"
    )


class LabelsMessage(BaseModel):
    """Labels for 1 to 10,000 predictions: all are accepted, or none."""

    model_config = ConfigDict(extra="forbid")
    labels: Annotated[list[LabelMessage], Field(min_length=1, max_length=LABELS_A_CALL)]


class FeedbackMessage(BaseModel):
    """A person's feedback on one prediction: at least one of rating, thumbs, comment and corrected_label."""

    model_config = ConfigDict(extra="forbid")
    prediction_id: PredictionId
    rating: Rating | None = None
    thumbs: Literal["up", "down"] | None = None
    comment: Annotated[StrictStr, Field(max_length=4096)] | None = None
    corrected_label: Label | None = None
    user_id: CallersId | None = None
    session_id: CallersId | None = None
