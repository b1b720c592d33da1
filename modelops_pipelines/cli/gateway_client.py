"""Calls to the running gateway. An error response becomes a ModelOpsError with the gateway's message and remedy."""

import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelops_pipelines.core.errors import (
    ForbiddenError,
    InputError,
    LimitError,
    ModelOpsError,
    NotReadyError,
    PredictionError,
    UnauthenticatedError,
    UnknownError,
)
from modelops_pipelines.operations.models.client_snippets import KEY_VARIABLE

SECONDS = 120
_KINDS: Mapping[int, type[ModelOpsError]] = {
    401: UnauthenticatedError,
    403: ForbiddenError,
    404: UnknownError,
    429: LimitError,
    500: PredictionError,
    503: NotReadyError,
}
_CLI_REMEDIES = {401: f"Set {KEY_VARIABLE} to a key with the role predict: modelops key create NAME --role predict"}


@dataclass(frozen=True)
class Body:
    """A request's body and its content type."""

    content: bytes
    content_type: str = "application/json"


def post(url: str, body: Body, headers: Mapping[str, str]) -> dict[str, Any]:
    """Post a body and return the response; sends the API key of the environment, if it is set.

    Raises NotReadyError when no gateway answers, and for an error response the error that its status stands for.
    """
    key = os.environ.get(KEY_VARIABLE)
    all_headers = {"Content-Type": body.content_type, **headers, **({"X-API-Key": key} if key else {})}
    request = urllib.request.Request(url, body.content, all_headers)  # noqa: S310 - the project's own gateway
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=SECONDS) as response:
            return _read(response.read(), url)
    except urllib.error.HTTPError as error:
        raise _error_from(error.code, _read(error.read(), url), url) from error
    except (OSError, ValueError) as error:  # ValueError: a header that cannot be sent
        raise NotReadyError(
            f"No gateway answers at {url} ({_reason(error)})", "Start the gateway: modelops up"
        ) from error


def _read(content: bytes, url: str) -> dict[str, Any]:
    try:
        answer = json.loads(content)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise _not_a_gateway(url)
    return answer


def _error_from(status: int, answer: Mapping[str, Any], url: str) -> ModelOpsError:
    error = answer.get("error")
    if not isinstance(error, dict) or not {"message", "remedy"} <= set(error):
        return _not_a_gateway(url)
    return _KINDS.get(status, InputError)(str(error["message"]), _CLI_REMEDIES.get(status, str(error["remedy"])))


def _not_a_gateway(url: str) -> NotReadyError:
    return NotReadyError(
        f"There is no modelops gateway at {url}: another server answers there",
        "Set MODELOPS_GATEWAY_PORT to the gateway's port, or start the gateway: modelops up",
    )


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    return str(getattr(reason, "strerror", None) or type(reason).__name__)
