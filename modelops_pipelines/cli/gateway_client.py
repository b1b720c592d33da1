"""Asking the running gateway. What it refuses becomes an error of ours, in its own words."""

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
_OURS = {401: f"Set {KEY_VARIABLE} to a key with the role predict: modelops key create NAME --role predict"}


@dataclass(frozen=True)
class Body:
    """What is sent, and as what."""

    content: bytes
    content_type: str = "application/json"


def ask(url: str, body: Body, headers: Mapping[str, str]) -> dict[str, Any]:
    """Post a body and return the answer; the key is the environment's, where there is one.

    Raises NotReadyError when no gateway answers, and the error that the gateway's own answer names.
    """
    key = os.environ.get(KEY_VARIABLE)
    given = {"Content-Type": body.content_type, **headers, **({"X-API-Key": key} if key else {})}
    request = urllib.request.Request(url, body.content, given)  # noqa: S310 - the project's own gateway
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=SECONDS) as response:
            return _read(response.read(), url)
    except urllib.error.HTTPError as error:
        raise _refused(error.code, _read(error.read(), url), url) from error
    except (OSError, ValueError) as error:  # the latter for a header that cannot be sent
        raise NotReadyError(f"No gateway answers at {url} ({_why(error)})", "Start it: modelops up") from error


def _read(content: bytes, url: str) -> dict[str, Any]:
    try:
        answer = json.loads(content)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise NotReadyError(f"What answers at {url} is no gateway", "Start ours, or correct MODELOPS_GATEWAY_PORT")
    return answer


def _refused(status: int, answer: Mapping[str, Any], url: str) -> ModelOpsError:
    told = answer.get("error")
    if not isinstance(told, dict) or not {"message", "remedy"} <= set(told):
        return NotReadyError(f"What answers at {url} is no gateway", "Start ours, or correct MODELOPS_GATEWAY_PORT")
    return _KINDS.get(status, InputError)(str(told["message"]), _OURS.get(status, str(told["remedy"])))


def _why(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    return str(getattr(reason, "strerror", None) or type(reason).__name__)
