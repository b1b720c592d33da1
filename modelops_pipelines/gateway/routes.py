"""Everything but predictions: labels, feedback, information, live metrics, health, documentation. FastAPI."""

import re
import time
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from starlette.exceptions import HTTPException

from modelops_pipelines.core.errors import InputError, MalformedError, ModelOpsError, UnknownError
from modelops_pipelines.core.windows import text
from modelops_pipelines.gateway.capture import Capture
from modelops_pipelines.gateway.errors import INTERNAL, body_of, headers_of, status_of
from modelops_pipelines.gateway.live import KEEP_SECONDS
from modelops_pipelines.gateway.messages import FeedbackMessage, LabelsMessage
from modelops_pipelines.gateway.responses import Responses
from modelops_pipelines.gateway.serving import Served, Serving

STALE_SECONDS = 10.0
_WINDOW = re.compile(r"([1-9]\d{0,3})(s|m|h)")
_REPORT = re.compile(r"drift-[0-9T-]{10,20}\.html")
_UNITS = {"s": 1, "m": 60, "h": 3600}


def make_routes(serving: Serving, responses: Responses, capture: Capture, reports: Path) -> FastAPI:
    """Return the application of all routes that are not the hot path."""
    app = FastAPI(title="modelops gateway", docs_url="/docs", redoc_url=None)
    _add_errors(app)

    @app.get("/endpoints")
    def list_endpoints() -> list[dict[str, Any]]:
        """List the endpoints and what each serves."""
        return [describe(served) for served in serving.endpoints()]

    @app.get("/endpoints/{endpoint}")
    def show_endpoint(endpoint: str) -> dict[str, Any]:
        """Show one endpoint: versions, shares, and the features that its champion takes."""
        return describe(serving.endpoint(endpoint))

    @app.get("/endpoints/{endpoint}/metrics")
    def live_metrics(endpoint: str, window: str = "5m") -> dict[str, Any]:
        """Return what this worker has answered in the last minutes, for example ``window=5m``."""
        return serving.endpoint(endpoint).live.summary(time.time(), _seconds(window))

    @app.post("/endpoints/{endpoint}/labels", status_code=202)
    async def add_labels(endpoint: str, message: LabelsMessage) -> dict[str, Any]:
        """Say what turned out to be true of predictions."""
        return await responses.take_labels(serving.endpoint(endpoint), message)

    @app.post("/endpoints/{endpoint}/feedback", status_code=202)
    async def add_feedback(endpoint: str, message: FeedbackMessage) -> dict[str, Any]:
        """Say what you think of a prediction."""
        return await responses.take_feedback(serving.endpoint(endpoint), message)

    @app.get("/endpoints/{endpoint}/reports/{name}")
    def show_report(endpoint: str, name: str) -> FileResponse:
        """Show a drift report."""
        path = reports / serving.endpoint(endpoint).spec.name / name
        if not _REPORT.fullmatch(name) or not path.is_file():
            raise UnknownError(f"Endpoint {endpoint!r} has no report {name[:80]!r}", "Materialise 'drift_report' first")
        return FileResponse(path, media_type="text/html")

    _add_health(app, serving, capture)
    return app


def _add_health(app: FastAPI, serving: Serving, capture: Capture) -> None:
    @app.get("/health/live")
    def live() -> dict[str, str]:
        """Tell that the process answers."""
        return {"status": "live"}

    @app.get("/health/ready")
    def ready() -> JSONResponse:
        """Tell whether every deployed endpoint is loaded and the spool takes records."""
        return _health(serving, capture)

    @app.get("/health")
    def health() -> JSONResponse:
        """Show every check."""
        return _health(serving, capture)


def describe(served: Served) -> dict[str, Any]:
    """Return an endpoint as routes show it."""
    champion = served.loaded.get(served.state.champion or "")
    return {
        "name": served.spec.name,
        "model_name": served.spec.model_name,
        "task": served.spec.task,
        "description": served.spec.description,
        "generation": served.state.generation,
        "variants": [vars(variant) for variant in served.state.variants],
        "inputs": champion.version.inputs if champion else None,
        "classes": champion.version.classes if champion else None,
        "training_set": champion.version.training_set if champion else None,
        "registered_at": text(champion.version.registered_at) if champion else None,
    }


def _health(serving: Serving, capture: Capture) -> JSONResponse:
    age = serving.state_age(time.time())
    waiting = [served.spec.name for served in serving.endpoints() if not served.state.variants]
    checks: dict[str, dict[str, Any]] = {
        "state": {"ok": age is not None and age < STALE_SECONDS, "age_seconds": age},
        "capture": {"ok": capture.failed_at is None, "failed_at": capture.failed_at},
        "endpoints": {"ok": len(waiting) < len(serving.endpoints()), "not_deployed": waiting},
    }
    healthy = all(check["ok"] for check in checks.values())
    body = {"status": "healthy" if healthy else "degraded", "worker": serving.worker, "checks": checks}
    return JSONResponse(body, status_code=200 if healthy else 503)


def _seconds(window: str) -> int:
    match = _WINDOW.fullmatch(window)
    seconds = int(match[1]) * _UNITS[match[2]] if match else 0
    if not 0 < seconds <= KEEP_SECONDS:
        raise InputError(f"The window {window[:20]!r} is no time up to 60m", "Give for example 30s, 5m or 1h")
    return seconds


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(ModelOpsError)
    async def _ours(_: Request, error: ModelOpsError) -> JSONResponse:
        return _response(error)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        return _response(_as_input_error(error))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        unknown = UnknownError(f"There is no route {request.method} {request.url.path[:200]}", "See /docs")
        return JSONResponse(body_of(unknown, None), status_code=error.status_code)

    @app.exception_handler(Exception)
    async def _unforeseen(_: Request, __: Exception) -> JSONResponse:
        return _response(INTERNAL)


def _response(error: ModelOpsError) -> JSONResponse:
    status = status_of(error)
    return JSONResponse(body_of(error, None), status_code=status, headers=headers_of(status))


def _as_input_error(error: RequestValidationError) -> InputError:
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return MalformedError("The body is not valid JSON", "Send a JSON object, see /docs")
    where = ".".join(str(part) for part in first["loc"] if part != "body") or "the body"
    return InputError(f"{where}: {first['msg']}", "See /docs for the fields of this route")
