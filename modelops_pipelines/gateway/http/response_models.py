"""Response bodies of the routes, as the OpenAPI document shows them. Request bodies: ``request_models``."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, PlainSerializer

from modelops_pipelines.core.access.api_keys import Mode, Role
from modelops_pipelines.core.windows import text

Moment = Annotated[datetime, PlainSerializer(text, return_type=str)]
_ERROR_DESCRIPTIONS = {
    400: "The body is not valid JSON, or is incomplete",
    401: "The API key is missing, unknown, expired or revoked",
    403: "The key lacks the required role or scope, or the request comes from a foreign page",
    404: "Not found: the message names the missing endpoint, version, prediction, key or route",
    405: "Method not allowed; the header Allow lists the methods of this route",
    409: "The current state does not allow this change",
    408: "The request did not arrive in time",
    413: "The body is too large",
    415: "The route takes no body of this content type",
    422: "A field is invalid; the message names it",
    429: "Rate limit exceeded; try again after the seconds in the header Retry-After",
    500: "The gateway or the model failed on this request",
    503: "Temporarily unavailable; try again after the seconds in the header Retry-After",
}


class ErrorInfo(BaseModel):
    """An error with its remedy. The reference of errors lists the codes."""

    code: str
    message: str
    remedy: str
    request_id: str | None


class ErrorBody(BaseModel):
    """The body of every error response."""

    error: ErrorInfo


def error_responses(statuses: Iterable[int]) -> dict[int | str, dict[str, Any]]:
    """Return these error statuses as FastAPI's ``responses``, with the error body and a description."""
    return {status: {"model": ErrorBody, "description": _ERROR_DESCRIPTIONS[status]} for status in statuses}


class VariantInfo(BaseModel):
    """A model version that serves the endpoint, with its share of the traffic in percent."""

    version: str
    role: str
    share: int


class EndpointInfo(BaseModel):
    """An endpoint, its variants, and its champion's signature; null while no champion is loaded."""

    name: str
    model_name: str | None = Field(description="the registered model; null where others serve it")
    served: Literal["here", "elsewhere"] = Field(description="elsewhere: others make the predictions, and send them")
    task: str
    description: str
    generation: int
    status: Literal["new", "active", "failed", "stopped", "deleted", "elsewhere"]
    problem: str | None = Field(description="why this worker cannot serve it as it should; null if it can")
    variants: list[VariantInfo]
    resident: bool = Field(description="whether its versions are in this worker's memory; else a request loads them")
    inputs: dict[str, str] | None
    classes: list[str] | None = Field(description="in the order of the score columns; null while they are unknown")
    to_add: str | None = Field(description="what to add so that quality can be measured; null if nothing is missing")
    training_set: str | None
    registered_at: str | None


class PredictionPathInfo(BaseModel):
    """How the champion predicts: directly on an array or DataFrame, or through MLflow; and its batch size."""

    path: Literal["array", "frame", "mlflow"]
    merged_rows: int = Field(description="most rows of several requests in one batch; 0 if requests are never merged")
    probe_ms: float | None = Field(description="time for 96 rows at load; null if not measured")
    own_process: bool = Field(
        description="true for a version that can execute code: it answers in a process of its own"
    )
    isolation: dict[str, str] | None = Field(
        description="of a version with an environment of its own, what the system took from its process: 'network' is "
        "none or shared, 'files' read_only or writable, 'processes' own or shared; null without such an environment"
    )


class EvaluationInfo(BaseModel):
    """A verdict of the gate, with its numbers."""

    verdict: str
    champion: str | None = Field(description="the version that it was compared with")
    at: Moment
    numbers: dict[str, Any]


class QualityInfo(BaseModel):
    """Quality metrics of one window, from the labels received so far; metrics of other tasks are null."""

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


class ChampionInfo(BaseModel):
    """A champion: since when it served, who made it champion, by which action, and the reason."""

    version: str
    since: Moment
    actor: str
    action: str
    reason: str


class EndpointDetails(EndpointInfo):
    """An endpoint with details of its champion. A field is null without data, or while the store it is in is down."""

    version: str | None = Field(description="the champion's version")
    output: str | None = Field(description="the kind of its predictions: probabilities, scores, labels or unknown")
    trust: str | None
    way: PredictionPathInfo | None
    evaluation: EvaluationInfo | None = Field(description="the gate's newest verdict on the champion")
    quality: QualityInfo | None = Field(description="the champion's newest window that has labels")
    champions: list[ChampionInfo] | None = Field(description="the last 20 champions, newest first")


class ExampleBody(BaseModel):
    """An example request body: a row of the champion's input example, or one generated from its signature."""

    dataframe_records: list[dict[str, Any]] = Field(default=[], description="absent where the inputs have no names")
    inputs: list[Any] = Field(default=[], description="a row without names, where the inputs have none; else absent")
    params: dict[str, Any] | None = Field(default=None, description="the example's parameters, where it has any")


class Latency(BaseModel):
    """Latency percentiles in milliseconds; null if there was no request."""

    p50: float | None
    p95: float | None
    p99: float | None


class LiveSummary(BaseModel):
    """Live metrics of all workers over the last ``window_seconds``."""

    window_seconds: int
    requests: int
    predictions: int
    client_errors: int
    server_errors: int
    cache_hits: int = Field(description="requests that got the kept answer of an equal one")
    error_rate: float | None
    requests_per_second: float
    latency_ms: Latency


class LabelsAccepted(BaseModel):
    """How many labels were accepted."""

    accepted: int
    unchecked: str = Field("", description="why the labels were not checked against the model's classes; only if so")


class FeedbackRecorded(BaseModel):
    """The feedback's id, a hash of its content: the same feedback again is recorded once."""

    feedback_id: str
    status: Literal["recorded", "already recorded"]


class Liveness(BaseModel):
    """The process answers."""

    status: Literal["live"]


class Readiness(BaseModel):
    """Whether this worker can answer and capture."""

    status: Literal["ready", "not ready"]
    not_loaded: int = Field(description="active endpoints with a version that this worker cannot load")
    not_resident: int = Field(description="active endpoints whose versions are loaded at their first request")


class EndpointReadiness(BaseModel):
    """Whether this worker can answer for one endpoint, and capture."""

    status: Literal["ready", "not ready"]
    endpoint: str
    resident: bool = Field(description="whether it answers at once; else its first request waits for the load")


class HealthReport(BaseModel):
    """Every health check; the status is degraded when one fails."""

    status: Literal["healthy", "degraded"]
    worker: str
    checks: dict[str, dict[str, Any]]


class KeyInfo(BaseModel):
    """An API key without its secret text, which is shown only when the key is created."""

    key_id: str
    name: str
    mode: Mode
    roles: list[Role]
    endpoints: list[str] | None = Field(description="null for all endpoints, of a team's key for all of the team's")
    team: str | None = Field(description="the team whose endpoints the key reaches; null for none")
    status: Literal["active", "expired", "revoked"]
    created_at: Moment
    created_by: str
    expires_at: Moment | None
    revoked_at: Moment | None
    replaces: str | None = Field(description="the id of the key that this one replaced by rotation")


class NewKey(KeyInfo):
    """A new API key with its secret text."""

    key: str = Field(description="the secret text, shown only once: store it now")


class RowExplanation(BaseModel):
    """What each feature contributed to one row's prediction; all but 'reason' are null where there is none."""

    base_value: float | None
    value: float | None = Field(description="the explained value: base_value plus all contributions")
    contributions: dict[str, float] | None = Field(description="by feature")
    standard_errors: dict[str, float] | None = Field(description="of each contribution; null where they are exact")
    method: str | None = Field(description="tree, linear or permutation")
    scale: str | None = Field(description="probability or log-odds of the class, prediction, log or margin")
    class_name: str | None = Field(description="the class whose probability, log-odds or margin it is")
    reason: str | None = Field(description="why there is no explanation")


class Answer(BaseModel):
    """The model's predictions, one per row, as the model returned them."""

    predictions: list[Any]
    unanswered: list[int] = Field(
        [], description="rows, from 0, for which the model gave NaN or an infinite number: null; only if there are any"
    )
    request_id: str = Field(description="a prediction's id is this, a dash, and the row's index from 0")
    model_version: str
    variant: str
    explanations: list[RowExplanation] = Field([], description="one per row; only where explain=true asks for them")


class Tensor(BaseModel):
    """A tensor of the Open Inference Protocol V2."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any]


class InferAnswer(BaseModel):
    """Predictions in the form of the Open Inference Protocol V2."""

    model_name: str
    model_version: str
    id: str
    parameters: dict[str, Any]
    outputs: list[Tensor]
