"""Applies a change: decides, writes the desired state with its event, waits for the workers, reverts on failure.

A change is recorded as a deployment from the moment that it is requested. When its process dies, the deployment is
with_defaults or reverted by the next change, a gateway's watchdog or a sensor. So none stays between two states.
"""

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import (
    AcknowledgementError,
    BusyError,
    ConflictError,
    ModelOpsError,
    UnavailableError,
    UnservedVersionError,
)
from modelops_pipelines.core.release.deployment_states import (
    DEPLOYING,
    FAILED,
    LIVE,
    PENDING,
    Acknowledgement,
    Deployment,
    Status,
    with_status,
)
from modelops_pipelines.core.release.desired_state import WHOLE, DesiredState
from modelops_pipelines.core.release.event_log import ROLLBACK
from modelops_pipelines.operations.endpoints.served_here import require_served_here
from modelops_pipelines.operations.release.offline_proof import (
    prove_after_gateway_left,
    prove_without_gateway,
    try_for_preview,
)
from modelops_pipelines.operations.release.plan import Plan, event_of
from modelops_pipelines.operations.release.settle import revert_deployment, serving_error, settle, update_deployment
from modelops_pipelines.store.filesystem.process_identity import this_process
from modelops_pipelines.store.state.release.deployments import StaleStateError
from modelops_pipelines.store.stores import Stores

DEPLOY_SECONDS = 120.0
POLL_SECONDS = 0.02
ATTEMPTS = 10
UNCHANGED = "none"
"""The action of a change of the version that serves, where it serves already."""

Acknowledgements = Sequence[Acknowledgement]


@dataclass(frozen=True)
class Change:
    """What an operation did, or with ``dry_run`` would do: the event's values, and how many workers serve it now.

    ``note`` says what a person should know of it: that it was forced past the gate and why, or why a version left.
    """

    endpoint: str
    action: str
    from_version: str | None
    to_version: str
    share: int
    generation: int
    workers: int
    seconds: float
    changed: bool = True
    dry_run: bool = False
    deployment_id: str | None = field(default=None, compare=False)
    became: Status | None = field(default=None, compare=False)
    note: str = field(default="", compare=False)

    @property
    def sentence(self) -> str:
        """The change in words."""
        if self.became not in (None, LIVE, DEPLOYING):
            return f"{self.endpoint}: deployment {self.deployment_id} was requested before; it is {self.became}"
        if not self.changed and not self.dry_run:
            if self.note and self.action != UNCHANGED:
                return f"{self.endpoint}: {self.note}; nothing changed"
            return f"{self.endpoint}: version {self.to_version} is already live; {self.note or 'nothing changed'}"
        done = (
            f"{self.action} {self.from_version or 'nothing'} -> {self.to_version} "
            f"({self.share} % of the traffic, generation {self.generation})"
        )
        done += f"; {self.note}" if self.note else ""
        if self.dry_run:
            return f"{self.endpoint}: would {done}" if self.changed else f"{self.endpoint}: would change nothing"
        took = (
            f"{self.workers} worker(s) serve it"
            if self.workers
            else "no gateway is running; it will serve this when it starts"
        )
        return f"{self.endpoint}: {done}; {took}, {self.seconds:.2f} s"


@dataclass(frozen=True)
class ChangeRequest:
    """Who requests a change and why. ``key`` is an idempotency key: requests with the same key change things once."""

    actor: str
    reason: str
    key: str | None = None
    dry_run: bool = False


Decide = Callable[[DesiredState], Plan | None]


def change(
    stores: Stores, spec: EndpointSpec, decide: Decide, request: ChangeRequest, version: str | None = None
) -> Change:
    """Decide from what the endpoint serves now, write the new state, and wait until every live worker serves it.

    ``decide`` returns None where nothing is to change. When several callers request the same change at once, one makes
    it and the others wait for its result. When a worker cannot load the version, the previous state is restored (a
    rollback stands) and AcknowledgementError gives the reason. Where no gateway runs, the version proves itself in a
    separate process first, and ModelError gives the reason why it cannot serve.
    """
    require_served_here(spec, "a change of what is served")
    started, tried = time.monotonic(), False
    settle(stores, spec)
    for _ in range(ATTEMPTS):
        before = stores.deployments.desired(spec.name)
        plan = decide(before)
        if request.dry_run:
            return _preview(stores, spec, before, plan, version)
        if plan is None:
            _await_running_deployments(stores, spec)
            return _unchanged(before, version)
        if not plan.is_deployment:
            try:
                return _change_without_deployment(stores, spec, before, plan, request)
            except StaleStateError:
                continue
        mine, is_new = stores.deployments.claim(_new_deployment(stores, spec, before, plan, request))
        if not is_new:
            return _await_deployment(stores, spec, mine)
        try:
            tried = tried or prove_without_gateway(stores, spec, plan)
            deploying = _write(stores, spec, before, plan, request, mine)
        except StaleStateError:
            stores.deployments.forget(mine)
            continue
        except BaseException as error:
            why = str(error) if isinstance(error, ModelOpsError) else f"{type(error).__name__}: {error}"
            stores.deployments.move(mine, with_status(mine, FAILED, stores.now(), why))
            raise
        workers = _await_serving(stores, spec, deploying)
        if not workers and not tried:
            prove_after_gateway_left(stores, spec, plan, deploying)
        return _completed(before, plan, deploying, workers, time.monotonic() - started)
    raise ConflictError(f"Endpoint {spec.name!r} was changed by others during each of {ATTEMPTS} attempts", "Try again")


def _new_deployment(
    stores: Stores, spec: EndpointSpec, before: DesiredState, plan: Plan, request: ChangeRequest
) -> Deployment:
    now = stores.now()
    return Deployment(
        deployment_id=f"{spec.name}/{request.key or secrets.token_hex(8)}",
        endpoint=spec.name,
        version=plan.to_version,
        action=plan.action,
        share=plan.share,
        status=PENDING,
        generation=None,
        variants_before=before.variants,
        actor=request.actor,
        reason=request.reason,
        owner=this_process(),
        requested_at=now,
        updated_at=now,
    )


def _write(
    stores: Stores, spec: EndpointSpec, before: DesiredState, plan: Plan, request: ChangeRequest, mine: Deployment
) -> Deployment:
    """Write the desired state, its event and the deployment's next status in one transaction."""
    event = event_of(stores, before, plan, request.actor, request.reason)
    deploying = replace(with_status(mine, DEPLOYING, event.at), generation=plan.after.generation)
    stores.deployments.change(
        before,
        plan.after.variants,
        event,
        status=plan.after.status,
        model_name=spec.model_name,
        attempt=(mine, deploying),
    )
    return deploying


def _change_without_deployment(
    stores: Stores, spec: EndpointSpec, before: DesiredState, plan: Plan, request: ChangeRequest
) -> Change:
    """Make a change that deploys no version, and wait until every live worker has loaded it."""
    started = time.monotonic()
    event = event_of(stores, before, plan, request.actor, request.reason)
    stores.deployments.change(before, plan.after.variants, event, status=plan.after.status, model_name=spec.model_name)
    generation = plan.after.generation
    todo = f"{plan.action} {spec.name!r}"

    def check(acknowledged: Acknowledgements) -> None:
        for worker in acknowledged:
            if worker.error and worker.generation == generation:
                raise _pending_error(f"Worker {worker.worker} cannot {todo}: {worker.error}")

    def timeout_error(worker: Acknowledgement) -> AcknowledgementError:
        return _pending_error(f"Worker {worker.worker} did not {todo} within {DEPLOY_SECONDS:.0f} s")

    workers = _await_workers(stores, spec, generation, check, timeout_error)
    return _completed(before, plan, None, workers, time.monotonic() - started)


def _pending_error(problem: str) -> AcknowledgementError:
    return AcknowledgementError(
        f"{problem}; the change is still pending: workers keep retrying",
        "Correct what it says; 'modelops endpoint list' says when it is served",
    )


def _await_serving(stores: Stores, spec: EndpointSpec, attempt: Deployment) -> int:
    """Wait until every live worker serves the deployment's generation, or a later one; return how many."""

    def check(acknowledged: Acknowledgements) -> None:
        after = update_deployment(stores, attempt, acknowledged)
        if after.status == FAILED:
            raise serving_error(stores, spec, after, str(after.error))
        if attempt.action == ROLLBACK:
            errors = (one.error for one in acknowledged if one.error and one.generation == attempt.generation)
            why = next(errors, None)
            if why is not None:
                raise serving_error(stores, spec, after, why)

    def timeout_error(_: Acknowledgement) -> AcknowledgementError:
        why = f"no acknowledgement within {DEPLOY_SECONDS:.0f} s"
        return serving_error(stores, spec, revert_deployment(stores, attempt, why), why)

    return _await_workers(stores, spec, attempt.generation or 0, check, timeout_error)


def _await_workers(
    stores: Stores,
    spec: EndpointSpec,
    generation: int,
    check: Callable[[Acknowledgements], None],
    timeout_error: Callable[[Acknowledgement], AcknowledgementError],
) -> int:
    """Wait until every live worker has loaded the generation or a later one; return how many.

    ``check`` raises where a worker reports that it cannot; ``timeout_error`` makes the error of one that reports
    nothing in time.
    """
    deadline = time.monotonic() + DEPLOY_SECONDS
    while True:
        try:
            acknowledged = stores.deployments.acknowledgements(spec.name, stores.now())
            check(acknowledged)
        except (BusyError, UnavailableError):  # the change is made: its result is read again
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_SECONDS)
            continue
        waiting = [worker for worker in acknowledged if worker.generation < generation]
        if not waiting:
            return len(acknowledged)
        if time.monotonic() > deadline:
            raise timeout_error(waiting[0])
        time.sleep(POLL_SECONDS)


def _await_deployment(stores: Stores, spec: EndpointSpec, theirs: Deployment) -> Change:
    """Wait for the result of the same change that another caller is making; raises AcknowledgementError if it fails."""
    deadline = time.monotonic() + DEPLOY_SECONDS
    known: Deployment | None = theirs
    while known is not None and not known.is_settled and time.monotonic() < deadline:
        if known.status == DEPLOYING and not stores.deployments.acknowledgements(spec.name, stores.now()):
            break
        settle(stores, spec)
        time.sleep(POLL_SECONDS)
        known = stores.deployments.attempt(theirs.deployment_id)
    if known is not None and known.status == FAILED:
        raise UnservedVersionError(
            f"Deployment {known.deployment_id} of version {known.version} on {spec.name!r} failed: {known.error}",
            "Correct what it says, and deploy again or deploy another version",
        )
    if known is not None and not known.is_settled and time.monotonic() >= deadline:
        raise AcknowledgementError(
            f"Deployment {known.deployment_id} of version {known.version} is still {known.status}", "Try again later"
        )
    generation = stores.deployments.desired(spec.name).generation
    acknowledged = stores.deployments.acknowledgements(spec.name, stores.now())
    serving = sum(worker.generation >= generation and not worker.error for worker in acknowledged)
    return Change(
        spec.name,
        UNCHANGED,
        theirs.version,
        theirs.version,
        theirs.share,
        generation,
        serving,
        0.0,
        changed=False,
        deployment_id=theirs.deployment_id,
        became=None if known is None else known.status,
    )


def _await_running_deployments(stores: Stores, spec: EndpointSpec) -> None:
    """Wait for deployments that are under way: their version is live only when the workers serve it."""
    for attempt in stores.deployments.unsettled(spec.name):
        if attempt.status == DEPLOYING:
            _await_deployment(stores, spec, attempt)


def _preview(
    stores: Stores, spec: EndpointSpec, before: DesiredState, plan: Plan | None, version: str | None
) -> Change:
    if plan is not None:
        stores.deployments.require_unarchived(spec.model_name, plan.after.variants)
        try_for_preview(stores, spec, plan)
    planned = _unchanged(before, version) if plan is None else _completed(before, plan, None, 0, 0.0)
    return replace(planned, dry_run=True)


def _unchanged(before: DesiredState, version: str | None) -> Change:
    return Change(before.endpoint, UNCHANGED, version, str(version), WHOLE, before.generation, 0, 0.0, changed=False)


def _completed(before: DesiredState, plan: Plan, attempt: Deployment | None, workers: int, seconds: float) -> Change:
    return Change(
        endpoint=before.endpoint,
        action=plan.action,
        from_version=before.champion,
        to_version=plan.to_version,
        share=plan.share,
        generation=plan.after.generation,
        workers=workers,
        seconds=seconds,
        deployment_id=attempt.deployment_id if attempt else None,
        note=plan.note,
    )
