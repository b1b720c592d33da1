"""Turns every exception of a FastAPI route into the JSON error body; internal failures are also logged."""

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from modelops_pipelines.core import errors
from modelops_pipelines.core.errors import InputError, MalformedError, ModelOpsError, UnknownError
from modelops_pipelines.gateway.http.errors import INTERNAL, STATE, body_of, headers_of, status_of

BAD_REQUEST, NOT_FOUND, METHOD_NOT_ALLOWED = 400, 404, 405
BUSY = errors.BusyError("The gateway's state store is busy", "Try again in a moment")
REGISTRY = errors.RegistryError("The model registry does not answer", "Try again in a moment")
_FOR_CALLERS = (
    errors.InputError,
    errors.UnauthenticatedError,
    errors.ForbiddenError,
    errors.UnknownError,
    errors.ConflictError,
    errors.EvidenceError,
    errors.PredictionError,
    errors.CaptureError,
    errors.LimitError,
    errors.OverloadError,
    errors.SlowRequestError,
    errors.NotReadyError,
    errors.ProviderError,
)
_LOG = logging.getLogger("modelops.gateway")


def add_error_handlers(app: FastAPI) -> None:
    """Answer ModelOpsError, FastAPI's own errors and any other exception with the same JSON shape."""

    @app.exception_handler(ModelOpsError)
    async def _modelops_error(request: Request, error: ModelOpsError) -> JSONResponse:
        return _response(for_caller(error, request))

    @app.exception_handler(RequestValidationError)
    async def _validation_error(_: Request, error: RequestValidationError) -> JSONResponse:
        return _response(_as_input_error(error))

    @app.exception_handler(HTTPException)
    async def _http_error(request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == BAD_REQUEST:
            return _response(MalformedError("The body cannot be read", "Send JSON in UTF-8, see /docs"))
        if error.status_code not in (NOT_FOUND, METHOD_NOT_ALLOWED):
            return _response(INTERNAL)
        unknown = UnknownError(f"There is no route {request.method[:20]} {request.url.path[:200]}", "See /docs")
        allowed = _methods(app, request)
        headers = {"allow": ", ".join(allowed)} if allowed else None
        return JSONResponse(body_of(unknown, None), status_code=error.status_code, headers=headers)

    @app.exception_handler(Exception)
    async def _unexpected_error(_: Request, __: Exception) -> JSONResponse:
        return _response(INTERNAL)


def for_caller(error: ModelOpsError, request: Request) -> ModelOpsError:
    """Return what the caller may read; an error that may name internals (a path, a worker's exception) is logged."""
    if isinstance(error, _FOR_CALLERS):
        return error
    _LOG.error("%s failed: %s", getattr(request.scope.get("route"), "path", "a route"), error)
    if isinstance(error, errors.AcknowledgementError):
        return errors.AcknowledgementError(error.message.partition(": ")[0], error.remedy)
    if isinstance(error, errors.StateError):
        return STATE
    if isinstance(error, errors.RegistryError):
        return REGISTRY
    return BUSY if isinstance(error, errors.TransientError) else INTERNAL


def _methods(app: FastAPI, request: Request) -> list[str]:
    """Return the methods that the routes at this path accept."""
    found = [route for route in app.routes if route.matches(request.scope)[0] is not Match.NONE]
    return sorted({method for route in found for method in getattr(route, "methods", ())})


def _response(error: ModelOpsError) -> JSONResponse:
    return JSONResponse(body_of(error, None), status_code=status_of(error), headers=headers_of(error))


def _as_input_error(error: RequestValidationError) -> InputError:
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return MalformedError("The body is not valid JSON", "Send a JSON object, see /docs")
    where = ".".join(str(part) for part in first["loc"] if part != "body") or "the body"
    return InputError(f"{where}: {first['msg']}", "See /docs for the fields of this route")
