"""Routes on versions on trial: the verdicts on them, and shadows, whose answers no caller sees."""

from typing import Any

from pydantic import BaseModel, Field

from modelops_pipelines.gateway.access.keyring import Caller
from modelops_pipelines.gateway.http.guarded_router import CallerOf, EndpointName, Router
from modelops_pipelines.gateway.http.refused_versions import telling_why
from modelops_pipelines.gateway.http.response_models import Moment
from modelops_pipelines.gateway.routes.releases import ChangeInfo, Limit, ReasonMessage, Version, described
from modelops_pipelines.gateway.worker.state_follower import Serving
from modelops_pipelines.store.stores import Stores

_TRIALS, _SHADOW = "/endpoints/{endpoint}/trials", "/endpoints/{endpoint}/shadow"


class TrialInfo(BaseModel):
    """A verdict on a version on trial, or on a new champion."""

    at: Moment
    version: str
    share: int = Field(description="of the traffic, in percent")
    generation: int = Field(description="of the endpoint's desired state")
    verdict: str
    reason: str | None
    numbers: dict[str, Any]


class ShadowMessage(ReasonMessage):
    """The version to make the shadow."""

    version: Version
    share: int = Field(100, ge=1, le=100, strict=True, description="of the requests that it answers, in percent")


class ShadowInfo(BaseModel):
    """The answers of a shadow beside those that callers received. A number without data is null."""

    version: str
    since: Moment
    until: Moment | None = Field(description="null while it is the shadow")
    compared: int = Field(description="rows that the shadow was asked")
    failed: int = Field(description="of them, rows on which the shadow failed")
    first_error: str | None = Field(
        description="the error of one of them; null without the role operate: it may quote a row"
    )
    agreement: float | None = Field(description="share of rows with the same prediction")
    score_difference: float | None = Field(description="mean absolute difference of the scores")
    prediction_difference: float | None = Field(description="mean absolute difference; regression only")
    milliseconds: float | None = Field(description="mean time per row of the shadow")
    live_milliseconds: float | None = Field(description="mean time per row of the champion, measured beside it")
    latency_ratio: float | None
    labelled: int = Field(description="rows with a label, on which the losses are")
    loss: float | None = Field(description="log-loss, share of wrong classes, or squared error")
    live_loss: float | None
    people: int = Field(description="users, sessions or requests among the labelled rows")
    loss_difference: float | None = Field(description="shadow minus live; below 0 the shadow is better")
    lower: float | None = Field(description="of the interval of the difference, which holds at every look")
    upper: float | None
    verdict: str
    reason: str | None = Field(description="why rows are in no comparison; null when all are")


def add_trial_routes(router: Router, serving: Serving, stores: Stores) -> None:
    """Add the routes."""

    @router.get(_TRIALS, role="read", response_model=list[TrialInfo])
    def list_trials(endpoint: EndpointName, limit: Limit = 100) -> list[dict[str, Any]]:
        """List the verdicts on versions on trial on the endpoint, newest first."""
        found = stores.trials.of(serving.endpoint(endpoint).spec.name)[-limit:]
        return [{**vars(trial), "reason": trial.numbers.get("reason")} for trial in reversed(found)]

    @router.get(_SHADOW, role="read", response_model=ShadowInfo, error_statuses=(409,))
    def show_shadow(endpoint: EndpointName, caller: CallerOf) -> dict[str, Any]:
        """Compare the answers of the endpoint's shadow, or of its last one, with those that callers received."""
        from modelops_pipelines.operations.release.trials.shadow import shadow_summary

        summary = {"prediction_difference": None, **shadow_summary(stores, serving.endpoint(endpoint).spec)}
        return shown_to(summary, caller)

    @router.post(_SHADOW, role="operate", response_model=ChangeInfo, error_statuses=(409,))
    def start_shadow(endpoint: EndpointName, caller: CallerOf, message: ShadowMessage) -> dict[str, Any]:
        """Have a version answer the logged requests from now on, unseen by callers. Replaces any earlier shadow."""
        from modelops_pipelines.operations.release.trials import shadow

        spec, who = serving.endpoint(endpoint).spec, {"actor": caller.name, "reason": message.reason}
        with telling_why():
            return described(shadow.start_shadow(stores, spec, message.version, share=message.share, **who))

    @router.post(f"{_SHADOW}/end", role="operate", response_model=ChangeInfo, error_statuses=(409,))
    def end_shadow(endpoint: EndpointName, caller: CallerOf, message: ReasonMessage | None = None) -> dict[str, Any]:
        """End the endpoint's shadow; its answers stay in the table shadow_log."""
        from modelops_pipelines.operations.release import commands as releases

        reason = (message or ReasonMessage()).reason
        return described(releases.end_shadow(stores, serving.endpoint(endpoint).spec, actor=caller.name, reason=reason))


def shown_to(summary: dict[str, Any], caller: Caller) -> dict[str, Any]:
    """Return the summary; without the shadow's error for callers who may not read the log: it may quote a row."""
    return summary if "operate" in caller.permitted else {**summary, "first_error": None}
