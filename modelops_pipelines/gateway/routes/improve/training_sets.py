"""Routes on training sets: what each was made of. Building one reads the whole log: a command, and an asset."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Path as PathParameter
from pydantic import BaseModel, Field

from modelops_pipelines.gateway.http.guarded_router import EndpointName, Router
from modelops_pipelines.gateway.routes.releases import Limit
from modelops_pipelines.gateway.worker.state_follower import Serving
from modelops_pipelines.store.stores import Stores

_SETS = "/endpoints/{endpoint}/training-sets"
ContentHash = Annotated[
    str, PathParameter(pattern="^[0-9a-f]{6,64}$", description="its content hash, or the beginning")
]


class TrainingSetInfo(BaseModel):
    """A training set. Numbers are null for a set that release 0.3 or an earlier one has built."""

    content_hash: str = Field(description="SHA-256 of its rows in order")
    at: datetime = Field(description="when it was built first")
    as_of: datetime | None = Field(description="only what was known by then is in it; null: all that was known")
    rows: int
    provided: int | None = Field(description="rows of the first frame")
    left_out: int | None = Field(description="input rows that are not in it")


class TrainingSetDetails(TrainingSetInfo):
    """A training set with what it was made of."""

    base_hash: str | None = Field(description="the set whose provided rows it has")
    labels_seen: int
    watermark: datetime | None = Field(description="latest event time when it was built")
    frozen: bool = Field(description="whether its rows are kept; false: past its retention")
    versions: list[str] = Field(description="versions that were trained on it")
    checks: list[dict[str, Any]] = Field(description="the guards' verdicts; empty before a retraining judged it")
    manifest: dict[str, Any] | None = Field(description="tables' versions, hashes of code and YAML, policy, counts")
    origins: str = Field(description="where its rows came from, as recorded: unchanged, changed, or not recorded")
    erasures: list[dict[str, Any]] = Field(description="erasures of users whose rows it holds")


def add_training_set_routes(router: Router, serving: Serving, stores: Stores) -> None:
    """Add the routes."""

    @router.get(_SETS, role="read", response_model=list[TrainingSetInfo])
    def list_training_sets(endpoint: EndpointName, limit: Limit = 100) -> list[dict[str, Any]]:
        """List the endpoint's training sets, newest first."""
        from modelops_pipelines.operations.improve.training.descriptions import summary

        known = stores.training_sets.of(serving.endpoint(endpoint).spec.name)
        return [summary(one) for one in reversed(known[-limit:])]

    @router.get(f"{_SETS}/{{content_hash}}", role="read", response_model=TrainingSetDetails)
    def show_training_set(endpoint: EndpointName, content_hash: ContentHash) -> dict[str, Any]:
        """Show a training set: how many rows came from where, why others were left out, and by which rules."""
        from modelops_pipelines.operations.improve.training.descriptions import (
            describe_training_set,
            training_set_named,
        )

        spec = serving.endpoint(endpoint).spec
        return describe_training_set(stores, spec, training_set_named(stores, spec.name, content_hash))
