"""Routes that change what is live, and those that tell what was: all of them are the CLI's operations."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import Header, Query
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr

from modelops_pipelines.core.errors import InputError
from modelops_pipelines.core.release.deployment_states import Stage, Status
from modelops_pipelines.gateway.http.guarded_router import CallerOf, EndpointName, Router
from modelops_pipelines.gateway.http.response_models import Moment, VariantInfo
from modelops_pipelines.gateway.worker.state_follower import Serving
from modelops_pipelines.store.stores import Stores

MOST_ITEMS = 1000
_ENDPOINT = "/endpoints/{endpoint}"
Reason = Annotated[StrictStr, Field(max_length=1000)]
Version = Annotated[StrictStr, Field(pattern="^[1-9][0-9]{0,8}$", examples=["3"])]
Cursor = Annotated[str, Query(max_length=200, description="where the page before ended")]
Limit = Annotated[int, Query(ge=1, le=MOST_ITEMS)]
Key = Annotated[str, Header(alias="Idempotency-Key", max_length=100, pattern="^[A-Za-z0-9._-]+$")]


class Message(BaseModel):
    """Why."""

    model_config = ConfigDict(extra="forbid")
    reason: Reason = ""


class RollbackMessage(Message):
    """Why, and to which version: the champion before when left out."""

    to: Annotated[StrictStr, Field(max_length=100)] | None = None


class DeployMessage(Message):
    """Which version, with which share of the traffic in percent."""

    version: Version
    share: int = Field(100, ge=1, le=100)


class PromoteMessage(Message):
    """Which version; ``force`` goes without a passed gate and needs a reason."""

    version: Version
    force: StrictBool = False


class Changed(BaseModel):
    """What was done; ``changed`` is false where it was so already."""

    endpoint: str
    action: str
    from_version: str | None
    to_version: str
    share: int = Field(description="of the traffic, in percent")
    generation: int
    workers: int = Field(description="gateway workers that serve it now")
    seconds: float
    changed: bool
    deployment_id: str | None


class DeploymentInfo(BaseModel):
    """An attempt to put a version on an endpoint, and what came of it."""

    deployment_id: str
    requested_at: Moment
    endpoint: str
    version: str
    action: str
    share: int
    status: Status
    actor: str
    reason: str
    error: str | None


class DeploymentsPage(BaseModel):
    """Deployments, newest first, and the cursor of what follows; null at the end."""

    items: list[DeploymentInfo]
    next_cursor: str | None


class VersionInfo(BaseModel):
    """A version of the endpoint's model, as MLflow has it, and what it is here."""

    version: str
    registered_at: Moment
    training_set: str | None
    run_id: str | None
    description: str
    stage: Stage


class VersionsPage(BaseModel):
    """Versions, newest first, and the cursor of what follows; null at the end."""

    items: list[VersionInfo]
    next_cursor: str | None


class LiveThen(BaseModel):
    """What an endpoint served at a moment."""

    endpoint: str
    at: Moment
    generation: int
    status: Literal["active", "stopped", "deleted"]
    variants: list[VariantInfo]


def add_release_routes(router: Router, serving: Serving, stores: Stores) -> None:
    """Add the routes; a change is answered when every live worker serves it."""
    _add_changes(router, serving, stores)
    _add_lists(router, serving, stores)


def _add_changes(router: Router, serving: Serving, stores: Stores) -> None:
    @router.post(f"{_ENDPOINT}/deployments", role="operate", response_model=Changed, refuses=(409,))
    def deploy(
        endpoint: EndpointName, caller: CallerOf, message: DeployMessage, key: Key | None = None
    ) -> dict[str, Any]:
        """Put a version on the endpoint; under the same Idempotency-Key it happens once."""
        from modelops_pipelines.operations.release import commands as releases

        spec = serving.endpoint(endpoint).spec
        made = releases.deploy(
            stores, spec, message.version, share=message.share, key=key, actor=caller.name, reason=message.reason
        )
        return vars(made)

    @router.post(f"{_ENDPOINT}/promote", role="operate", response_model=Changed, refuses=(409,))
    def promote(endpoint: EndpointName, caller: CallerOf, message: PromoteMessage) -> dict[str, Any]:
        """Take a version a step further towards champion; needs a passed gate."""
        from modelops_pipelines.operations.release import commands as releases

        if message.force and not message.reason:
            raise InputError("'force' needs a reason: the history keeps it", "Add 'reason'")
        spec = serving.endpoint(endpoint).spec
        made = releases.promote(
            stores, spec, message.version, force=message.force, actor=caller.name, reason=message.reason
        )
        return vars(made)

    @router.post(f"{_ENDPOINT}/rollback", role="operate", response_model=Changed, refuses=(409,))
    def roll_back(endpoint: EndpointName, caller: CallerOf, message: RollbackMessage | None = None) -> dict[str, Any]:
        """Return to the champion before, or to an earlier one."""
        from modelops_pipelines.operations.release import commands as releases

        asked = message or RollbackMessage()
        spec = serving.endpoint(endpoint).spec
        return vars(releases.roll_back(stores, spec, actor=caller.name, reason=asked.reason, to=asked.to))

    @router.post(f"{_ENDPOINT}/stop", role="operate", response_model=Changed, refuses=(409,))
    def stop(endpoint: EndpointName, caller: CallerOf, message: Message | None = None) -> dict[str, Any]:
        """Have the endpoint refuse every prediction until it is started again."""
        from modelops_pipelines.operations.release import commands as releases

        spec = serving.endpoint(endpoint).spec
        return vars(releases.stop(stores, spec, actor=caller.name, reason=(message or Message()).reason))

    @router.post(f"{_ENDPOINT}/start", role="operate", response_model=Changed, refuses=(409,))
    def start(endpoint: EndpointName, caller: CallerOf, message: Message | None = None) -> dict[str, Any]:
        """Have a stopped endpoint serve again what it did."""
        from modelops_pipelines.operations.release import commands as releases

        spec = serving.endpoint(endpoint).spec
        return vars(releases.start(stores, spec, actor=caller.name, reason=(message or Message()).reason))


def _add_lists(router: Router, serving: Serving, stores: Stores) -> None:
    @router.get("/deployments", role="read", lists=True, response_model=DeploymentsPage, refuses=(422,))
    def list_deployments(
        caller: CallerOf, status: Status | None = None, limit: Limit = 100, cursor: Cursor | None = None
    ) -> dict[str, Any]:
        """List the deployments of the endpoints that the key is for, newest first."""
        from modelops_pipelines.operations.release.listing import deployments_page

        seen = [served.spec.name for served in serving.endpoints() if caller.sees(served.spec.name)]
        return vars(deployments_page(stores, seen, status, cursor, limit))

    @router.get(f"{_ENDPOINT}/versions", role="read", response_model=VersionsPage)
    def list_versions(
        endpoint: EndpointName, stage: Stage | None = None, limit: Limit = 100, cursor: Cursor | None = None
    ) -> dict[str, Any]:
        """List the versions of the endpoint's model in MLflow, newest first, with their stages."""
        from modelops_pipelines.operations.release.listing import versions_page

        return vars(versions_page(stores, serving.endpoint(endpoint).spec, stage, cursor, limit))

    @router.get(f"{_ENDPOINT}/history", role="read", response_model=LiveThen)
    def live_at(endpoint: EndpointName, at: Annotated[datetime, Query(examples=["2026-03-01T12:00:00Z"])]) -> Any:
        """Tell what the endpoint served at a moment; UTC unless it says otherwise."""
        from modelops_pipelines.core.release.event_log import live_at

        moment = at if at.tzinfo else at.replace(tzinfo=UTC)
        name = serving.endpoint(endpoint).spec.name
        state = live_at(name, stores.deployments.events(name), moment)
        variants = [vars(variant) for variant in state.variants]
        told = {"generation": state.generation, "status": state.status, "variants": variants}
        return {"endpoint": name, "at": moment, **told}
