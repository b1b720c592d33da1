"""The OpenAPI declarations of the prediction routes. ``gateway.hot_path`` answers these routes itself."""

from typing import Annotated, Any

from fastapi import Query

from modelops_pipelines.core.errors import NotReadyError
from modelops_pipelines.gateway.http.guarded_router import EndpointName, Router
from modelops_pipelines.gateway.http.response_models import Answer, InferAnswer

_ROW = {"type": "object", "additionalProperties": True}
_ROWS = {"type": "array", "minItems": 1, "items": _ROW}
_COLUMNS = {"type": "object", "additionalProperties": True}
_UNNAMED = {"type": "array", "minItems": 1, "items": {}}
"""Rows of inputs that have no names."""
_SPLIT = {
    "type": "object",
    "required": ["columns", "data"],
    "properties": {
        "index": {"type": "array", "items": {}},
        "columns": {"type": "array", "items": {"type": "string"}},
        "data": {"type": "array", "minItems": 1, "items": {"type": "array", "items": {}}},
    },
}
_TENSOR = {
    "type": "object",
    "required": ["name", "shape", "datatype", "data"],
    "properties": {
        "name": {"type": "string"},
        "shape": {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 1}},
        "datatype": {"type": "string"},
        "data": {"type": "array", "items": {}},
    },
}
Explain = Annotated[
    bool,
    Query(description="also what each feature contributed; of endpoints with 'explain' in their YAML, at most 20 rows"),
]
_TEXT = {"type": "string", "maxLength": 200}


def add_prediction_docs(router: Router) -> None:
    """Declare the prediction routes: their role, request bodies and responses."""

    @router.post(
        "/endpoints/{endpoint}/invocations", role="predict", response_model=Answer, openapi_extra=_extra(_forms())
    )
    def predict(endpoint: EndpointName, *, explain: Explain = False) -> None:  # noqa: ARG001 - declared for the docs
        """Predict rows, sent in one of MLflow's four JSON forms or as CSV with a header line."""
        raise _unreachable(endpoint)

    @router.post(
        "/endpoints/{endpoint}/infer", role="predict", response_model=InferAnswer, openapi_extra=_extra(_tensors())
    )
    @router.post(
        "/v2/models/{endpoint}/infer", role="predict", response_model=InferAnswer, openapi_extra=_extra(_tensors())
    )
    def infer(endpoint: EndpointName) -> None:
        """Predict rows in the Open Inference Protocol V2: one tensor per feature, or one tensor of all features."""
        raise _unreachable(endpoint)


def _unreachable(endpoint: str) -> NotReadyError:
    return NotReadyError(
        f"This application does not serve predictions of {endpoint[:80]!r}", "Send the request to a modelops gateway"
    )


def _extra(content: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": content}, "parameters": _HEADERS}


def _forms() -> dict[str, Any]:
    forms = {
        "dataframe_records": _ROWS,
        "dataframe_split": _SPLIT,
        "inputs": {"anyOf": [_ROWS, _COLUMNS, _UNNAMED]},
        "instances": {"anyOf": [_ROWS, _COLUMNS, _UNNAMED]},
    }
    schemas = [_object({name: form, "params": _COLUMNS}, [name], title=name) for name, form in forms.items()]
    example = {"dataframe_records": [{"feature": 1.0}]}
    csv = {"schema": {"type": "string"}, "example": "feature\n1.0\n"}
    return {"application/json": {"schema": {"oneOf": schemas}, "example": example}, "text/csv": csv}


def _tensors() -> dict[str, Any]:
    properties = {
        "id": _TEXT,
        "parameters": _COLUMNS,
        "inputs": {"type": "array", "minItems": 1, "items": _TENSOR},
        "outputs": {"type": "array", "items": _COLUMNS},
    }
    tensor = {"name": "feature", "shape": [1], "datatype": "FP64", "data": [1.0]}
    return {"application/json": {"schema": _object(properties, ["inputs"]), "example": {"inputs": [tensor]}}}


def _object(properties: dict[str, Any], required: list[str], **more: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False, **more}


def _header(name: str, about: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "schema": _TEXT, "description": about}


_HEADERS = [
    _header("X-User-Id", "the user, for the log and rate limits; the same user gets the same variant"),
    _header("X-Session-Id", "the session, for the log; decides the variant if there is no user"),
    _header("X-Client-Request-Id", "the caller's own id for this request, kept in the log"),
    _header("X-Event-Time", "when the event happened, ISO 8601 with an offset; only with 'allow_replay: true'"),
    _header("X-Test-Call", "1, true or yes: logged as a test call, and left out of all metrics"),
]
