"""The route of recent logs: the newest requests of an endpoint with their predictions."""

from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import BaseModel, Field
from pydantic.config import JsonDict

from modelops_pipelines.core.capture.log_search import LIMIT, MOST_ROWS, SINCE, USER_LENGTH, LogSearch
from modelops_pipelines.gateway.http.guarded_router import EndpointName, Router
from modelops_pipelines.gateway.http.response_models import Moment
from modelops_pipelines.gateway.worker.state_follower import Serving
from modelops_pipelines.store.stores import Stores

_HOURS, _DAYS = "([1-9][0-9]?|[1-6][0-9]{2}|7[01][0-9]|720)h", "([1-9]|[12][0-9]|30)d"
_SINCE: JsonDict = {"pattern": f"^([1-9][0-9]{{0,3}}[sm]|{_HOURS}|{_DAYS})$", "examples": ["15m", "24h", "7d"]}
_REQUEST: JsonDict = {"pattern": "^[a-z2-7]{40}(-(0|[1-9][0-9]{0,4}))?$"}
Since = Annotated[str, Query(json_schema_extra=_SINCE, description="how far back by event time, up to 30d")]
User = Annotated[str, Query(max_length=USER_LENGTH, description="as callers send it in X-User-Id")]
RequestOrPrediction = Annotated[
    str, Query(json_schema_extra=_REQUEST, description="a request's or prediction's id, found at any age")
]
Feature = bool | int | float | str | Moment | None


class LogRow(BaseModel):
    """A row of the log, answered or failed, with the columns of the table ``inference_log``."""

    prediction_id: str
    request_id: str
    row_index: int
    event_time: Moment
    received_at: Moment
    model_version: str | None
    variant: str | None
    prediction: str | float | None
    score: float | None
    latency_ms: float | None
    status: int
    error_code: str | None
    user_id: str | None
    session_id: str | None
    client_request_id: str | None
    source: str
    key_id: str | None
    sampled: bool | None
    truncated: bool | None
    payload_hash: str | None
    request_params: str | None = Field(description="the request's parameters as JSON; null without any")
    cache_hit: bool | None = Field(
        description="whether the answer was kept from an equal request; null in rows of earlier releases"
    )
    features: dict[str, Feature] | None = Field(description="null when the features were not captured")


class RecentLogsAnswer(BaseModel):
    """Rows of the log, newest first. Rows received after ``ingested_up_to`` are from this host's spool."""

    endpoint: str
    since: Moment = Field(description="the earliest event time searched")
    ingested_up_to: Moment | None = Field(description="when the newest row in the lake was received")
    complete: bool = Field(description="false when the spool holds more rows than were searched")
    rows: list[LogRow]


def add_log_routes(router: Router, serving: Serving, stores: Stores) -> None:
    """Add the route. It requires the role operate, because it shows what callers sent."""

    @router.get("/endpoints/{endpoint}/logs", role="operate", response_model=RecentLogsAnswer)
    def logs(
        endpoint: EndpointName,
        limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = LIMIT,
        since: Since = SINCE,
        status: Literal["ok", "error"] | None = None,
        user: User | None = None,
        request_id: RequestOrPrediction | None = None,
    ) -> dict[str, Any]:
        """Return the newest rows of an endpoint's log with their features, newest first."""
        from modelops_pipelines.operations.capture.recent_logs import (
            recent_logs,  # imports DuckDB and Delta, which take long: on the first call
        )

        asked = LogSearch(limit, since, status, user, request_id)
        return {"endpoint": endpoint, **vars(recent_logs(stores, serving.endpoint(endpoint).spec, asked))}
