"""Errors of the client: the kinds of ``core.errors``, with the answer's status, code and request id.

::

    GatewayError
    ├── InvalidRequestError        400, 405, 413, 415, 422, 431
    ├── KeyRefusedError            401
    ├── NotPermittedError          403
    ├── NotFoundError              404
    ├── RefusedChangeError         409
    ├── LimitExceededError         429
    ├── FailedRequestError         500
    ├── GatewayUnavailableError    408, 503
    │   └── NoConnectionError      nothing answered; status is None
    └── UnreadableAnswerError      what answered is no gateway, or one of another release; status is None
"""

from collections.abc import Mapping
from typing import Any

from modelops_pipelines.core.errors import (
    ConflictError,
    ForbiddenError,
    InputError,
    LimitError,
    ModelOpsError,
    NotReadyError,
    PredictionError,
    UnauthenticatedError,
    UnknownError,
)


class GatewayError(ModelOpsError):
    """The gateway did not do what it was asked. ``message`` says what is wrong, ``remedy`` what to do."""

    def __init__(
        self,
        message: str,
        remedy: str,
        *,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        retry_after: int = 1,
    ) -> None:
        """``request_id`` is that of the log and of the gateway's own; ``retry_after`` is in seconds."""
        ModelOpsError.__init__(self, message, remedy)
        self.status, self.code, self.request_id, self.retry_after = status, code, request_id, retry_after

    def __reduce__(self) -> Any:
        """Let errors of other processes be raised in this one."""
        return _again, (type(self), (self.message, self.remedy), vars(self))


class InvalidRequestError(GatewayError, InputError):
    """A request that the gateway cannot take."""


class KeyRefusedError(GatewayError, UnauthenticatedError):
    """The API key is missing, unknown, expired or revoked."""


class NotPermittedError(GatewayError, ForbiddenError):
    """The key lacks the role or the scope."""


class NotFoundError(GatewayError, UnknownError):
    """No endpoint, version, prediction or other thing has this name."""


class RefusedChangeError(GatewayError, ConflictError):
    """The current state does not allow this change."""


class LimitExceededError(GatewayError, LimitError):
    """A rate limit is exceeded."""


class FailedRequestError(GatewayError, PredictionError):
    """The gateway or the model failed on this request."""


class GatewayUnavailableError(GatewayError, NotReadyError):
    """The gateway cannot answer this at the moment."""


class NoConnectionError(GatewayUnavailableError):
    """Nothing answered at the address, or the connection ended before the answer."""


class UnreadableAnswerError(GatewayError, NotReadyError):
    """What answered is no gateway, or one of another release."""


KINDS: Mapping[int, type[GatewayError]] = {
    401: KeyRefusedError,
    403: NotPermittedError,
    404: NotFoundError,
    408: GatewayUnavailableError,
    409: RefusedChangeError,
    429: LimitExceededError,
    500: FailedRequestError,
    503: GatewayUnavailableError,
}


def error_of(status: int, answer: Any, retry_after: int, url: str) -> GatewayError:
    """Return the error that an answer with this status and this JSON stands for; ``url`` is without any secret."""
    error = answer.get("error") if isinstance(answer, Mapping) else None
    if not isinstance(error, Mapping) or not {"message", "remedy"} <= set(error):
        return no_gateway(url)
    kind = KINDS.get(status, InvalidRequestError)
    code, request_id = error.get("code"), error.get("request_id")
    said = str(error["message"]), str(error["remedy"])
    return kind(*said, status=status, code=code, request_id=request_id, retry_after=retry_after)


def no_gateway(url: str) -> UnreadableAnswerError:
    """Return the error of an answer that no gateway gives."""
    return UnreadableAnswerError(
        f"There is no modelops gateway at {url}: another server answers there",
        "Set MODELOPS_URL to the gateway's address, or start the gateway: modelops up",
    )


def _again(kind: type[GatewayError], said: tuple[str, str], more: dict[str, Any]) -> GatewayError:
    error = kind(*said)
    vars(error).update(more)
    return error
