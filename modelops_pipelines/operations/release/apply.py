"""How what is live changes: decide, write the desired state with its event, wait for the workers, or put it back.

A change is an attempt (a deployment) from the moment that it is asked for. Whoever finds one whose process died sees
it through: the next change, a gateway's watchdog, a sensor. So none stays between two states.
"""

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import AcknowledgementError, ConflictError
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
from modelops_pipelines.operations.release.plan import Plan, event_of
from modelops_pipelines.operations.release.settle import given_up, looked_after, refused, settle
from modelops_pipelines.store.filesystem.process_identity import this_process
from modelops_pipelines.store.state.release.deployments import StaleStateError
from modelops_pipelines.store.stores import Stores

DEPLOY_SECONDS = 120.0
POLL_SECONDS = 0.02
ATTEMPTS = 10

Said = Sequence[Acknowledgement]


@dataclass(frozen=True)
class Change:
    """What an operation did, or with ``dry_run`` would do: the event's values, and who serves it now."""

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

    @property
    def sentence(self) -> str:
        """The change in words."""
        if self.became not in (None, LIVE, DEPLOYING):
            return f"{self.endpoint}: deployment {self.deployment_id} was made before, and is {self.became}"
        if not self.changed and not self.dry_run:
            return f"{self.endpoint}: version {self.to_version} is live already; nothing changed"
        done = (
            f"{self.action} {self.from_version or 'nothing'} -> {self.to_version} "
            f"({self.share} % of the traffic, generation {self.generation})"
        )
        if self.dry_run:
            return f"{self.endpoint}: would {done}" if self.changed else f"{self.endpoint}: would change nothing"
        took = f"{self.workers} worker(s) serve it" if self.workers else "no gateway is running: it will serve this"
        return f"{self.endpoint}: {done}; {took}, {self.seconds:.2f} s"


@dataclass(frozen=True)
class Ask:
    """Who asks for a change and why; ``key`` makes it happen once however often it is asked for."""

    actor: str
    reason: str
    key: str | None = None
    dry_run: bool = False


Decide = Callable[[DesiredState], Plan | None]


def change(stores: Stores, spec: EndpointSpec, decide: Decide, ask: Ask, version: str | None = None) -> Change:
    """Decide on what the endpoint serves now, write that, and wait until every live worker serves it.

    ``decide`` returns None where nothing is to change. Of callers who ask the same at once one makes the change, and
    the others wait for what comes of it. When a worker cannot load it, what was before is put back (a rollback is
    not) and AcknowledgementError tells why.
    """
    started = time.monotonic()
    settle(stores, spec)
    for _ in range(ATTEMPTS):
        before = stores.deployments.desired(spec.name)
        plan = decide(before)
        if ask.dry_run:
            return _previewed(before, plan, version)
        if plan is None:
            _await_others(stores, spec)
            return _nothing(before, version)
        if not plan.is_deployment:
            try:
                return _plainly(stores, spec, before, plan, ask)
            except StaleStateError:
                continue
        mine, is_new = stores.deployments.claim(_attempt(stores, spec, before, plan, ask))
        if not is_new:
            return _joined(stores, spec, mine)
        try:
            deploying = _write(stores, spec, before, plan, ask, mine)
        except StaleStateError:
            stores.deployments.forget(mine)
            continue
        except BaseException as error:
            stores.deployments.move(mine, with_status(mine, FAILED, stores.now(), f"{type(error).__name__}: {error}"))
            raise
        workers = _served(stores, spec, deploying)
        return _made(before, plan, deploying, workers, time.monotonic() - started)
    raise ConflictError(f"Endpoint {spec.name!r} is being changed by others all the time", "Try again")


def _attempt(stores: Stores, spec: EndpointSpec, before: DesiredState, plan: Plan, ask: Ask) -> Deployment:
    now = stores.now()
    return Deployment(
        deployment_id=f"{spec.name}/{ask.key or secrets.token_hex(8)}",
        endpoint=spec.name,
        version=plan.to_version,
        action=plan.action,
        share=plan.share,
        status=PENDING,
        generation=None,
        variants_before=before.variants,
        actor=ask.actor,
        reason=ask.reason,
        owner=this_process(),
        requested_at=now,
        updated_at=now,
    )


def _write(
    stores: Stores, spec: EndpointSpec, before: DesiredState, plan: Plan, ask: Ask, mine: Deployment
) -> Deployment:
    """Write the desired state, its event and the attempt's next state: all or nothing."""
    event = event_of(stores, before, plan, ask.actor, ask.reason)
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


def _plainly(stores: Stores, spec: EndpointSpec, before: DesiredState, plan: Plan, ask: Ask) -> Change:
    """Make a change that is no deployment, and wait until every live worker has taken it over."""
    started = time.monotonic()
    event = event_of(stores, before, plan, ask.actor, ask.reason)
    stores.deployments.change(before, plan.after.variants, event, status=plan.after.status, model_name=spec.model_name)
    generation = plan.after.generation
    todo = f"{plan.action} {spec.name!r}"

    def check(said: Said) -> None:
        for one in said:
            if one.error and one.generation == generation:
                raise _stays(f"Worker {one.worker} cannot {todo}: {one.error}")

    def late(one: Acknowledgement) -> AcknowledgementError:
        return _stays(f"Worker {one.worker} has not taken over to {todo} within {DEPLOY_SECONDS:.0f} s")

    workers = _taken_over(stores, spec, generation, check, late)
    return _made(before, plan, None, workers, time.monotonic() - started)


def _stays(what: str) -> AcknowledgementError:
    return AcknowledgementError(f"{what}; it stays asked for", "See the gateway's log")


def _served(stores: Stores, spec: EndpointSpec, attempt: Deployment) -> int:
    """Wait until every live worker serves the attempt's generation, or one that has overtaken it; return how many."""

    def check(said: Said) -> None:
        after = looked_after(stores, attempt, said)
        if after.status == FAILED:
            raise refused(stores, spec, after, str(after.error))
        if attempt.action == ROLLBACK:
            why = next((one.error for one in said if one.error and one.generation == attempt.generation), None)
            if why is not None:
                raise refused(stores, spec, after, why)

    def late(_: Acknowledgement) -> AcknowledgementError:
        why = f"no acknowledgement within {DEPLOY_SECONDS:.0f} s"
        return refused(stores, spec, given_up(stores, attempt, why), why)

    return _taken_over(stores, spec, attempt.generation or 0, check, late)


def _taken_over(
    stores: Stores,
    spec: EndpointSpec,
    generation: int,
    check: Callable[[Said], None],
    late: Callable[[Acknowledgement], AcknowledgementError],
) -> int:
    """Wait until every live worker has taken over the generation or a later one; return how many.

    ``check`` raises where what they say is a reason to give up; ``late`` makes the error of one that says nothing.
    """
    deadline = time.monotonic() + DEPLOY_SECONDS
    while True:
        said = stores.deployments.acknowledgements(spec.name, stores.now())
        check(said)
        waiting = [one for one in said if one.generation < generation]
        if not waiting:
            return len(said)
        if time.monotonic() > deadline:
            raise late(waiting[0])
        time.sleep(POLL_SECONDS)


def _joined(stores: Stores, spec: EndpointSpec, theirs: Deployment) -> Change:
    """Wait for what comes of the same change that another caller is making; raises what it failed for."""
    deadline = time.monotonic() + DEPLOY_SECONDS
    known: Deployment | None = theirs
    while known is not None and not known.is_settled and time.monotonic() < deadline:
        if known.status == DEPLOYING and not stores.deployments.acknowledgements(spec.name, stores.now()):
            break
        settle(stores, spec)
        time.sleep(POLL_SECONDS)
        known = stores.deployments.attempt(theirs.deployment_id)
    if known is not None and known.status == FAILED:
        raise AcknowledgementError(
            f"Deployment {known.deployment_id} of version {known.version} on {spec.name!r} failed: {known.error}",
            "See the gateway's log, then try again",
        )
    if known is not None and not known.is_settled and time.monotonic() >= deadline:
        raise AcknowledgementError(
            f"Deployment {known.deployment_id} of version {known.version} is still {known.status}", "Try again later"
        )
    generation = stores.deployments.desired(spec.name).generation
    said = stores.deployments.acknowledgements(spec.name, stores.now())
    serving = sum(one.generation >= generation and not one.error for one in said)
    return Change(
        spec.name,
        "none",
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


def _await_others(stores: Stores, spec: EndpointSpec) -> None:
    """Wait for an attempt that is under way: what it asks for is live only when the workers serve it."""
    for attempt in stores.deployments.unsettled(spec.name):
        if attempt.status == DEPLOYING:
            _joined(stores, spec, attempt)


def _previewed(before: DesiredState, plan: Plan | None, version: str | None) -> Change:
    would = _nothing(before, version) if plan is None else _made(before, plan, None, 0, 0.0)
    return replace(would, dry_run=True)


def _nothing(before: DesiredState, version: str | None) -> Change:
    return Change(before.endpoint, "none", version, str(version), WHOLE, before.generation, 0, 0.0, changed=False)


def _made(before: DesiredState, plan: Plan, attempt: Deployment | None, workers: int, seconds: float) -> Change:
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
    )
