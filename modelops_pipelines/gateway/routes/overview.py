"""The route of all endpoints at a glance."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from modelops_pipelines.gateway.http.guarded_router import CallerOf, Router
from modelops_pipelines.gateway.http.response_models import VariantInfo
from modelops_pipelines.gateway.worker.state_follower import Serving
from modelops_pipelines.operations.reports.overview import overview
from modelops_pipelines.store.stores import Stores


class SummaryHealth(BaseModel):
    """The health score when the summary was made."""

    score: float | None
    reason: str
    limited_by: str | None


class SummaryTraffic(BaseModel):
    """The traffic of the last 24 hours when the summary was made."""

    requests: int
    server_errors: int
    p95_ms: float | None
    hours: list[tuple[int, int]] = Field(description="requests and server errors hour by hour, oldest first")
    until: str = Field(description="the end of the last of these hours")


class SummaryQuality(BaseModel):
    """One metric of the newest window that has it."""

    metric: str
    value: float
    window: str
    version: str
    rows: int = Field(description="labelled rows; for an estimate, predictions")


class SummaryDrift(BaseModel):
    """The verdicts on the newest window."""

    drifted: int
    judged: int
    worst: list[str] = Field(description="the most important of the drifted columns")
    window: str


class SummaryInfo(BaseModel):
    """What the newest monitoring run found; a part without data is null."""

    health: SummaryHealth
    traffic: SummaryTraffic
    quality: SummaryQuality | None
    estimated: SummaryQuality | None
    drift: SummaryDrift | None


class WorstAlert(BaseModel):
    """The gravest alert that nobody looks after."""

    id: int
    rule: str
    severity: str
    message: str


class OverviewRow(BaseModel):
    """An endpoint at a glance."""

    name: str
    task: str
    description: str
    owners: list[str]
    tags: list[str]
    platform: Literal["here", "elsewhere"]
    status: Literal["new", "active", "failed", "stopped", "deleted", "elsewhere"]
    problem: str | None = Field(description="why this worker cannot serve it; null if it can")
    champion: str | None
    since: str | None = Field(description="when the present state began")
    trials: list[VariantInfo] = Field(description="versions on trial and in shadow")
    open_alerts: int = Field(description="alerts that nobody looks after")
    acknowledged_alerts: int
    worst_alert: WorstAlert | None
    waiting_reviews: int = Field(description="predictions that wait for a person's label")
    summary: SummaryInfo | None = Field(description="null until a monitoring run has measured it")
    measured_at: str | None


def add_overview_routes(router: Router, serving: Serving, stores: Stores) -> None:
    """Add the route."""

    @router.get("/overview", role="read", filters_endpoints=True, response_model=list[OverviewRow])
    def show_overview(caller: CallerOf) -> list[dict[str, Any]]:
        """Show every endpoint in the key's scope at a glance, those that need a person first."""
        return seen_by(serving, stores, caller)


def seen_by(serving: Serving, stores: Stores, caller: CallerOf) -> list[dict[str, Any]]:
    """Return the rows of the endpoints that the caller sees, with what this worker cannot serve."""
    specs = [served.spec for served in serving.endpoints() if caller.sees(served.spec.name)]
    failures = {spec.name: why for spec in specs if (why := serving.failure(spec.name)) is not None}
    return overview(stores, specs, failures)
