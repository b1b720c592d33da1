"""The FastAPI application of all routes but predictions: endpoints, logs, labels, releases, keys, health, docs."""

import re
import time
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi import Path as PathParameter
from fastapi.responses import FileResponse
from pydantic.config import JsonDict

from modelops_pipelines.core.access.api_keys import KEY_HEADER
from modelops_pipelines.core.errors import InputError, UnknownError
from modelops_pipelines.gateway.access.keyring import Keyring
from modelops_pipelines.gateway.http.error_handlers import add_error_handlers
from modelops_pipelines.gateway.http.guarded_router import PUBLIC, CallerOf, EndpointName, Router, declared_roles
from modelops_pipelines.gateway.http.request_models import FeedbackMessage, LabelsMessage
from modelops_pipelines.gateway.http.response_models import (
    EndpointDetails,
    EndpointInfo,
    EndpointReadiness,
    ErrorBody,
    ExampleBody,
    FeedbackRecorded,
    HealthReport,
    LabelsAccepted,
    Liveness,
    LiveSummary,
    Readiness,
)
from modelops_pipelines.gateway.routes.alerting.alerts import add_alert_routes
from modelops_pipelines.gateway.routes.alerting.dead_letters import add_dead_letter_routes
from modelops_pipelines.gateway.routes.alerting.objectives import add_objective_routes
from modelops_pipelines.gateway.routes.alerting.rules import add_rule_routes
from modelops_pipelines.gateway.routes.alerting.silences import add_silence_routes
from modelops_pipelines.gateway.routes.api_keys import add_key_routes
from modelops_pipelines.gateway.routes.checklists import add_checklist_routes
from modelops_pipelines.gateway.routes.docs import add_docs_routes
from modelops_pipelines.gateway.routes.endpoints import details, endpoint_entries, example
from modelops_pipelines.gateway.routes.evaluations import add_evaluation_routes
from modelops_pipelines.gateway.routes.foreign_log import ForeignLog, add_foreign_log_routes
from modelops_pipelines.gateway.routes.health import READY, Health
from modelops_pipelines.gateway.routes.improve.feedback import add_feedback_routes
from modelops_pipelines.gateway.routes.improve.lineage import add_lineage_routes
from modelops_pipelines.gateway.routes.improve.responses import Responses
from modelops_pipelines.gateway.routes.improve.review import add_review_routes
from modelops_pipelines.gateway.routes.improve.training_sets import add_training_set_routes
from modelops_pipelines.gateway.routes.logs import add_log_routes
from modelops_pipelines.gateway.routes.onboarding import add_onboarding_routes
from modelops_pipelines.gateway.routes.overview import add_overview_routes
from modelops_pipelines.gateway.routes.predictions_openapi import add_prediction_docs
from modelops_pipelines.gateway.routes.release.ab_tests import add_ab_test_routes
from modelops_pipelines.gateway.routes.release.trials import add_trial_routes
from modelops_pipelines.gateway.routes.release.versions import add_version_routes
from modelops_pipelines.gateway.routes.releases import add_release_routes
from modelops_pipelines.gateway.routes.windows import add_window_routes
from modelops_pipelines.gateway.worker.live_metrics import KEEP_SECONDS
from modelops_pipelines.gateway.worker.state_follower import Serving
from modelops_pipelines.store.stores import Stores

OK, UNAVAILABLE = 200, 503
_WINDOW = re.compile(r"([1-9]\d{0,3})(s|m|h)")
HEALTH_PAGE = "health.html"
_REPORT = re.compile(rf"drift-[0-9T-]{{10,20}}\.html|{re.escape(HEALTH_PAGE)}")
_WINDOWS: JsonDict = {"pattern": "^(([1-9]|[1-5][0-9]|60)m|[1-9][0-9]{0,2}s|1h)$", "examples": ["30s", "5m"]}
_UNITS = {"s": 1, "m": 60, "h": 3600}
_ENDPOINT = "/endpoints/{endpoint}"
ExampleRow = Annotated[int, Query(ge=0, le=10**6, description="which row, from 0; after the last comes the first")]
OneEndpoint = Annotated[str | None, Query(max_length=100, description="an endpoint's name: ready for this one?")]


def make_application(
    stores: Stores, serving: Serving, keyring: Keyring, responses: Responses, foreign: ForeignLog, health: Health
) -> FastAPI:
    """Return the application with all routes and their roles; it documents the prediction routes as well."""
    title, release = "modelops gateway", version("modelops_pipelines")
    app = FastAPI(title=title, version=release, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    router = Router(app, keyring)
    add_error_handlers(app)
    _add_endpoint_routes(router, serving, stores)
    add_onboarding_routes(router, serving, stores)
    add_overview_routes(router, serving, stores)
    add_objective_routes(router, serving, stores)
    add_window_routes(router, serving, stores)
    add_log_routes(router, serving, stores)
    add_foreign_log_routes(router, serving, foreign)
    add_prediction_docs(router)
    _add_response_routes(router, serving, responses)
    add_feedback_routes(router, serving, stores)
    add_review_routes(router, serving, stores)
    add_release_routes(router, serving, stores)
    add_trial_routes(router, serving, stores)
    add_ab_test_routes(router, serving, stores)
    add_version_routes(router, serving, stores)
    add_evaluation_routes(router, serving, stores)
    add_checklist_routes(router, serving, stores)
    add_lineage_routes(router, serving, stores)
    add_training_set_routes(router, serving, stores)
    add_alert_routes(router, stores)
    add_rule_routes(router, serving, stores)
    add_silence_routes(router, stores)
    add_dead_letter_routes(router, stores)
    add_key_routes(router, stores, keyring)
    _add_health_routes(router, health, keyring)
    add_docs_routes(router, app)
    declared_roles(app)
    return app


def _add_endpoint_routes(router: Router, serving: Serving, stores: Stores) -> None:
    @router.get("/endpoints", role="read", filters_endpoints=True, response_model=list[EndpointInfo])
    def list_endpoints(caller: CallerOf) -> list[dict[str, Any]]:
        """List the endpoints in the key's scope, with the variants that each serves."""
        return endpoint_entries(serving, stores, caller)

    @router.get(_ENDPOINT, role="read", response_model=EndpointDetails)
    def show_endpoint(endpoint: EndpointName, caller: CallerOf) -> dict[str, Any]:
        """Show one endpoint: its variants and shares, the champion's signature and quality, and past champions."""
        return details(serving, stores, endpoint, caller)

    @router.get(f"{_ENDPOINT}/example", role="read", response_model=ExampleBody, response_model_exclude_unset=True)
    def show_example(endpoint: EndpointName, row: ExampleRow = 0) -> dict[str, Any]:
        """Return an example request body for the endpoint, with one row of its model's input example."""
        return example(serving.endpoint(endpoint), row)

    @router.get(f"{_ENDPOINT}/metrics", role="read", response_model=LiveSummary)
    def live_metrics(
        endpoint: EndpointName, window: Annotated[str, Query(json_schema_extra=_WINDOWS)] = "5m"
    ) -> dict[str, Any]:
        """Return live metrics of all gateway workers: requests, errors and latency of the last ``window``, up to 1h."""
        return serving.live(endpoint, time.time(), _seconds(window))

    page = {200: {"description": "The report", "content": {"text/html": {"schema": {"type": "string"}}}}}

    @router.get(f"{_ENDPOINT}/reports/{{name}}", role="read", response_class=FileResponse, responses=page)
    def show_report(endpoint: EndpointName, name: Annotated[str, PathParameter(max_length=100)]) -> FileResponse:
        """Show a drift or health report."""
        path = stores.settings.reports / serving.endpoint(endpoint).spec.name / name
        if not _REPORT.fullmatch(name) or not path.is_file():
            made_by = f"modelops report {endpoint}" if name == HEALTH_PAGE else "the asset 'drift_report'"
            raise UnknownError(f"Endpoint {endpoint!r} has no report {name[:80]!r}", f"Make it first, with {made_by}")
        return FileResponse(path, media_type="text/html")


def _add_response_routes(router: Router, serving: Serving, responses: Responses) -> None:
    @router.post(
        f"{_ENDPOINT}/labels",
        role="predict",
        status_code=202,
        response_model=LabelsAccepted,
        response_model_exclude_unset=True,
    )
    async def add_labels(endpoint: EndpointName, message: LabelsMessage, caller: CallerOf) -> dict[str, Any]:
        """Send labels: the true outcomes of predictions, named by their id, the caller's own id, or entity and time."""
        return await responses.write_labels(serving.endpoint(endpoint), message, caller.key_id)

    @router.post(f"{_ENDPOINT}/feedback", role="feedback", status_code=202, response_model=FeedbackRecorded)
    async def add_feedback(endpoint: EndpointName, message: FeedbackMessage, caller: CallerOf) -> dict[str, Any]:
        """Send a person's feedback on a prediction: rating, thumbs, comment, corrected label or categories."""
        responses.public.count(caller)
        return await responses.write_feedback(serving.endpoint(endpoint), message, caller.key_id)


def _add_health_routes(router: Router, health: Health, keyring: Keyring) -> None:
    @router.get("/health/live", role=PUBLIC, response_model=Liveness)
    async def live() -> dict[str, str]:
        """Return 200 while the process answers."""
        return {"status": "live"}

    either = Readiness | EndpointReadiness

    unready: dict[int | str, dict[str, Any]] = {UNAVAILABLE: {"model": either}}

    @router.get("/health/ready", role=PUBLIC, response_model=either, responses=unready, error_statuses=(401, 404, 422))
    async def ready(request: Request, response: Response, endpoint: OneEndpoint = None) -> dict[str, Any]:
        """Return 200 when this worker can answer and capture, and has loaded what fits into its memory, else 503.

        It waits for loads 15 s at most, for pinned endpoints longer. ``not_loaded`` counts the active endpoints that it
        cannot load, ``not_resident`` those that load at their first request; ``/health`` names them. With ``endpoint``:
        200 when a request to it would be answered, at once or after its load; 404 for an unknown one. Once keys exist
        this needs a key that may read the endpoint or predict with it, for it tells which endpoints there are.
        """
        if endpoint is not None:
            caller = keyring.authenticate(request.headers.get(KEY_HEADER), datetime.now(UTC))
            caller.require("predict" if "predict" in caller.permitted else "read", endpoint)
        found = health.readiness() if endpoint is None else health.readiness_of(endpoint)
        response.status_code = OK if found["status"] == READY else UNAVAILABLE
        return found

    responses: dict[int | str, dict[str, Any]] = {UNAVAILABLE: {"model": HealthReport | ErrorBody}}

    @router.get("/health", role="read", response_model=HealthReport, responses=responses)
    def report(response: Response) -> dict[str, Any]:
        """Return every health check with its numbers; 503 when one fails."""
        checked = health.report()
        response.status_code = OK if checked["status"] == "healthy" else UNAVAILABLE
        return checked


def _seconds(window: str) -> int:
    match = _WINDOW.fullmatch(window)
    seconds = int(match[1]) * _UNITS[match[2]] if match else 0
    if not 0 < seconds <= KEEP_SECONDS:
        raise InputError(f"The window {window[:20]!r} is not a duration up to 60m", "Use for example 30s, 5m or 1h")
    return seconds
