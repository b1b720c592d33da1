"""The route that goes through a deployment's checklist, as ``modelops checklist`` does."""

from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, Field

from modelops_pipelines.core.release.checklist import Phase, State
from modelops_pipelines.gateway.http.guarded_router import EndpointName, Router
from modelops_pipelines.gateway.http.response_models import Moment
from modelops_pipelines.gateway.worker.state_follower import Serving
from modelops_pipelines.store.stores import Stores

_WANTED = Query(pattern="^[1-9][0-9]{0,8}$", description="the version to check; default: the newest deployment's")
WantedVersion = Annotated[str | None, _WANTED]


class ChecklistItem(BaseModel):
    """One item of a checklist, with its evidence."""

    phase: Phase
    name: str
    state: State = Field(description="unknown: it cannot be judged, and 'evidence' says why")
    evidence: str
    look: str = Field(description="the command that shows more, on the gateway's host")


class ChecklistInfo(BaseModel):
    """The checklist of a version of an endpoint, and how many of its items are in each state."""

    endpoint: str
    version: str
    role: str | None = Field(description="champion, challenger or shadow; null while the version is not deployed")
    since: Moment | None = Field(description="since when it has this role")
    at: Moment
    items: list[ChecklistItem]
    passed: int
    failed: int
    unknown: int


def add_checklist_routes(router: Router, serving: Serving, stores: Stores) -> None:
    """Add the route."""

    @router.get("/endpoints/{endpoint}/checklist", role="read", response_model=ChecklistInfo, error_statuses=(404, 409))
    def show_checklist(endpoint: EndpointName, version: WantedVersion = None) -> dict[str, Any]:
        """Check what should be so before, during and after a deployment, each item with its evidence.

        Without ``version`` it is that of the newest deployment. Nothing is changed, and no model is loaded.
        """
        from modelops_pipelines.operations.testing.checklist.checklist import deployment_checklist, describe_checklist

        return describe_checklist(deployment_checklist(stores, serving.endpoint(endpoint).spec, version))
