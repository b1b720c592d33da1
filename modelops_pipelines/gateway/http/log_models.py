"""Request and response bodies of predictions that others made. Unknown fields are rejected."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr

from modelops_pipelines.core.capture.elsewhere.mapping import UNVERSIONED
from modelops_pipelines.core.capture.elsewhere.values import LONGEST_ID, LONGEST_TEXT, LONGEST_VERSION
from modelops_pipelines.gateway.http.request_models import TIME_LENGTH, Label, _whole

PREDICTIONS_A_CALL, MOST_FEATURES = 10_000, 2000
_Id = Annotated[StrictStr, Field(min_length=1, max_length=LONGEST_ID)]
_Share = Annotated[StrictFloat | StrictInt, Field(ge=0, le=1)]
_Value = (
    StrictBool
    | Annotated[StrictInt, Field(ge=-(2**63), lt=2**63)]
    | Annotated[StrictFloat, Field(allow_inf_nan=False)]
    | Annotated[StrictStr, Field(max_length=LONGEST_TEXT)]
    | None
)
_Name = Annotated[StrictStr, Field(min_length=1, max_length=LONGEST_ID)]


class PredictionMessage(BaseModel):
    """One prediction that others made."""

    model_config = ConfigDict(extra="forbid")
    id: _Id = Field(description="the sender's own id: with the same time it is the same prediction, sent again or not")
    time: Annotated[StrictStr, Field(max_length=TIME_LENGTH)] = Field(
        description="when it was made, ISO 8601 with an offset"
    )
    version: Annotated[StrictStr, Field(min_length=1, max_length=LONGEST_VERSION)] | None = Field(
        None, description=f"the version that made it, any text; default: {UNVERSIONED}"
    )
    prediction: Label | None = Field(None, description="the class, or for a regression the number")
    score: _Share | None = Field(None, description="probability of the positive class; of the predicted one of several")
    probabilities: Annotated[dict[_Name, _Share], Field(max_length=1000)] | None = Field(
        None, description="probability by class"
    )
    features: Annotated[dict[_Name, _Value], Field(max_length=MOST_FEATURES)] = Field(
        default_factory=dict, description="what it was made of; numbers are floats"
    )
    status: Annotated[StrictInt, BeforeValidator(_whole), Field(ge=100, le=599)] = Field(
        200, description="the HTTP status; from 400 on there is no prediction"
    )
    error: Annotated[StrictStr, Field(min_length=1, max_length=LONGEST_ID)] | None = None
    latency_ms: Annotated[StrictFloat | StrictInt, Field(ge=0, le=1e12)] | None = None
    user: _Id | None = None
    session: _Id | None = None
    label: Label | None = Field(None, description="the true outcome, where it is known")
    labelled_at: Annotated[StrictStr, Field(max_length=TIME_LENGTH)] | None = Field(
        None, description="when it became known; default: when the prediction was made"
    )


class PredictionsMessage(BaseModel):
    """1 to 10,000 predictions that others made: all are accepted, or none."""

    model_config = ConfigDict(extra="forbid")
    predictions: Annotated[list[PredictionMessage], Field(min_length=1, max_length=PREDICTIONS_A_CALL)]


class PredictionsAccepted(BaseModel):
    """What was written durably. A prediction that was sent before is counted again here, and is in the log once."""

    accepted: int
    labels: int
    prediction_ids: list[str | None] = Field(
        description="in the order of the predictions, for labels and feedback; null for a failed request"
    )
