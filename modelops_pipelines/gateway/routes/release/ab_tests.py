"""Routes on A/B tests: two versions that both answer callers until a person decides."""

from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr

from modelops_pipelines.gateway.http.guarded_router import CallerOf, EndpointName, Router
from modelops_pipelines.gateway.http.refused_versions import telling_why
from modelops_pipelines.gateway.http.response_models import Moment
from modelops_pipelines.gateway.routes.releases import (
    ChangeInfo,
    Limit,
    Reason,
    ReasonMessage,
    Version,
    described,
    require_admin,
)
from modelops_pipelines.gateway.worker.state_follower import Serving
from modelops_pipelines.store.state.release.trials import Experiment
from modelops_pipelines.store.stores import Stores

_TESTS = "/endpoints/{endpoint}/ab-tests"
_TEST = f"{_TESTS}/{{name}}"
NewName = Annotated[StrictStr, Field(pattern="^[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}$", examples=["bolder"])]
TestName = Annotated[str, Path(max_length=100, description="the test's name")]


class AbTestMessage(BaseModel):
    """The version to compare with the champion, and what the test promises."""

    model_config = ConfigDict(extra="forbid")
    version: Version
    name: NewName = Field(description="no test of the project may have had it")
    share: int = Field(50, ge=1, le=99, strict=True, description="of the callers that the version answers, in percent")
    error_rate: float = Field(
        0.05, gt=0, lt=1, strict=True, description="probability of ever finding a difference between equal versions"
    )
    planned: int = Field(
        10_000, ge=1, le=10**9, strict=True, description="labelled callers at which the interval is narrowest"
    )
    reason: Reason = ""


class AbTestEndMessage(ReasonMessage):
    """The decision: the challenger becomes the champion, or the champion stays."""

    decision: Literal["promote", "keep"]
    force: StrictBool = Field(
        default=False,
        description="promote without a significant result or a passed gate; requires 'reason' and the role admin",
    )


class AbTestInfo(BaseModel):
    """An A/B test."""

    name: str
    champion: str
    challenger: str
    share: int = Field(description="of the callers that the challenger answers, in percent")
    error_rate: float
    planned: int
    actor: str = Field(description="who started it")
    reason: str = Field(description="why it was started")
    started_at: Moment
    ended_at: Moment | None = Field(description="null while it runs")
    decision: str | None = Field(description="promote, keep, rolled back or overtaken; null while it runs")


class Sides(BaseModel):
    """A count of each side."""

    challenger: int
    champion: int


class Losses(BaseModel):
    """The mean loss per labelled answer of each side; null without one."""

    challenger: float | None
    champion: float | None


class AbTestResult(BaseModel):
    """The result so far, of the labels that have arrived. It may be read as often as one likes."""

    verdict: Literal["challenger better", "challenger worse", "undecided"]
    reason: str
    requests: Sides
    errors: Sides
    labelled: Sides
    loss: Losses = Field(description="log-loss, share of wrong answers, or squared error")
    difference: float | None = Field(description="challenger minus champion; null while there are too few labels")
    lower: float | None = Field(description="of the interval of the difference, which holds at every look")
    upper: float | None


class AbTestDetails(AbTestInfo):
    """An A/B test with its result so far."""

    result: AbTestResult


def add_ab_test_routes(router: Router, serving: Serving, stores: Stores) -> None:
    """Add the routes."""
    _add_reading_routes(router, serving, stores)
    _add_deciding_routes(router, serving, stores)


def _add_reading_routes(router: Router, serving: Serving, stores: Stores) -> None:
    @router.get(_TESTS, role="read", response_model=list[AbTestInfo])
    def list_ab_tests(endpoint: EndpointName, limit: Limit = 100) -> list[dict[str, Any]]:
        """List the endpoint's A/B tests, newest first, without their results."""
        found = stores.trials.experiments(serving.endpoint(endpoint).spec.name)[-limit:]
        return [_about(experiment) for experiment in reversed(found)]

    @router.get(_TEST, role="read", response_model=AbTestDetails)
    def show_ab_test(endpoint: EndpointName, name: TestName) -> dict[str, Any]:
        """Show an A/B test with its result so far. Its error rate holds however often you look."""
        from modelops_pipelines.operations.release.trials.ab_tests import experiment_named, result_of

        spec = serving.endpoint(endpoint).spec
        experiment = experiment_named(stores, spec, name)
        return {**_about(experiment), "result": result_of(stores, spec, experiment).describe()}


def _add_deciding_routes(router: Router, serving: Serving, stores: Stores) -> None:
    @router.post(_TESTS, role="operate", response_model=ChangeInfo, error_statuses=(409,))
    def start_ab_test(endpoint: EndpointName, caller: CallerOf, message: AbTestMessage) -> dict[str, Any]:
        """Start an A/B test: the version answers a share of the callers until the test ends.

        Started again under the same name, it is the same test.
        """
        from modelops_pipelines.operations.release.trials.ab_tests import Terms, start_experiment

        with telling_why():
            change = start_experiment(
                stores,
                serving.endpoint(endpoint).spec,
                message.version,
                name=message.name,
                share=message.share,
                terms=Terms(message.error_rate, message.planned),
                actor=caller.name,
                reason=message.reason,
            )
        return described(change)

    @router.post(f"{_TEST}/end", role="operate", response_model=ChangeInfo, error_statuses=(409,))
    def end_ab_test(
        endpoint: EndpointName, name: TestName, caller: CallerOf, message: AbTestEndMessage
    ) -> dict[str, Any]:
        """End the test: promote the challenger, which needs a passed gate too, or keep the champion."""
        from modelops_pipelines.operations.release.trials.ab_tests import end_experiment

        require_admin(caller, endpoint, force=message.force)
        with telling_why():
            change = end_experiment(
                stores,
                serving.endpoint(endpoint).spec,
                message.decision,
                name=name,
                actor=caller.name,
                reason=message.reason,
                force=message.force,
            )
        return described(change)


def _about(experiment: Experiment) -> dict[str, Any]:
    return {**vars(experiment), **experiment.settings, "name": experiment.experiment_id}
