"""Settles a deployment that is under way: served by every worker, superseded, or failed and reverted.

When its process died, the next change, a gateway's watchdog or a sensor completes or reverts it.
"""

from collections.abc import Sequence
from datetime import timedelta

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import AcknowledgementError, UnservedVersionError
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
"""A pending deployment that has not changed for this long counts as failed, even if its process is alive."""


def settle(stores: Stores, spec: EndpointSpec) -> list[Deployment]:
    """Complete or revert the deployments that other processes left unfinished; return those that are now settled.

    Cheap where there are none: one query. A version that cannot be served raises nothing: the deployment's ``error``
    gives the reason.
    """
    found = []
    for attempt in stores.deployments.unsettled(spec.name):
        now = stores.now()
        if attempt.status == DEPLOYING:
            after = update_deployment(stores, attempt)
        elif _is_abandoned(attempt, stores):
            after = with_status(attempt, FAILED, now, "its process ended before the deployment began")
            stores.deployments.move(attempt, after)
        else:
            continue
        if after.is_settled:
            found.append(after)
    return found


def update_deployment(
    stores: Stores, attempt: Deployment, acknowledged: Sequence[Acknowledgement] | None = None
) -> Deployment:
    """Return the deployment as it is now. Its outcome is written once it is known; one that failed is reverted."""
    state = stores.deployments.desired(attempt.endpoint)
    if acknowledged is None:
        acknowledged = stores.deployments.acknowledgements(attempt.endpoint, stores.now())
    known = outcome(attempt, state, acknowledged, stores.now())
    if known is None or (known[0] == FAILED and attempt.action == ROLLBACK):
        return attempt
    status, why = known
    if status == FAILED:
        return revert_deployment(stores, attempt, str(why))
    after = with_status(attempt, status, stores.now())
    return after if stores.deployments.move(attempt, after) else _as_stored(stores, attempt)


def revert_deployment(stores: Stores, attempt: Deployment, why: str) -> Deployment:
    """Restore the state before the deployment, unless another change was made since, and record that it failed."""
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
        return _as_stored(stores, attempt)
    return failed


def _as_stored(stores: Stores, attempt: Deployment) -> Deployment:
    return stores.deployments.attempt(attempt.deployment_id) or attempt


def serving_error(stores: Stores, spec: EndpointSpec, attempt: Deployment, why: str) -> AcknowledgementError:
    """Return the error of a deployment that a worker cannot serve: the reason, and what is served now."""
    state = stores.deployments.desired(spec.name)
    if attempt.action == ROLLBACK:
        then = "the rollback is still pending: workers keep retrying"
    elif attempt.status != FAILED:
        then = "a later change superseded it, so nothing was reverted"
    else:
        then = f"version {state.champion} was restored" if state.champion else "no version is served, as before"
    kind = UnservedVersionError if attempt.status == FAILED and attempt.action != ROLLBACK else AcknowledgementError
    return kind(
        f"A gateway worker cannot serve version {attempt.version} of {spec.name!r}: {why}; {then}",
        "Correct what it says, and deploy again or deploy another version",
    )


def _is_abandoned(attempt: Deployment, stores: Stores) -> bool:
    return bool(is_gone(attempt.owner)) or stores.now() - attempt.updated_at > ABANDONED
