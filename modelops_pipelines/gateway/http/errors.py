"""ModelOpsError as HTTP: a status per error type, one JSON shape, and never the text of another exception."""

from typing import Any

from modelops_pipelines.core import errors
from modelops_pipelines.gateway.http.remedies import for_callers

STATUS: dict[type[errors.ModelOpsError], int] = {
    errors.MalformedError: 400,
    errors.MediaTypeError: 415,
    errors.TooLargeError: 413,
    errors.HeaderError: 431,
    errors.InputError: 422,
    errors.UnauthenticatedError: 401,
    errors.ForbiddenError: 403,
    errors.UnknownError: 404,
    errors.ConflictError: 409,
    errors.EvidenceError: 409,
    errors.PredictionError: 500,
    errors.LimitError: 429,
    errors.OverloadError: 503,
    errors.SlowRequestError: 408,
    errors.NotReadyError: 503,
    errors.CaptureError: 503,
    errors.StateError: 503,
    errors.TransientError: 503,
}
RETRY_AFTER_SECONDS = 1
UNAVAILABLE = 503
CHALLENGE = 'ApiKey realm="modelops", header="X-API-Key"'
STATE = errors.StateError("The gateway's state is not available", "Its log names the file and what to do")
INTERNAL = errors.ModelOpsError("The gateway failed on this request", "See the gateway's log for this request id")


def status_of(error: errors.ModelOpsError) -> int:
    """Return the HTTP status of an error: that of its type, else of the nearest base type, else 500."""
    for kind in type(error).__mro__:
        if kind in STATUS:
            return STATUS[kind]
    return 500


def code_of(error: errors.ModelOpsError) -> str:
    """Return the error's code: its type's name in snake case, without the suffix Error."""
    if error is INTERNAL:
        return "internal"
    name = type(error).__name__.removesuffix("Error")
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def body_of(error: errors.ModelOpsError, request_id: str | None) -> dict[str, Any]:
    """Return the JSON body of an error: ``{"error": {code, message, remedy, request_id}}``."""
    told = {"code": code_of(error), "message": error.message, "remedy": for_callers(error.remedy)}
    return {"error": {**told, "request_id": request_id}}


def headers_of(error: errors.ModelOpsError) -> dict[str, str]:
    """Return an error's headers: Retry-After for 429 and 503, WWW-Authenticate for 401, else none."""
    if isinstance(error, errors.UnauthenticatedError):
        return {"www-authenticate": CHALLENGE}
    if isinstance(error, errors.LimitError):
        return {"retry-after": str(error.retry_after)}
    return {"retry-after": str(RETRY_AFTER_SECONDS)} if status_of(error) == UNAVAILABLE else {}
