"""The states of a deployment, the stages of a version, and their allowed transitions. No clock, no store."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from modelops_pipelines.core.errors import ConflictError
from modelops_pipelines.core.release.desired_state import CHAMPION, DesiredState, Variant

Status = Literal["pending", "deploying", "active", "failed", "stopped"]
PENDING: Final = "pending"
DEPLOYING: Final = "deploying"
LIVE: Final = "active"
FAILED: Final = "failed"
STOPPED: Final = "stopped"
STATUSES: tuple[Status, ...] = (PENDING, DEPLOYING, LIVE, FAILED, STOPPED)
_NONE: tuple[Status, ...] = ()
MOVES: Mapping[Status, tuple[Status, ...]] = {
    PENDING: (DEPLOYING, FAILED),
    DEPLOYING: (LIVE, FAILED, STOPPED),
    LIVE: (STOPPED,),
    FAILED: _NONE,
    STOPPED: _NONE,
}
UNSETTLED: tuple[Status, ...] = (PENDING, DEPLOYING)
DEPLOY_TIME = timedelta(seconds=120)
"""How long workers may take to load a version, and a process to go from pending to deploying."""

Stage = Literal["development", "staging", "production", "archived"]
DEVELOPMENT: Final = "development"
STAGING: Final = "staging"
PRODUCTION: Final = "production"
ARCHIVED: Final = "archived"
STAGES: tuple[Stage, ...] = (DEVELOPMENT, STAGING, PRODUCTION, ARCHIVED)
STAGE_MOVES: Mapping[Stage, Collection[Stage]] = {
    DEVELOPMENT: (STAGING, PRODUCTION, ARCHIVED),
    STAGING: (DEVELOPMENT, PRODUCTION, ARCHIVED),
    PRODUCTION: (STAGING, DEVELOPMENT),
    ARCHIVED: (DEVELOPMENT, STAGING),
}
"""The allowed transitions of stages. A version in production is never archived: another must replace it first."""


@dataclass(frozen=True)
class Deployment:
    """One deployment of a version to an endpoint, with its actor and status.

    ``deployment_id`` is the caller's idempotency key, or a generated id. ``generation`` is that of the desired state
    that it wrote, None before; ``variants_before`` are restored when it fails; ``owner`` is the process that carries it
    out.
    """

    deployment_id: str
    endpoint: str
    version: str
    action: str
    share: int
    status: Status
    generation: int | None
    variants_before: tuple[Variant, ...]
    actor: str
    reason: str
    owner: str
    requested_at: datetime
    updated_at: datetime
    error: str | None = None

    @property
    def is_settled(self) -> bool:
        """Whether it has reached a final state or is active."""
        return self.status not in UNSETTLED

    def requests_the_same(self, other: "Deployment") -> bool:
        """Whether both request the same change."""
        mine, theirs = ((d.endpoint, d.version, d.action, d.share) for d in (self, other))
        return mine == theirs


@dataclass(frozen=True)
class Acknowledgement:
    """What a live worker reports of an endpoint: the generation that it serves, or why it cannot serve it."""

    worker: str
    generation: int
    error: str | None


def with_status(deployment: Deployment, status: Status, at: datetime, error: str | None = None) -> Deployment:
    """Return the deployment with its next status; raises ConflictError for a transition that is not allowed."""
    if status not in MOVES[deployment.status]:
        name = f"Deployment {deployment.deployment_id} of {deployment.endpoint!r}"
        raise ConflictError(
            f"{name} is {deployment.status} and cannot become {status}",
            "See the newest deployments: modelops deployments ENDPOINT",
        )
    return replace(deployment, status=status, updated_at=at, error=error)


def outcome(
    deployment: Deployment, state: DesiredState, acknowledgements: Sequence[Acknowledgement], now: datetime
) -> tuple[Status, str | None] | None:
    """Return the outcome of a deploying deployment, with the reason of a failure; None while it is pending.

    Without live workers it stays pending: no worker serves it, and none has rejected it. A worker that has not reported
    the endpoint yet (generation 0) has just started, so the deployment waits for it.
    """
    if deployment.version not in {variant.version for variant in state.variants}:
        return STOPPED, None
    generation = deployment.generation or 0
    refused = next((one for one in acknowledgements if one.error and one.generation == generation), None)
    if refused is not None and state.generation == generation:
        return FAILED, str(refused.error)
    if not acknowledgements:
        return None
    if all(one.generation >= generation and not one.error for one in acknowledgements):
        return LIVE, None
    stuck = any(0 < one.generation < generation for one in acknowledgements)
    if stuck and now - deployment.updated_at > DEPLOY_TIME and state.generation == generation:
        return FAILED, f"not all workers acknowledged it within {DEPLOY_TIME.total_seconds():.0f} s"
    return None


def stage_of(version: str, states: Iterable[DesiredState], *, archived: bool, proven: bool) -> Stage:
    """Return a version's stage.

    ``states`` are the desired states of the model's endpoints; ``proven`` means that it has passed a gate or was a
    champion before, so that it may go live.
    """
    if archived:
        return ARCHIVED
    roles = {variant.role for state in states for variant in state.variants if variant.version == version}
    if CHAMPION in roles:
        return PRODUCTION
    return STAGING if roles or proven else DEVELOPMENT
