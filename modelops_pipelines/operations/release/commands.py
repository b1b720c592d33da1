"""Commands that change the live model: deploy, promote, roll back; stop, start or delete an endpoint; archive.

Each decides from what is served now; ``apply`` makes the change.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import GateError
from modelops_pipelines.core.evaluation.gate import PASS
from modelops_pipelines.core.models.classes import TAG, missing_classes
from modelops_pipelines.core.release import desired_state
from modelops_pipelines.core.release.deployment_states import Stage, stage_of
from modelops_pipelines.core.release.desired_state import (
    CHALLENGER,
    CHAMPION,
    WHOLE,
    DesiredState,
    next_share,
    rollback_target,
)
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
from modelops_pipelines.operations.release.apply import Change, ChangeRequest, change
from modelops_pipelines.operations.release.plan import Plan
from modelops_pipelines.store.registry.version_classes import for_endpoint
from modelops_pipelines.store.state.improve.gates import Gate
from modelops_pipelines.store.state.release.deployments import ModelVersion, required_version
from modelops_pipelines.store.stores import Stores

Transition = Callable[[DesiredState], DesiredState | None]


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

    ``key`` is an idempotency key: a repeated request with the same key changes nothing more. When a worker cannot load
    the version, the previous state is restored and AcknowledgementError gives the reason. Raises UnknownError for a
    version that does not exist, ConflictError for an impossible share, an archived version or a stopped endpoint,
    SchemaError when its inputs clash with the endpoint, ModelError when its classes do.
    """
    for_endpoint(known_version(stores, spec, version), spec)

    def decide(state: DesiredState) -> Plan | None:
        after = desired_state.deploy(state, version, share)
        if (after.variants, after.status) == (state.variants, state.status):
            return None
        return Plan(DEPLOY, after, version, share, {"share": share})

    return change(stores, spec, decide, ChangeRequest(actor, reason, key, dry_run), version)


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

    Needs a passed gate for this version against the present champion; ``force`` skips the gate, and the history records
    that. With ``only_from`` nothing happens unless the endpoint is still at that generation. Raises GateError, or what
    ``deploy`` raises.
    """
    for_endpoint(known_version(stores, spec, version), spec)

    def decide(state: DesiredState) -> Plan | None:
        if state.champion == version or only_from not in (None, state.generation):
            return None
        gate = _passed_gate(stores, spec, state, version)
        if gate is None and not force:
            raise _no_gate(stores, spec, version, state.champion)
        share = next_share(state, version, spec.promotion.steps)
        evidence = {"share": share, "forced": gate is None, **({"gate": dict(gate.numbers)} if gate else {})}
        return Plan(PROMOTE, desired_state.deploy(state, version, share), version, share, evidence)

    return change(stores, spec, decide, ChangeRequest(actor, reason, dry_run=dry_run), version)


def roll_back(
    stores: Stores, spec: EndpointSpec, *, actor: str, reason: str, to: str | None = None, dry_run: bool = False
) -> Change:
    """Return to the previous champion, by the history; a challenger on trial is withdrawn first.

    Needs neither Dagster nor MLflow. Raises ConflictError when there is nothing to return to.
    """

    def decide(state: DesiredState) -> Plan | None:
        line = champions(stores.deployments.events(spec.name))
        target = rollback_target(state, line, to, stores.deployments.archived(spec.model_name))
        withdrawn = state.challenger or state.champion
        return Plan(ROLLBACK, desired_state.roll_back(state, target), target, WHOLE, {"withdrawn": withdrawn})

    return change(stores, spec, decide, ChangeRequest(actor, reason, dry_run=dry_run))


def stop(stores: Stores, spec: EndpointSpec, *, actor: str, reason: str, dry_run: bool = False) -> Change:
    """Have the endpoint refuse every prediction until it is started again; its variants are kept."""
    return _change_status(stores, spec, "stop", desired_state.stop, ChangeRequest(actor, reason, dry_run=dry_run))


def start(stores: Stores, spec: EndpointSpec, *, actor: str, reason: str, dry_run: bool = False) -> Change:
    """Have a stopped endpoint serve its variants again; raises ConflictError when one of its versions is archived."""
    return _change_status(stores, spec, "start", desired_state.start, ChangeRequest(actor, reason, dry_run=dry_run))


def delete(stores: Stores, spec: EndpointSpec, *, actor: str, reason: str, dry_run: bool = False) -> Change:
    """Remove every version from the endpoint, for good: callers get an error that says so; history and logs stay.

    A later deploy creates the endpoint again: its history goes on, its line of champions starts empty.
    """
    return _change_status(stores, spec, DELETE, desired_state.delete, ChangeRequest(actor, reason, dry_run=dry_run))


def shadow(stores: Stores, spec: EndpointSpec, version: str, *, actor: str, reason: str, share: int = WHOLE) -> Change:
    """Make a version the shadow: it answers logged requests; its answers are compared, never returned."""
    for_endpoint(known_version(stores, spec, version), spec)

    def decide(state: DesiredState) -> Plan | None:
        after = desired_state.shadow(state, version, share)
        evidence = {"share": share, "role": "shadow"}
        return None if after.variants == state.variants else Plan("shadow", after, version, share, evidence, False)

    return change(stores, spec, decide, ChangeRequest(actor, reason), version)


def end_shadow(stores: Stores, spec: EndpointSpec, *, actor: str, reason: str) -> Change:
    """Remove the shadow; its answers stay in the lake."""
    return _change_status(stores, spec, "end shadow", desired_state.without_shadow, ChangeRequest(actor, reason))


def archive(stores: Stores, spec: EndpointSpec, version: str, *, actor: str, reason: str) -> bool:
    """Archive a version: no endpoint of its model may serve it; False when it is archived already.

    ``restore`` reverses it. Raises UnknownError, and ConflictError while an endpoint serves it or has it on trial.
    """
    known_version(stores, spec, version)
    event = _version_event(stores, spec, "archive", version, actor, reason)
    return stores.deployments.archive(spec.model_name, version, _endpoints_of(stores, spec), event)


def restore(stores: Stores, spec: EndpointSpec, version: str, *, actor: str, reason: str) -> bool:
    """Make an archived version deployable again; False when it was not archived."""
    known_version(stores, spec, version)
    event = _version_event(stores, spec, "restore", version, actor, reason)
    return stores.deployments.restore(spec.model_name, version, event)


def stages(stores: Stores, spec: EndpointSpec) -> dict[str, Stage]:
    """Return the stage of each recorded version of the endpoint's model, derived from the deployments and gates."""
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


def sync_registry(stores: Stores, spec: EndpointSpec) -> None:
    """Write to MLflow what is live: its aliases, and as tags the stages that changed since the last write."""
    aliases = aliases_of(stores, spec)
    known = stores.synced_aliases.of(spec.model_name)
    now = {f"stage of {version}": stage for version, stage in stages(stores, spec).items()}
    changed = {name: stage for name, stage in now.items() if known.get(name) != stage}
    stores.registry.set_aliases(spec.model_name, aliases)
    stores.registry.set_stages(spec.model_name, {name.removeprefix("stage of "): s for name, s in changed.items()})
    stores.synced_aliases.record(spec.model_name, {**aliases, **changed}, stores.now())


def aliases_of(stores: Stores, spec: EndpointSpec) -> dict[str, str | None]:
    """Return the versions that MLflow's aliases of the endpoint should point to: champion and challenger.

    Endpoints that share a model each have their aliases, such as champion-flights: one alias cannot point to two
    versions.
    """
    state = stores.deployments.desired(spec.name)
    suffix = f"-{spec.name}" if len(_endpoints_of(stores, spec)) > 1 else ""
    return {f"{CHAMPION}{suffix}": state.champion, f"{CHALLENGER}{suffix}": state.challenger}


def known_version(stores: Stores, spec: EndpointSpec, version: str) -> ModelVersion:
    """Return the version, read from the registry when it is not recorded here yet; it fits the endpoint's tables."""
    found = stores.deployments.version(spec.model_name, version)
    if found is None:
        from modelops_pipelines.operations.drift.references import (
            adopt_reference,  # loads the profiles' code, which most commands do not need
        )

        found = stores.registry.describe(spec.model_name, version)
        check_inputs(stores, spec, found.inputs)
        adopt_reference(stores, found)
        stores.deployments.record_version(found)
    elif found.classes_from == TAG or missing_classes(
        spec.task, version, found.classes or spec.classes or None, found.output
    ):
        _read_tag_again(stores, found)
    return required_version(stores.deployments, spec.model_name, version)


def _read_tag_again(stores: Stores, found: ModelVersion) -> None:
    """Record the classes of the version's tag, which may have been set or corrected since the version was recorded."""
    tagged = stores.registry.tagged_classes(found.model_name, found.version)
    if tagged != found.classes:
        source = None if tagged is None else TAG
        stores.deployments.record_classes(replace(found, classes=tagged, classes_from=source))


def _change_status(
    stores: Stores, spec: EndpointSpec, action: str, transition: Transition, request: ChangeRequest
) -> Change:
    """Make a change that deploys no version."""

    def decide(state: DesiredState) -> Plan | None:
        after = transition(state)
        if after is None:
            return None
        return Plan(action, after, str(state.champion), is_deployment=False)

    version = stores.deployments.desired(spec.name).champion
    return change(stores, spec, decide, request, version)


def _endpoints_of(stores: Stores, spec: EndpointSpec) -> Sequence[str]:
    """Return the endpoints of the same model, including this one."""
    others = read_endpoints(stores.settings.endpoints)
    return sorted({spec.name, *(other.name for other in others if other.model_name == spec.model_name)})


def _version_event(stores: Stores, spec: EndpointSpec, action: str, version: str, actor: str, reason: str) -> Event:
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
    verdict = (
        f"its last verdict is '{judged[-1].verdict}' ({judged[-1].numbers.get('reason')})"
        if judged
        else "it was never evaluated"
    )
    return GateError(
        f"Version {version} of {spec.name!r} has no passed gate against champion {champion}: {verdict}",
        "Evaluate it (modelops retrain, or materialise 'evaluation'), or use --force with a reason",
    )
