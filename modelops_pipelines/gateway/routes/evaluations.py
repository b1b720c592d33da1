"""Routes that judge a version with the gate and list the recorded verdicts.

A version is judged in a process of its own, so that a worker loads neither a second model nor a query engine for it.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from modelops_pipelines.gateway.http.guarded_router import EndpointName, Router
from modelops_pipelines.gateway.http.refused_versions import telling_why
from modelops_pipelines.gateway.http.response_models import EvaluationInfo
from modelops_pipelines.gateway.routes.releases import Limit, Version
from modelops_pipelines.gateway.worker.state_follower import Serving
from modelops_pipelines.store.state.improve.gates import Gate
from modelops_pipelines.store.stores import Stores

_EVALUATIONS = "/endpoints/{endpoint}/evaluations"


class EvaluateMessage(BaseModel):
    """The version to judge."""

    model_config = ConfigDict(extra="forbid")
    version: Version


class VersionEvaluation(EvaluationInfo):
    """A verdict of the gate on a version."""

    version: str
    held: list[str] = Field(description="why a passed version waits for a person; empty when it does not")


def add_evaluation_routes(router: Router, serving: Serving, stores: Stores) -> None:
    """Add the routes."""

    @router.post(_EVALUATIONS, role="operate", response_model=VersionEvaluation, error_statuses=(409,))
    def evaluate(endpoint: EndpointName, message: EvaluateMessage) -> dict[str, Any]:
        """Judge any registered version against the champion; answered when the verdict is recorded, in minutes."""
        from modelops_pipelines.operations.improve.evaluation.process import evaluate_in_process

        with telling_why():
            return _describe(evaluate_in_process(stores, serving.endpoint(endpoint).spec, message.version))

    @router.get(_EVALUATIONS, role="read", response_model=list[VersionEvaluation])
    def list_evaluations(endpoint: EndpointName, limit: Limit = 100) -> list[dict[str, Any]]:
        """List the gate's recorded verdicts on the endpoint's versions, newest first."""
        return [_describe(gate) for gate in reversed(stores.gates.of(serving.endpoint(endpoint).spec.name)[-limit:])]


def _describe(gate: Gate) -> dict[str, Any]:
    from modelops_pipelines.core.evaluation.gate import held_reasons

    return {**vars(gate), "held": held_reasons(gate.numbers)}
