"""Withdraws a version because of a verdict on it: the endpoint rolls back, and the verdict is recorded.

Neither the lake nor the spool is read here, so that a gateway's watchdog, which judges by its own counts, loads no
query engine.
"""

from dataclasses import replace

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import AcknowledgementError, ConflictError
from modelops_pipelines.core.release.desired_state import WHOLE, DesiredState, roll_back, rollback_target
from modelops_pipelines.core.release.event_log import ROLLBACK, champions
from modelops_pipelines.core.release.guards import Verdict
from modelops_pipelines.operations.release.apply import Change, ChangeRequest, change
from modelops_pipelines.operations.release.plan import Plan
from modelops_pipelines.store.state.release.trials import Trial
from modelops_pipelines.store.stores import Stores


def withdraw_version(
    stores: Stores, spec: EndpointSpec, state: DesiredState, version: str, verdict: Verdict, *, actor: str
) -> Change | None:
    """Roll back because of this verdict on a version of ``state``; return None when nothing was changed.

    Nothing changes when the endpoint has moved on from the generation of ``state``, or has no version to return to.
    Raises AcknowledgementError when a worker cannot load the version returned to; the rollback stands nevertheless.
    """

    def decide(now: DesiredState) -> Plan | None:
        if now.generation != state.generation:
            return None
        line = champions(stores.deployments.events(spec.name))
        try:
            target = rollback_target(now, line, None, stores.deployments.archived(spec.model_name))
        except ConflictError:
            return None  # there is nothing to return to
        evidence = {"withdrawn": version, "automatic": True, "guard": verdict.guard, "numbers": dict(verdict.numbers)}
        return Plan(ROLLBACK, roll_back(now, target), target, WHOLE, evidence)

    try:
        rollback = change(stores, spec, decide, ChangeRequest(actor, verdict.reason), version)
    except AcknowledgementError:
        _record_withdrawal(stores, spec, state, version, verdict)  # the rollback is written; workers keep retrying
        raise
    if not rollback.changed:
        return None
    _record_withdrawal(stores, spec, state, version, verdict)
    return rollback


def _record_withdrawal(stores: Stores, spec: EndpointSpec, state: DesiredState, version: str, verdict: Verdict) -> None:
    """Record the verdict, and end the A/B test that the version is in."""
    record_verdict(stores, spec, state, version, verdict)
    running = stores.trials.running(spec.name)
    if running is not None and running.challenger == version:
        result = {"guard": verdict.guard, "reason": verdict.reason}
        stores.trials.end(replace(running, ended_at=stores.now(), decision="rolled back", result=result))


def record_verdict(stores: Stores, spec: EndpointSpec, state: DesiredState, version: str, verdict: Verdict) -> None:
    """Record a verdict on a version, with its share of the traffic at that time."""
    numbers = {"guard": verdict.guard, "reason": verdict.reason, **verdict.numbers}
    share = state.share_of(version) or WHOLE
    stores.trials.record(Trial(spec.name, state.generation, version, share, verdict.verdict, numbers, stores.now()))
