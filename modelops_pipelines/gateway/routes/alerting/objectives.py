"""Routes on an endpoint's objectives, with their error budgets, and on its health score."""

import time
from typing import Any, Literal

from pydantic import BaseModel, Field

from modelops_pipelines.gateway.http.guarded_router import EndpointName, Router
from modelops_pipelines.gateway.worker.live_metrics import KEEP_SECONDS
from modelops_pipelines.gateway.worker.state_follower import Serving
from modelops_pipelines.store.stores import Stores


class SloInfo(BaseModel):
    """An objective and its error budget. Numbers are null without events: the objective is absent then, not met."""

    slo: str
    objective: float = Field(description="the share of events that must be good")
    over_days: float
    events: int = Field(description="requests, or judged windows of quality, in the period")
    bad: int
    good: float | None = Field(description="share of good events")
    budget: float | None = Field(description="how many of the events may be bad")
    left: float | None = Field(description="share of the budget that is left; below 0 when it is overspent")
    burn_rate: float | None = Field(description="how many times as many events were bad as the objective allows")
    state: Literal["burns", "undecided", "clear", "absent"]
    gone_in: str | None = Field(description="when the budget is gone at the present rate, such as 9 h")
    reason: str | None = Field(description="why there are no numbers")


class PartInfo(BaseModel):
    """A part of the health score; ``points`` is null without evidence."""

    name: str
    points: float | None
    reason: str
    weight: float
    cap: float = Field(description="the most that the score can be when the part has no points")


class HealthScoreInfo(BaseModel):
    """An endpoint's health from 0 to 100; null, with the reason, when there is no evidence."""

    score: float | None
    reason: str
    limited_by: str | None = Field(description="the part that the score is limited by")
    parts: list[PartInfo]


def add_objective_routes(router: Router, serving: Serving, stores: Stores) -> None:
    """Add the routes."""

    @router.get("/endpoints/{endpoint}/slos", role="read", response_model=list[SloInfo])
    def list_slos(endpoint: EndpointName) -> list[dict[str, Any]]:
        """List the endpoint's objectives: what is left of each error budget, and whether it burns too fast."""
        from modelops_pipelines.operations.alerting.objectives.slos import describe_slo, slo_states

        spec = serving.endpoint(endpoint).spec
        seconds = serving.seconds(endpoint, time.time(), KEEP_SECONDS)
        return [describe_slo(one) for one in slo_states(stores, spec, stores.now(), seconds)]

    @router.get("/endpoints/{endpoint}/health-score", role="read", response_model=HealthScoreInfo)
    def show_health_score(endpoint: EndpointName) -> dict[str, Any]:
        """Return the endpoint's health from 0 to 100, with its parts and what they say."""
        from modelops_pipelines.operations.alerting.objectives.health_score import describe_health, health_score

        return describe_health(health_score(stores, serving.endpoint(endpoint).spec, stores.now()))
