"""How what is live changes: decide, write the desired state with its event, wait for the workers, or put it back.

A change is an attempt (a deployment) from the moment that it is asked for. Whoever finds one whose process died sees
it through: the next change, a gateway's watchdog, a sensor. So none stays between two states.
"""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from modelops_pipelines.core.endpoint import EndpointSpec
from modelops_pipelines.core.errors import AcknowledgementError, ConflictError
from modelops_pipelines.core.history import ROLLBACK, WITHDRAW, Event, described
from modelops_pipelines.core.lifecycle import (
    DEPLOYING,
    FAILED,
    LIVE,
    PENDING,
    Acknowledgement,
    Deployment,
    Status,
    moved,
    outcome,
)
from modelops_pipelines.core.rollout import WHOLE, DesiredState, put_back
from modelops_pipelines.core.windows import text
from modelops_pipelines.store.deployments import StaleStateError
from modelops_pipelines.store.owners import is_gone, this_process
from modelops_pipelines.store.stores import Stores

DEPLOY_SECONDS = 120.0
POLL_SECONDS = 0.02
ATTEMPTS = 10
ABANDONED = timedelta(seconds=120)
"""After this long without a change, a pending attempt counts as given up, whatever its process does."""


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
class Plan:
    """A decision: what the endpoint is to serve next, and what the history says of it.

    ``is_deployment`` False says that no version is put anywhere: it is no attempt that could fail and be put back.
    """

    action: str
    after: DesiredState
    to_version: str
    share: int = WHOLE
    evidence: Mapping[str, object] = field(default_factory=dict)
    is_deployment: bool = True


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
            stores.deployments.move(mine, moved(mine, FAILED, stores.now(), f"{type(error).__name__}: {error}"))
            raise
        workers = _await_workers(stores, spec, deploying)
        return _made(before, plan, deploying, workers, time.monotonic() - started)
    raise ConflictError(f"Endpoint {spec.name!r} is being changed by others all the time", "Try again")


def settle(stores: Stores, spec: EndpointSpec) -> list[Deployment]:
    """See through what other processes left unfinished; return the attempts of which it is now known what came.

    Cheap where there are none: one query. Raises nothing for a version that cannot be served: the attempt says why.
    """
    found = []
    for attempt in stores.deployments.unsettled(spec.name):
        now = stores.now()
        if attempt.status == DEPLOYING:
            after = _looked_after(stores, attempt)
        elif _is_abandoned(attempt, stores):
            after = moved(attempt, FAILED, now, "its process ended before it began")
            stores.deployments.move(attempt, after)
        else:
            continue
        if after.is_settled:
            found.append(after)
    return found


def event_of(stores: Stores, before: DesiredState, plan: Plan, actor: str, reason: str) -> Event:
    """Return the change as an event; its evidence says what is live from then on, and how far the data reached."""
    watermark = stores.journal.progress(before.endpoint).watermark
    reached = None if watermark is None else text(watermark)
    return Event(
        number=0,
        endpoint=before.endpoint,
        at=stores.now(),
        actor=actor,
        action=plan.action,
        from_version=before.champion,
        to_version=plan.to_version,
        generation=plan.after.generation,
        reason=reason,
        evidence={**plan.evidence, "watermark": reached, "live": described(plan.after)},
    )


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
    deploying = replace(moved(mine, DEPLOYING, event.at), generation=plan.after.generation)
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
    while True:
        said = stores.deployments.acknowledgements(spec.name, stores.now())
        refused = next((one for one in said if one.error and one.generation == plan.after.generation), None)
        if refused is not None:
            raise AcknowledgementError(
                f"Worker {refused.worker} cannot {plan.action} {spec.name!r}: {refused.error}; it stays asked for",
                "See the gateway's log",
            )
        waiting = [one for one in said if one.generation < plan.after.generation]
        if not waiting:
            return _made(before, plan, None, len(said), time.monotonic() - started)
        if time.monotonic() - started > DEPLOY_SECONDS:
            raise AcknowledgementError(
                f"Worker {waiting[0].worker} has not taken over to {plan.action} {spec.name!r} within "
                f"{DEPLOY_SECONDS:.0f} s; it stays asked for",
                "See the gateway's log",
            )
        time.sleep(POLL_SECONDS)


def _await_workers(stores: Stores, spec: EndpointSpec, attempt: Deployment) -> int:
    """Wait until every live worker serves the attempt's generation, or one that has overtaken it; return how many."""
    deadline = time.monotonic() + DEPLOY_SECONDS
    while True:
        said = stores.deployments.acknowledgements(spec.name, stores.now())
        after = _looked_after(stores, attempt, said)
        if after.status == FAILED:
            raise _refused(stores, spec, after, str(after.error))
        if attempt.action == ROLLBACK:
            why = next((one.error for one in said if one.error and one.generation == attempt.generation), None)
            if why is not None:
                raise _refused(stores, spec, after, why)
        if all(one.generation >= (attempt.generation or 0) for one in said):
            return len(said)
        if time.monotonic() > deadline:
            late = f"no acknowledgement within {DEPLOY_SECONDS:.0f} s"
            raise _refused(stores, spec, _given_up(stores, after, late), late)
        time.sleep(POLL_SECONDS)


def _looked_after(stores: Stores, attempt: Deployment, said: list[Acknowledgement] | None = None) -> Deployment:
    """Return the attempt as it is now: with what came of it written, where that is known; one that failed is undone."""
    state = stores.deployments.desired(attempt.endpoint)
    heard = stores.deployments.acknowledgements(attempt.endpoint, stores.now()) if said is None else said
    known = outcome(attempt, state, heard, stores.now())
    if known is None or (known[0] == FAILED and attempt.action == ROLLBACK):
        return attempt
    status, why = known
    if status == FAILED:
        return _given_up(stores, attempt, str(why))
    after = moved(attempt, status, stores.now())
    return after if stores.deployments.move(attempt, after) else _as_written(stores, attempt)


def _given_up(stores: Stores, attempt: Deployment, why: str) -> Deployment:
    """Put back what was before the attempt, unless another change has come since, and write that it failed."""
    if attempt.status != DEPLOYING or attempt.action == ROLLBACK:
        return attempt
    state = stores.deployments.desired(attempt.endpoint)
    if state.generation != attempt.generation:
        return attempt
    after = put_back(state, attempt.variants_before)
    evidence = {"withdrawn": attempt.version, "automatic": True}
    action, target = (ROLLBACK, after.champion) if after.champion else (WITHDRAW, attempt.version)
    plan = Plan(action, after, str(target), WHOLE, evidence)
    failed = moved(attempt, FAILED, stores.now(), why)
    event = event_of(stores, state, plan, "modelops", f"reverted: {why}")
    try:
        stores.deployments.change(state, after.variants, event, status=after.status, attempt=(attempt, failed))
    except StaleStateError:
        return _as_written(stores, attempt)
    return failed


def _as_written(stores: Stores, attempt: Deployment) -> Deployment:
    return stores.deployments.attempt(attempt.deployment_id) or attempt


def _refused(stores: Stores, spec: EndpointSpec, attempt: Deployment, why: str) -> AcknowledgementError:
    """Return the error that says what happened."""
    state = stores.deployments.desired(spec.name)
    if attempt.action == ROLLBACK:
        then = "it stays asked for"
    elif attempt.status != FAILED:
        then = "another change has overtaken it, so nothing was put back"
    else:
        then = f"version {state.champion} was put back" if state.champion else "nothing is served, as before"
    return AcknowledgementError(
        f"A gateway worker cannot serve version {attempt.version} of {spec.name!r}: {why}; {then}",
        "See the gateway's log, then try again",
    )


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


def _is_abandoned(attempt: Deployment, stores: Stores) -> bool:
    return bool(is_gone(attempt.owner)) or stores.now() - attempt.updated_at > ABANDONED


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
