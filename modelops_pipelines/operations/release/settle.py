"""What becomes of a deployment that is under way: served by every worker, overtaken, or failed and put back.

Whoever finds one whose process died sees it through: the next change, a gateway's watchdog, a sensor.
"""

from collections.abc import Sequence
from datetime import timedelta

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import AcknowledgementError
from modelops_pipelines.core.release.deployment_states import (
    DEPLOYING,
    FAILED,
    Acknowledgement,
    Deployment,
    outcome,
    with_status,
)
from modelops_pipelines.core.release.desired_state import WHOLE, restore_variants
from modelops_pipelines.core.release.event_log import ROLLBACK, WITHDRAW
from modelops_pipelines.operations.release.plan import Plan, event_of
from modelops_pipelines.store.filesystem.process_identity import is_gone
from modelops_pipelines.store.state.release.deployments import StaleStateError
from modelops_pipelines.store.stores import Stores

ABANDONED = timedelta(seconds=120)
"""After this long without a change, a pending attempt counts as given up, whatever its process does."""


def settle(stores: Stores, spec: EndpointSpec) -> list[Deployment]:
    """See through what other processes left unfinished; return the attempts of which it is now known what came.

    Cheap where there are none: one query. Raises nothing for a version that cannot be served: the attempt says why.
    """
    found = []
    for attempt in stores.deployments.unsettled(spec.name):
        now = stores.now()
        if attempt.status == DEPLOYING:
            after = looked_after(stores, attempt)
        elif _is_abandoned(attempt, stores):
            after = with_status(attempt, FAILED, now, "its process ended before it began")
            stores.deployments.move(attempt, after)
        else:
            continue
        if after.is_settled:
            found.append(after)
    return found


def looked_after(stores: Stores, attempt: Deployment, said: Sequence[Acknowledgement] | None = None) -> Deployment:
    """Return the attempt as it is now: with what came of it written, where that is known; one that failed is undone."""
    state = stores.deployments.desired(attempt.endpoint)
    heard = stores.deployments.acknowledgements(attempt.endpoint, stores.now()) if said is None else said
    known = outcome(attempt, state, heard, stores.now())
    if known is None or (known[0] == FAILED and attempt.action == ROLLBACK):
        return attempt
    status, why = known
    if status == FAILED:
        return given_up(stores, attempt, str(why))
    after = with_status(attempt, status, stores.now())
    return after if stores.deployments.move(attempt, after) else _as_written(stores, attempt)


def given_up(stores: Stores, attempt: Deployment, why: str) -> Deployment:
    """Put back what was before the attempt, unless another change has come since, and write that it failed."""
    if attempt.status != DEPLOYING or attempt.action == ROLLBACK:
        return attempt
    state = stores.deployments.desired(attempt.endpoint)
    if state.generation != attempt.generation:
        return attempt
    after = restore_variants(state, attempt.variants_before)
    evidence = {"withdrawn": attempt.version, "automatic": True}
    action, target = (ROLLBACK, after.champion) if after.champion else (WITHDRAW, attempt.version)
    plan = Plan(action, after, str(target), WHOLE, evidence)
    failed = with_status(attempt, FAILED, stores.now(), why)
    event = event_of(stores, state, plan, "modelops", f"reverted: {why}")
    try:
        stores.deployments.change(state, after.variants, event, status=after.status, attempt=(attempt, failed))
    except StaleStateError:
        return _as_written(stores, attempt)
    return failed


def _as_written(stores: Stores, attempt: Deployment) -> Deployment:
    return stores.deployments.attempt(attempt.deployment_id) or attempt


def refused(stores: Stores, spec: EndpointSpec, attempt: Deployment, why: str) -> AcknowledgementError:
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


def _is_abandoned(attempt: Deployment, stores: Stores) -> bool:
    return bool(is_gone(attempt.owner)) or stores.now() - attempt.updated_at > ABANDONED
