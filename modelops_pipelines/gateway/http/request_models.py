"""Request bodies of labels and feedback. Unknown fields are rejected."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr
from pydantic_core import PydanticCustomError

LABELS_A_CALL = 10_000
ID_LENGTH = LABEL_LENGTH = 200
TIME_LENGTH = 40
MOST_CATEGORIES, CATEGORY_LENGTH = 20, 60


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
Category = Annotated[StrictStr, Field(min_length=1, max_length=CATEGORY_LENGTH)]
EntityValue = (
    StrictBool
    | Annotated[StrictInt, Field(ge=-(2**63), lt=2**63)]
    | Annotated[StrictFloat, Field(allow_inf_nan=False)]
    | Annotated[StrictStr, Field(min_length=1, max_length=LABEL_LENGTH)]
)
Entity = Annotated[
    dict[Annotated[StrictStr, Field(min_length=1, max_length=ID_LENGTH)], EntityValue],
    Field(min_length=1, max_length=10),
]
Rating = Annotated[StrictInt, BeforeValidator(_whole), Field(ge=1, le=5)]


class LabelMessage(BaseModel):
    """The true outcome of one prediction, which it names by one of three keys.

    A label with another key than ``prediction_id`` is matched within the endpoint's label horizon; until then it is
    kept as unmatched.
    """

    model_config = ConfigDict(extra="forbid")
    prediction_id: PredictionId | None = Field(
        None, description="the answer's request_id, a dash, the row's index from 0"
    )
    client_request_id: Annotated[StrictStr, Field(min_length=1, max_length=ID_LENGTH)] | None = Field(
        None, description="the X-Client-Request-Id that the caller gave the request; used twice it matches nothing"
    )
    row: Annotated[StrictInt, BeforeValidator(_whole), Field(ge=0, lt=65_535)] | None = Field(
        None, description="the row's index in that request, from 0; default: 0"
    )
    entity: Entity | None = Field(
        None, description="values of the log's columns: the newest prediction with these values up to 'at' is meant"
    )
    at: Annotated[StrictStr, Field(max_length=TIME_LENGTH)] | None = Field(
        None, description="the entity's time, ISO 8601 with an offset"
    )
    within_seconds: Annotated[StrictInt, BeforeValidator(_whole), Field(ge=1, le=31_622_400)] | None = Field(
        None, description="how far before 'at' the prediction may be; default: a day"
    )
    label: Label
    labelled_at: Annotated[StrictStr, Field(max_length=TIME_LENGTH)] | None = Field(
        None, description="when the outcome became known, ISO 8601 with an offset; default: now"
    )


class LabelsMessage(BaseModel):
    """Labels for 1 to 10,000 predictions: all are accepted, or none."""

    model_config = ConfigDict(extra="forbid")
    labels: Annotated[list[LabelMessage], Field(min_length=1, max_length=LABELS_A_CALL)]


class FeedbackMessage(BaseModel):
    """A person's feedback on one prediction: a rating, thumbs, comment, corrected_label or categories, at least one."""

    model_config = ConfigDict(extra="forbid")
    prediction_id: PredictionId
    rating: Rating | None = None
    thumbs: Literal["up", "down"] | None = None
    comment: Annotated[StrictStr, Field(max_length=4096)] | None = None
    corrected_label: Label | None = None
    user_id: CallersId | None = None
    session_id: CallersId | None = None
    categories: Annotated[list[Category], Field(max_length=MOST_CATEGORIES)] = Field(
        default_factory=list, description="what it is about, in the caller's own words", examples=[["too slow"]]
    )
    given_at: Annotated[StrictStr, Field(max_length=TIME_LENGTH)] | None = Field(
        None, description="when the person gave it, ISO 8601 with an offset; default: now"
    )
