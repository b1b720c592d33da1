"""What changes the live model: deploy, promote, roll back. Each writes the desired state and waits for the workers."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from modelops_pipelines.core.endpoint import EndpointSpec
from modelops_pipelines.core.errors import AcknowledgementError, ConflictError, GateError
from modelops_pipelines.core.gate import PASS, GateConfig
from modelops_pipelines.core.rollout import (
    WHOLE,
    DesiredState,
    Event,
    Variant,
    champions,
    next_share,
    rollback_target,
    variants_of,
)
from modelops_pipelines.core.rollout import deploy as deployed
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.schemas import check_inputs
from modelops_pipelines.store.deployments import ModelVersion, StaleStateError, required_version
from modelops_pipelines.store.journal import Gate
from modelops_pipelines.store.stores import Stores

DEPLOY_SECONDS = 120.0
POLL_SECONDS = 0.02
ATTEMPTS = 10


@dataclass(frozen=True)
class Change:
    """What an operation did: the event's values, and who serves it now."""

    endpoint: str
    action: str
    from_version: str | None
    to_version: str
    share: int
    generation: int
    workers: int
    seconds: float
    changed: bool = True

    @property
    def sentence(self) -> str:
        """The change in words."""
        if not self.changed:
            return f"{self.endpoint}: version {self.to_version} is live already; nothing changed"
        took = f"{self.workers} worker(s) serve it" if self.workers else "no gateway is running: it will serve this"
        return (
            f"{self.endpoint}: {self.action} {self.from_version or 'nothing'} -> {self.to_version} "
            f"({self.share} % of the traffic, generation {self.generation}); {took}, {self.seconds:.2f} s"
        )


@dataclass(frozen=True)
class _Plan:
    action: str
    variants: tuple[Variant, ...]
    to_version: str
    share: int
    evidence: Mapping[str, object]


def deploy(stores: Stores, spec: EndpointSpec, version: str, *, actor: str, reason: str, share: int = WHOLE) -> Change:
    """Put a version on the endpoint with a share of the traffic (percent); wait until every live worker serves it.

    When a worker cannot load it, the previous state is restored and AcknowledgementError tells why. Raises
    UnknownError for a version that does not exist, ConflictError for an impossible share, SchemaError when its
    inputs clash with the endpoint.
    """
    _known_version(stores, spec, version)

    def plan(state: DesiredState) -> _Plan | None:
        variants = deployed(state, version, share)
        return None if variants == state.variants else _Plan("deploy", variants, version, share, {"share": share})

    return _change(stores, spec, version, plan, actor, reason, revert=True)


def promote(
    stores: Stores, spec: EndpointSpec, version: str, *, actor: str, reason: str, force: bool = False
) -> Change:
    """Take a version one step further on the endpoint's promotion plan; the last step makes it the champion.

    Needs a passed gate for this version against the present champion; ``force`` goes without and says so in the
    history. Raises GateError, or what ``deploy`` raises.
    """
    _known_version(stores, spec, version)

    def plan(state: DesiredState) -> _Plan | None:
        if state.champion == version:
            return None
        gate = _passed_gate(stores, spec, state, version)
        if gate is None and not force:
            raise _no_gate(stores, spec, version, state.champion)
        share = next_share(state, version, spec.promotion.steps)
        evidence = {"share": share, "forced": gate is None, **({"gate": dict(gate.numbers)} if gate else {})}
        return _Plan("promote", deployed(state, version, share), version, share, evidence)

    return _change(stores, spec, version, plan, actor, reason, revert=True)


def roll_back(stores: Stores, spec: EndpointSpec, *, actor: str, reason: str, to: str | None = None) -> Change:
    """Return to the champion before, by the history; a challenger on trial is withdrawn first.

    Needs neither Dagster nor MLflow. Raises ConflictError when there is nothing to return to.
    """

    def plan(state: DesiredState) -> _Plan | None:
        target = rollback_target(state, champions(stores.deployments.events(spec.name)), to)
        return _Plan("rollback", variants_of(target), target, WHOLE, {"withdrawn": state.challenger or state.champion})

    return _change(stores, spec, None, plan, actor, reason, revert=False)


def mirror_aliases(stores: Stores, spec: EndpointSpec) -> None:
    """Set MLflow's aliases to what is live."""
    state = stores.deployments.desired(spec.name)
    if state.champion is not None:
        stores.registry.set_aliases(spec.model_name, state.champion, state.challenger)


def _change(
    stores: Stores,
    spec: EndpointSpec,
    version: str | None,
    plan: Callable[[DesiredState], _Plan | None],
    actor: str,
    reason: str,
    *,
    revert: bool,
) -> Change:
    started = time.monotonic()
    for _ in range(ATTEMPTS):
        before = stores.deployments.desired(spec.name)
        planned = plan(before)
        if planned is None:
            return Change(spec.name, "none", version, str(version), WHOLE, before.generation, 0, 0.0, changed=False)
        try:
            after = stores.deployments.change(before, planned.variants, _event(stores, before, planned, actor, reason))
        except StaleStateError:
            continue
        workers = _await_workers(stores, spec, before, after, planned, revert=revert)
        seconds = time.monotonic() - started
        return Change(
            spec.name,
            planned.action,
            before.champion,
            planned.to_version,
            planned.share,
            after.generation,
            workers,
            seconds,
        )
    raise ConflictError(f"Endpoint {spec.name!r} is being changed by others all the time", "Try again")


def _event(stores: Stores, before: DesiredState, planned: _Plan, actor: str, reason: str) -> Event:
    """Return the change as an event; its evidence says how far the data reached."""
    watermark = stores.journal.progress(before.endpoint).watermark
    return Event(
        number=0,
        endpoint=before.endpoint,
        at=stores.now(),
        actor=actor,
        action=planned.action,
        from_version=before.champion,
        to_version=planned.to_version,
        generation=before.generation + 1,
        reason=reason,
        evidence={**planned.evidence, "watermark": None if watermark is None else text(watermark)},
    )


def _await_workers(
    stores: Stores, spec: EndpointSpec, before: DesiredState, after: DesiredState, planned: _Plan, *, revert: bool
) -> int:
    """Wait until every live worker serves the generation, or one that has overtaken it; return their number."""
    deadline = time.monotonic() + DEPLOY_SECONDS
    while True:
        said = stores.deployments.acknowledgements(spec.name, stores.now())
        failed = [worker for worker in said if worker.error and worker.generation == after.generation]
        if failed:
            raise _refused(stores, spec, before, after, planned, failed[0].error or "", revert=revert)
        if all(worker.generation >= after.generation for worker in said):
            return len(said)
        if time.monotonic() > deadline:
            late = f"no acknowledgement within {DEPLOY_SECONDS:.0f} s"
            raise _refused(stores, spec, before, after, planned, late, revert=revert)
        time.sleep(POLL_SECONDS)


def _refused(
    stores: Stores,
    spec: EndpointSpec,
    before: DesiredState,
    after: DesiredState,
    planned: _Plan,
    why: str,
    *,
    revert: bool,
) -> AcknowledgementError:
    """Put the previous state back (where there was one) and return the error that says what happened."""
    put_back = _put_back(stores, before, after, planned, why) if revert and before.variants else "it stays asked for"
    return AcknowledgementError(
        f"A gateway worker cannot serve version {planned.to_version} of {spec.name!r}: {why}; {put_back}",
        "See the gateway's log, then try again",
    )


def _put_back(stores: Stores, before: DesiredState, after: DesiredState, planned: _Plan, why: str) -> str:
    """Restore the state before, unless another change has come since; return what was done, in words."""
    target = str(before.champion)
    undo = _Plan("rollback", before.variants, target, WHOLE, {"withdrawn": planned.to_version, "automatic": True})
    try:
        stores.deployments.change(after, undo.variants, _event(stores, after, undo, "modelops", f"reverted: {why}"))
    except StaleStateError:
        return "another change has overtaken it, so nothing was put back"
    return f"version {target} was put back"


def _known_version(stores: Stores, spec: EndpointSpec, version: str) -> ModelVersion:
    """Return the version, taken from the registry when it was never recorded here, and fit for the endpoint."""
    found = stores.deployments.version(spec.model_name, version)
    if found is None:
        from modelops_pipelines.operations.references import adopt_reference  # profiles: not before they are needed

        found = stores.registry.describe(spec.model_name, version)
        check_inputs(stores, spec, found.inputs)
        adopt_reference(stores, found)
        stores.deployments.record_version(found)
    return required_version(stores.deployments, spec.model_name, version)


def _passed_gate(stores: Stores, spec: EndpointSpec, state: DesiredState, version: str) -> Gate | None:
    wanted = (version, state.champion, GateConfig().hash, PASS)
    gates = reversed(stores.journal.gates(spec.name))
    return next((g for g in gates if (g.version, g.champion, g.gate_hash, g.verdict) == wanted), None)


def _no_gate(stores: Stores, spec: EndpointSpec, version: str, champion: str | None) -> GateError:
    judged = [gate for gate in stores.journal.gates(spec.name) if gate.version == version]
    said = (
        f"its last verdict is '{judged[-1].verdict}' ({judged[-1].numbers.get('reason')})"
        if judged
        else "it was never judged"
    )
    return GateError(
        f"Version {version} of {spec.name!r} has no passed gate against champion {champion}: {said}",
        "Evaluate it (modelops retrain, or materialise 'evaluation'), or use --force with a reason",
    )
