"""What routes answer, as the OpenAPI document shows it. What callers send is in messages.py."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, PlainSerializer

from modelops_pipelines.core.access.api_keys import Mode, Role
from modelops_pipelines.core.windows import text

Moment = Annotated[datetime, PlainSerializer(text, return_type=str)]
_REFUSALS = {
    400: "The body is not JSON, or broke off",
    401: "No key, or one that is wrong, expired or revoked",
    403: "The key has not the role, or is for other endpoints",
    404: "There is no such thing",
    405: "The route has no such method; the header Allow says which it has",
    409: "The thing is in a state that does not allow this",
    413: "The body is too large",
    422: "A field is wrong",
    429: "More requests than allowed; the header Retry-After says when to try again",
    500: "The gateway, or the model, failed on this request",
    503: "Not now: try again after the seconds that the header Retry-After says",
}


class ErrorInfo(BaseModel):
    """What went wrong, and what to do about it. The codes are in the reference of errors."""

    code: str
    message: str
    remedy: str
    request_id: str | None


class ErrorBody(BaseModel):
    """The one shape of every error."""

    error: ErrorInfo


def refusals(statuses: Iterable[int]) -> dict[int | str, dict[str, Any]]:
    """Return these statuses as responses that a route declares."""
    return {status: {"model": ErrorBody, "description": _REFUSALS[status]} for status in statuses}


class VariantInfo(BaseModel):
    """A version that answers, with its share of the traffic in percent."""

    version: str
    role: str
    share: int


class EndpointInfo(BaseModel):
    """An endpoint, what it serves, and what its champion takes; null while it serves nothing."""

    name: str
    model_name: str
    task: str
    description: str
    generation: int
    status: Literal["active", "stopped", "deleted"]
    variants: list[VariantInfo]
    inputs: dict[str, str] | None
    classes: list[str] | None
    training_set: str | None
    registered_at: str | None


class WayInfo(BaseModel):
    """How the champion is served: past MLflow's own checks or by them, and how many rows are merged into a batch."""

    path: Literal["array", "frame", "mlflow"]
    merged_rows: int = Field(description="0 where requests are never merged")
    probe_ms: float | None


class EvaluationInfo(BaseModel):
    """A verdict of the gate, with every number that it rests on."""

    verdict: str
    champion: str | None = Field(description="the version that it was held against")
    at: Moment
    numbers: dict[str, Any]


class QualityInfo(BaseModel):
    """A window's quality, on the labels that have arrived; a metric that the task does not have is null."""

    window_start: Moment
    predictions: int
    labelled: int
    coverage: float
    accuracy: float | None
    auc: float | None
    log_loss: float | None
    brier: float | None
    brier_skill: float | None
    mae: float | None
    rmse: float | None
    bias: float | None


class ReignInfo(BaseModel):
    """A champion: since when, by whom, by which action, and why."""

    version: str
    since: Moment
    actor: str
    action: str
    reason: str


class EndpointDetails(EndpointInfo):
    """An endpoint with what is known of its champion; null where nothing is, or while its store is away."""

    version: str | None = Field(description="the champion's")
    output: str | None = Field(description="what its answers are: probabilities, scores, labels or unknown")
    way: WayInfo | None
    evaluation: EvaluationInfo | None
    quality: QualityInfo | None = Field(description="of its newest window with labels")
    champions: list[ReignInfo] | None = Field(description="the last 20, newest first")


class ExampleBody(BaseModel):
    """A body that the champion takes: a row of its own input example, or one made up from its signature."""

    dataframe_records: list[dict[str, bool | int | float | str]]


class Latency(BaseModel):
    """Percentiles in milliseconds; null without a request."""

    p50: float | None
    p95: float | None
    p99: float | None


class LiveSummary(BaseModel):
    """What all workers have answered in the last seconds."""

    window_seconds: int
    requests: int
    predictions: int
    client_errors: int
    server_errors: int
    error_rate: float | None
    requests_per_second: float
    latency_ms: Latency


class LabelsTaken(BaseModel):
    """How many labels were taken."""

    accepted: int


class FeedbackTaken(BaseModel):
    """Feedback by its content's id: the same again is recorded once."""

    feedback_id: str
    status: Literal["recorded", "already recorded"]


class Live(BaseModel):
    """The process answers."""

    status: Literal["live"]


class Readiness(BaseModel):
    """Whether this worker can answer and capture."""

    status: Literal["ready", "not ready"]


class HealthReport(BaseModel):
    """Every check; one that fails makes it degraded."""

    status: Literal["healthy", "degraded"]
    worker: str
    checks: dict[str, dict[str, Any]]


class KeyInfo(BaseModel):
    """A key, without its text: that is shown once, when it is made."""

    key_id: str
    name: str
    mode: Mode
    roles: list[Role]
    endpoints: list[str] | None = Field(description="null for all endpoints")
    status: Literal["active", "expired", "revoked"]
    created_at: Moment
    created_by: str
    expires_at: Moment | None
    revoked_at: Moment | None
    replaces: str | None = Field(description="the key that it was made for by rotation")


class NewKey(KeyInfo):
    """A key just made, with its text."""

    key: str = Field(description="shown this once; keep it")


class Answer(BaseModel):
    """Predictions, one a row, in whatever form the model gives them."""

    predictions: list[Any]
    request_id: str = Field(description="with a dash and the row's index it is the prediction's id")
    model_version: str
    variant: str


class Tensor(BaseModel):
    """A tensor of the Open Inference Protocol V2."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any]


class InferAnswer(BaseModel):
    """Predictions as the Open Inference Protocol V2 has them."""

    model_name: str
    model_version: str
    id: str
    parameters: dict[str, Any]
    outputs: list[Tensor]
