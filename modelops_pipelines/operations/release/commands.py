"""What changes the live model: deploy, promote, roll back; stop, start and delete an endpoint; archive a version.

Each decides on what is served now, and ``changes`` makes it so.
"""

from collections.abc import Callable, Sequence

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import GateError
from modelops_pipelines.core.evaluation.gate import PASS
from modelops_pipelines.core.release.deployment_states import Stage, stage_of
from modelops_pipelines.core.release.desired_state import (
    CHALLENGER,
    CHAMPION,
    WHOLE,
    DesiredState,
    next_share,
    rollback_target,
    without_shadow,
)
from modelops_pipelines.core.release.desired_state import delete as deleted
from modelops_pipelines.core.release.desired_state import deploy as deployed
from modelops_pipelines.core.release.desired_state import roll_back as rolled_back
from modelops_pipelines.core.release.desired_state import shadow as shadowed
from modelops_pipelines.core.release.desired_state import start as started
from modelops_pipelines.core.release.desired_state import stop as stopped
from modelops_pipelines.core.release.event_log import (
    DELETE,
    DEPLOY,
    PROMOTE,
    ROLLBACK,
    Event,
    champion_periods,
    champions,
)
from modelops_pipelines.operations.endpoints.load import read_endpoints
from modelops_pipelines.operations.lake.endpoint_tables import check_inputs
from modelops_pipelines.operations.release.apply import Ask, Change, change
from modelops_pipelines.operations.release.plan import Plan
from modelops_pipelines.store.state.improve.gates import Gate
from modelops_pipelines.store.state.release.deployments import ModelVersion, required_version
from modelops_pipelines.store.stores import Stores

Move = Callable[[DesiredState], DesiredState | None]


def deploy(
    stores: Stores,
    spec: EndpointSpec,
    version: str,
    *,
    actor: str,
    reason: str,
    share: int = WHOLE,
    key: str | None = None,
    dry_run: bool = False,
) -> Change:
    """Put a version on the endpoint with a share of the traffic (percent); wait until every live worker serves it.

    ``key`` is an idempotency key: asked for again under it, nothing more happens. When a worker cannot load it, the
    previous state is restored and AcknowledgementError tells why. Raises UnknownError for a version that does not
    exist, ConflictError for an impossible share, an archived version or a stopped endpoint, SchemaError when its
    inputs clash with the endpoint.
    """
    known_version(stores, spec, version)

    def decide(state: DesiredState) -> Plan | None:
        after = deployed(state, version, share)
        if (after.variants, after.status) == (state.variants, state.status):
            return None
        return Plan(DEPLOY, after, version, share, {"share": share})

    return change(stores, spec, decide, Ask(actor, reason, key, dry_run), version)


def promote(
    stores: Stores,
    spec: EndpointSpec,
    version: str,
    *,
    actor: str,
    reason: str,
    force: bool = False,
    dry_run: bool = False,
    only_from: int | None = None,
) -> Change:
    """Take a version one step further on the endpoint's promotion plan; the last step makes it the champion.

    Needs a passed gate for this version against the present champion; ``force`` goes without and says so in the
    history. With ``only_from`` nothing happens where the endpoint is at another generation by now. Raises GateError, or
    what ``deploy`` raises.
    """
    known_version(stores, spec, version)

    def decide(state: DesiredState) -> Plan | None:
        if state.champion == version or only_from not in (None, state.generation):
            return None
        gate = _passed_gate(stores, spec, state, version)
        if gate is None and not force:
            raise _no_gate(stores, spec, version, state.champion)
        share = next_share(state, version, spec.promotion.steps)
        evidence = {"share": share, "forced": gate is None, **({"gate": dict(gate.numbers)} if gate else {})}
        return Plan(PROMOTE, deployed(state, version, share), version, share, evidence)

    return change(stores, spec, decide, Ask(actor, reason, dry_run=dry_run), version)


def roll_back(
    stores: Stores, spec: EndpointSpec, *, actor: str, reason: str, to: str | None = None, dry_run: bool = False
) -> Change:
    """Return to the champion before, by the history; a challenger on trial is withdrawn first.

    Needs neither Dagster nor MLflow. Raises ConflictError when there is nothing to return to.
    """

    def decide(state: DesiredState) -> Plan | None:
        line = champions(stores.deployments.events(spec.name))
        target = rollback_target(state, line, to, stores.deployments.archived(spec.model_name))
        withdrawn = state.challenger or state.champion
        return Plan(ROLLBACK, rolled_back(state, target), target, WHOLE, {"withdrawn": withdrawn})

    return change(stores, spec, decide, Ask(actor, reason, dry_run=dry_run))


def stop(stores: Stores, spec: EndpointSpec, *, actor: str, reason: str, dry_run: bool = False) -> Change:
    """Have the endpoint refuse every prediction until it is started again; what it serves is kept."""
    return _plain(stores, spec, "stop", stopped, Ask(actor, reason, dry_run=dry_run))


def start(stores: Stores, spec: EndpointSpec, *, actor: str, reason: str, dry_run: bool = False) -> Change:
    """Have a stopped endpoint serve again what it did; raises ConflictError when a version of it is archived."""
    return _plain(stores, spec, "start", started, Ask(actor, reason, dry_run=dry_run))


def delete(stores: Stores, spec: EndpointSpec, *, actor: str, reason: str, dry_run: bool = False) -> Change:
    """Take everything off the endpoint, for good: callers are told that it is gone; history and logs stay.

    A later deploy makes it anew, with a history that goes on and champions that begin anew.
    """
    return _plain(stores, spec, DELETE, deleted, Ask(actor, reason, dry_run=dry_run))


def shadow(stores: Stores, spec: EndpointSpec, version: str, *, actor: str, reason: str, share: int = WHOLE) -> Change:
    """Have a version answer the endpoint's requests beside the live ones, from the log: compared, never returned."""
    known_version(stores, spec, version)

    def decide(state: DesiredState) -> Plan | None:
        after = shadowed(state, version, share)
        evidence = {"share": share, "role": "shadow"}
        return None if after.variants == state.variants else Plan("shadow", after, version, share, evidence, False)

    return change(stores, spec, decide, Ask(actor, reason), version)


def end_shadow(stores: Stores, spec: EndpointSpec, *, actor: str, reason: str) -> Change:
    """Take the shadow away; what it said stays in the lake."""
    return _plain(stores, spec, "end shadow", without_shadow, Ask(actor, reason))


def archive(stores: Stores, spec: EndpointSpec, version: str, *, actor: str, reason: str) -> bool:
    """Have a version serve no more, on any endpoint of its model; False when it is archived already.

    Reversible. Raises UnknownError, and ConflictError while an endpoint serves or tries it.
    """
    known_version(stores, spec, version)
    event = _noted(stores, spec, "archive", version, actor, reason)
    return stores.deployments.archive(spec.model_name, version, _endpoints_of(stores, spec), event)


def restore(stores: Stores, spec: EndpointSpec, version: str, *, actor: str, reason: str) -> bool:
    """Have an archived version be deployable again; False when it was not archived."""
    known_version(stores, spec, version)
    event = _noted(stores, spec, "restore", version, actor, reason)
    return stores.deployments.restore(spec.model_name, version, event)


def stages(stores: Stores, spec: EndpointSpec) -> dict[str, Stage]:
    """Return the stage of each recorded version of the endpoint's model: what is true of it, stored nowhere else."""
    endpoints = _endpoints_of(stores, spec)
    states = [stores.deployments.desired(name) for name in endpoints]
    archived = stores.deployments.archived(spec.model_name)
    proven = {gate.version for name in endpoints for gate in stores.gates.of(name) if gate.verdict == PASS}
    proven |= {reign.version for name in endpoints for reign in champion_periods(stores.deployments.events(name))}
    return {
        known.version: stage_of(
            known.version, states, archived=known.version in archived, proven=known.version in proven
        )
        for known in stores.deployments.versions(spec.model_name)
    }


def mirror(stores: Stores, spec: EndpointSpec) -> None:
    """Tell MLflow what is live: its aliases, and as tags the stages that have changed since it was last told."""
    aliases = aliases_of(stores, spec)
    known = stores.synced_aliases.of(spec.model_name)
    now = {f"stage of {version}": stage for version, stage in stages(stores, spec).items()}
    changed = {name: stage for name, stage in now.items() if known.get(name) != stage}
    stores.registry.set_aliases(spec.model_name, aliases)
    stores.registry.set_stages(spec.model_name, {name.removeprefix("stage of "): s for name, s in changed.items()})
    stores.synced_aliases.record(spec.model_name, {**aliases, **changed}, stores.now())


def aliases_of(stores: Stores, spec: EndpointSpec) -> dict[str, str | None]:
    """Return what MLflow's aliases of the endpoint should say: champion and challenger.

    Endpoints that share a model have aliases of their own, such as champion-flights: one alias cannot be two versions.
    """
    state = stores.deployments.desired(spec.name)
    suffix = f"-{spec.name}" if len(_endpoints_of(stores, spec)) > 1 else ""
    return {f"{CHAMPION}{suffix}": state.champion, f"{CHALLENGER}{suffix}": state.challenger}


def known_version(stores: Stores, spec: EndpointSpec, version: str) -> ModelVersion:
    """Return the version, taken from the registry when it was never recorded here, and fit for the endpoint."""
    found = stores.deployments.version(spec.model_name, version)
    if found is None:
        from modelops_pipelines.operations.drift.references import (
            adopt_reference,  # profiles: not before they are needed
        )

        found = stores.registry.describe(spec.model_name, version)
        check_inputs(stores, spec, found.inputs)
        adopt_reference(stores, found)
        stores.deployments.record_version(found)
    return required_version(stores.deployments, spec.model_name, version)


def _plain(stores: Stores, spec: EndpointSpec, action: str, move: Move, ask: Ask) -> Change:
    """Make a change that puts no version anywhere."""

    def decide(state: DesiredState) -> Plan | None:
        after = move(state)
        if after is None:
            return None
        return Plan(action, after, str(state.champion), is_deployment=False)

    version = stores.deployments.desired(spec.name).champion
    return change(stores, spec, decide, ask, version)


def _endpoints_of(stores: Stores, spec: EndpointSpec) -> Sequence[str]:
    """Return the endpoints of the same model, this one among them."""
    others = read_endpoints(stores.settings.endpoints)
    return sorted({spec.name, *(other.name for other in others if other.model_name == spec.model_name)})


def _noted(stores: Stores, spec: EndpointSpec, action: str, version: str, actor: str, reason: str) -> Event:
    state = stores.deployments.desired(spec.name)
    return Event(
        number=0,
        endpoint=spec.name,
        at=stores.now(),
        actor=actor,
        action=action,
        from_version=state.champion,
        to_version=version,
        generation=state.generation,
        reason=reason,
        evidence={"model_name": spec.model_name},
    )


def _passed_gate(stores: Stores, spec: EndpointSpec, state: DesiredState, version: str) -> Gate | None:
    wanted = (version, state.champion, spec.gate.hash, PASS)
    gates = reversed(stores.gates.of(spec.name))
    return next((g for g in gates if (g.version, g.champion, g.gate_hash, g.verdict) == wanted), None)


def _no_gate(stores: Stores, spec: EndpointSpec, version: str, champion: str | None) -> GateError:
    judged = [gate for gate in stores.gates.of(spec.name) if gate.version == version]
    said = (
        f"its last verdict is '{judged[-1].verdict}' ({judged[-1].numbers.get('reason')})"
        if judged
        else "it was never judged"
    )
    return GateError(
        f"Version {version} of {spec.name!r} has no passed gate against champion {champion}: {said}",
        "Evaluate it (modelops retrain, or materialise 'evaluation'), or use --force with a reason",
    )
