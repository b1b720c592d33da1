"""Routes that deploy, promote, roll back, stop and start, and lists of deployments, versions and past states.

They call the same operations as the CLI.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import Header, Query
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr

from modelops_pipelines.core.errors import InputError
from modelops_pipelines.core.release.deployment_states import Stage, Status
from modelops_pipelines.gateway.access.keyring import Caller
from modelops_pipelines.gateway.http.guarded_router import CallerOf, EndpointName, Router
from modelops_pipelines.gateway.http.refused_versions import telling_why
from modelops_pipelines.gateway.http.response_models import Moment, VariantInfo
from modelops_pipelines.gateway.worker.state_follower import Serving
from modelops_pipelines.store.stores import Stores

if TYPE_CHECKING:
    from modelops_pipelines.operations.release.apply import Change

MOST_ITEMS = 1000
_ENDPOINT = "/endpoints/{endpoint}"
Reason = Annotated[StrictStr, Field(max_length=1000)]
Version = Annotated[StrictStr, Field(pattern="^[1-9][0-9]{0,8}$", examples=["3"])]
Cursor = Annotated[str, Query(max_length=200, description="the previous page's next_cursor")]
Limit = Annotated[int, Query(ge=1, le=MOST_ITEMS)]
IdempotencyKey = Annotated[str | None, Header(alias="Idempotency-Key", max_length=100, pattern="^[A-Za-z0-9._-]+$")]


class ReasonMessage(BaseModel):
    """The reason for the change, kept in the history."""

    model_config = ConfigDict(extra="forbid")
    reason: Reason = ""


class ChangeMessage(ReasonMessage):
    """The reason for the change, and whether to make it or only say what it would be."""

    dry_run: StrictBool = Field(default=False, description="answer what would change, and change nothing")


class RollbackMessage(ChangeMessage):
    """The reason for the rollback, and the version to return to; or the undo of a rollback."""

    to: Annotated[StrictStr, Field(max_length=100)] | None = Field(
        default=None, description="an earlier champion; default: the previous one"
    )
    undo: StrictBool = Field(False, description="return to what the newest rollback removed; requires 'reason'")
    force: StrictBool = Field(
        False, description="with 'undo': return to a version that a guard rolled back; requires the role admin"
    )


class DeployMessage(ChangeMessage):
    """The version to deploy, and its share of the traffic."""

    version: Version
    share: int = Field(100, ge=1, le=100, strict=True, description="of the traffic, in percent")
    force: StrictBool = Field(
        False, description="replace the champion without a passed gate; requires 'reason' and the role admin"
    )


class PromoteMessage(ChangeMessage):
    """The version to promote."""

    version: Version
    force: StrictBool = Field(False, description="promote without a passed gate; requires 'reason' and the role admin")


class ChangeInfo(BaseModel):
    """A change to the endpoint's desired state."""

    endpoint: str
    action: str
    from_version: str | None
    to_version: str
    share: int = Field(description="of the traffic, in percent")
    generation: int
    workers: int = Field(description="gateway workers that serve it now")
    seconds: float
    changed: bool = Field(description="false when the endpoint was in this state already")
    deployment_id: str | None
    note: str = Field(description="that it was forced past the gate and why, or why a version left; else empty")
    dry_run: bool = Field(description="true when nothing was changed, and this is what would change")
    sentence: str = Field(description="the change in words")


class DeploymentInfo(BaseModel):
    """A deployment: the version, the action, its status, and the error if it failed."""

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
    """Deployments, newest first, and the next page's cursor; null on the last page."""

    items: list[DeploymentInfo]
    next_cursor: str | None


class VersionInfo(BaseModel):
    """A version of the endpoint's registered model in MLflow, with its stage on this endpoint."""

    version: str
    registered_at: Moment
    training_set: str | None
    run_id: str | None
    description: str
    stage: Stage


class VersionsPage(BaseModel):
    """Versions, newest first, and the next page's cursor; null on the last page."""

    items: list[VersionInfo]
    next_cursor: str | None


class PastState(BaseModel):
    """The variants that an endpoint served at a moment."""

    endpoint: str
    at: Moment
    generation: int
    status: Literal["active", "stopped", "deleted"]
    variants: list[VariantInfo]


def add_release_routes(router: Router, serving: Serving, stores: Stores) -> None:
    """Add the routes; a change is answered when every live worker serves it."""
    _add_change_routes(router, serving, stores)
    _add_list_routes(router, serving, stores)


def _add_change_routes(router: Router, serving: Serving, stores: Stores) -> None:
    @router.post(f"{_ENDPOINT}/deployments", role="operate", response_model=ChangeInfo, error_statuses=(409,))
    def deploy(
        endpoint: EndpointName, caller: CallerOf, message: DeployMessage, key: IdempotencyKey = None
    ) -> dict[str, Any]:
        """Deploy a version on the endpoint. Requests with the same Idempotency-Key deploy it once.

        A version that replaces the champion needs a passed gate, or 'force'; a first deploy and a trial do not. With
        'dry_run' the version is tried in a process of its own, and what the deploy would be refused for is refused.
        """
        from modelops_pipelines.operations.release import commands as releases

        require_admin(caller, endpoint, force=message.force)
        spec = serving.endpoint(endpoint).spec
        with telling_why():
            change = releases.deploy(
                stores,
                spec,
                message.version,
                share=message.share,
                key=key,
                force=message.force,
                dry_run=message.dry_run,
                actor=caller.name,
                reason=message.reason,
            )
        return described(change)

    @router.post(f"{_ENDPOINT}/promote", role="operate", response_model=ChangeInfo, error_statuses=(409,))
    def promote(endpoint: EndpointName, caller: CallerOf, message: PromoteMessage) -> dict[str, Any]:
        """Promote a version one step towards champion. Requires a passed gate, unless 'force' is true."""
        from modelops_pipelines.operations.release import commands as releases

        require_admin(caller, endpoint, force=message.force)
        spec = serving.endpoint(endpoint).spec
        with telling_why():
            change = releases.promote(
                stores,
                spec,
                message.version,
                force=message.force,
                dry_run=message.dry_run,
                actor=caller.name,
                reason=message.reason,
            )
        return described(change)

    @router.post(f"{_ENDPOINT}/rollback", role="operate", response_model=ChangeInfo, error_statuses=(409,))
    def roll_back(endpoint: EndpointName, caller: CallerOf, message: RollbackMessage | None = None) -> dict[str, Any]:
        """Roll back to the previous champion, or to the earlier champion named by 'to'; or undo a rollback."""
        from modelops_pipelines.operations.release import commands as releases
        from modelops_pipelines.operations.release.rollbacks import undo_rollback

        request = message or RollbackMessage(undo=False, force=False)
        if request.undo and request.to is not None:
            raise InputError("'undo' returns to what the newest rollback removed", "Leave 'to' out")
        if request.force and not request.undo:
            raise InputError("'force' belongs to 'undo': a rollback needs no force", "Leave 'force' out")
        require_admin(caller, endpoint, force=request.force)
        spec = serving.endpoint(endpoint).spec
        who: dict[str, Any] = {"actor": caller.name, "reason": request.reason, "dry_run": request.dry_run}
        with telling_why():
            if request.undo:
                return described(undo_rollback(stores, spec, force=request.force, **who))
            return described(releases.roll_back(stores, spec, to=request.to, **who))

    @router.post(f"{_ENDPOINT}/stop", role="operate", response_model=ChangeInfo, error_statuses=(409,))
    def stop(endpoint: EndpointName, caller: CallerOf, message: ChangeMessage | None = None) -> dict[str, Any]:
        """Stop the endpoint: it refuses every prediction until it is started again."""
        from modelops_pipelines.operations.release import commands as releases

        spec, request = serving.endpoint(endpoint).spec, message or ChangeMessage()
        return described(releases.stop(stores, spec, actor=caller.name, reason=request.reason, dry_run=request.dry_run))

    @router.post(f"{_ENDPOINT}/start", role="operate", response_model=ChangeInfo, error_statuses=(409,))
    def start(endpoint: EndpointName, caller: CallerOf, message: ChangeMessage | None = None) -> dict[str, Any]:
        """Start a stopped endpoint again, with the variants that it had."""
        from modelops_pipelines.operations.release import commands as releases

        spec, request = serving.endpoint(endpoint).spec, message or ChangeMessage()
        return described(
            releases.start(stores, spec, actor=caller.name, reason=request.reason, dry_run=request.dry_run)
        )


def described(change: "Change") -> dict[str, Any]:
    """Return a change with its sentence, as ``ChangeInfo`` has it."""
    return {**vars(change), "sentence": change.sentence}


def require_admin(caller: Caller, endpoint: str, *, force: bool) -> None:
    """Raise ForbiddenError for force without the role admin: who may operate the gate may not go past it."""
    if force:
        caller.require("admin", endpoint)


def _add_list_routes(router: Router, serving: Serving, stores: Stores) -> None:
    @router.get("/deployments", role="read", filters_endpoints=True, response_model=DeploymentsPage)
    def list_deployments(
        caller: CallerOf, status: Status | None = None, limit: Limit = 100, cursor: Cursor | None = None
    ) -> dict[str, Any]:
        """List the deployments of the endpoints in the key's scope, newest first."""
        from modelops_pipelines.operations.release.listing import deployments_page

        visible = [served.spec.name for served in serving.endpoints() if caller.sees(served.spec.name)]
        return vars(deployments_page(stores, visible, status, cursor, limit))

    @router.get(f"{_ENDPOINT}/versions", role="read", response_model=VersionsPage)
    def list_versions(
        endpoint: EndpointName,
        caller: CallerOf,
        stage: Stage | None = None,
        limit: Limit = 100,
        cursor: Cursor | None = None,
    ) -> dict[str, Any]:
        """List the versions of the endpoint's model in MLflow, newest first, with their stages."""
        from modelops_pipelines.operations.release.listing import versions_page

        return vars(versions_page(stores, serving.endpoint(endpoint).spec, stage, cursor, limit, caller.sees_some))

    @router.get(f"{_ENDPOINT}/history", role="read", response_model=PastState)
    def live_at(endpoint: EndpointName, at: Annotated[datetime, Query(examples=["2026-03-01T12:00:00Z"])]) -> Any:
        """Return what the endpoint served at the moment ``at``; without an offset it is UTC."""
        from modelops_pipelines.core.release.event_log import live_at

        moment = at if at.tzinfo else at.replace(tzinfo=UTC)
        name = serving.endpoint(endpoint).spec.name
        state = live_at(name, stores.deployments.events(name), moment)
        variants = [vars(variant) for variant in state.variants]
        served = {"generation": state.generation, "status": state.status, "variants": variants}
        return {"endpoint": name, "at": moment, **served}
