"""Commands that change the live model: deploy, promote, roll back; stop, start or delete an endpoint; archive.

Each decides from what is served now; ``apply`` makes the change.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ConflictError
from modelops_pipelines.core.evaluation.gate import PASS, held_reasons
from modelops_pipelines.core.release import desired_state
from modelops_pipelines.core.release.admission import replaces_champion, require_reason
from modelops_pipelines.core.release.deployment_states import FAILED, Stage, stage_of
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
    START,
    Event,
    champion_periods,
    champions,
)
from modelops_pipelines.operations.endpoints.configurations import configured
from modelops_pipelines.operations.release.admission import admit, forced_note
from modelops_pipelines.operations.release.apply import Change, ChangeRequest, change
from modelops_pipelines.operations.release.plan import Plan
from modelops_pipelines.operations.release.rollbacks import offer_of_undo, why_it_was_replaced
from modelops_pipelines.operations.release.servable import require_servable
from modelops_pipelines.operations.versions.known_version import known_version
from modelops_pipelines.operations.versions.signed_versions import how_trusted
from modelops_pipelines.store.stores import Stores

Transition = Callable[[DesiredState], DesiredState | None]
_STOP, _END_SHADOW = "stop", "end shadow"
_UNCHANGED_STATUS = {
    _STOP: "it is stopped already",
    START: "it is not stopped",
    DELETE: "it is deleted already",
    _END_SHADOW: "it has no shadow",
}
"""Why each of these changes nothing, where it changes nothing."""


def deploy(  # noqa: PLR0913 - the parts of a deploy
    stores: Stores,
    spec: EndpointSpec,
    version: str,
    *,
    actor: str,
    reason: str,
    share: int = WHOLE,
    key: str | None = None,
    force: bool = False,
    dry_run: bool = False,
) -> Change:
    """Put a version on the endpoint with a share of the traffic (percent); wait until every live worker serves it.

    A deploy that would replace the champion needs a passed gate, as ``promote`` does; with ``force`` it needs a reason
    instead, and the history records that. A first deploy and a share on trial need none. ``key`` is an idempotency key:
    a repeated request with the same key changes nothing more. When a worker cannot load the version, the previous state
    is restored and AcknowledgementError gives the reason. Raises UnknownError for a version that does not exist,
    GateError, InputError for force without a reason, ConflictError for an impossible share, an archived version or a
    stopped endpoint, SchemaError when its inputs clash with the endpoint, ModelError when its classes do.
    """
    require_reason(reason, force=force)
    learned = require_servable(stores, spec, version)

    def decide(state: DesiredState) -> Plan | None:
        after = desired_state.deploy(state, version, share)
        if (after.variants, after.status) == (state.variants, state.status):
            return None
        evidence: dict[str, object] = {"share": share, **_trust(stores, spec, version)}
        if replaces_champion(state, after) and not _is_repeated(stores, spec, key):
            evidence |= admit(stores, spec, state, version, reason=reason, force=force)
        return Plan(DEPLOY, after, version, share, evidence, note=forced_note(evidence))

    made = change(stores, spec, decide, ChangeRequest(actor, reason, key, dry_run), version)
    return made if made.changed or made.note else replace(made, note=learned)


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

    Each step needs a pass as the newest verdict on this version, against the present champion, under the gate's present
    settings, no older than the gate's ``max_age``. With ``force`` it needs a reason instead, and the history records
    that. With ``only_from`` nothing happens unless the endpoint is still at that generation. Raises GateError, or what
    ``deploy`` raises.
    """
    require_reason(reason, force=force)
    require_servable(stores, spec, version)

    def decide(state: DesiredState) -> Plan | None:
        if state.champion == version or only_from not in (None, state.generation):
            return None
        share = next_share(state, version, spec.promotion.steps)
        admitted = admit(stores, spec, state, version, reason=reason, force=force)
        evidence = {"share": share, **_trust(stores, spec, version), **admitted}
        after = desired_state.deploy(state, version, share)
        return Plan(PROMOTE, after, version, share, evidence, note=forced_note(evidence))

    return change(stores, spec, decide, ChangeRequest(actor, reason, dry_run=dry_run), version)


def roll_back(
    stores: Stores, spec: EndpointSpec, *, actor: str, reason: str, to: str | None = None, dry_run: bool = False
) -> Change:
    """Return to the previous champion, by the history; a challenger on trial is withdrawn first.

    Needs neither Dagster nor MLflow. ``undo_rollback`` reverses it. Raises ConflictError when there is nothing to
    return to.
    """

    def decide(state: DesiredState) -> Plan | None:
        events = stores.deployments.events(spec.name)
        try:
            target = rollback_target(state, champions(events), to, stores.deployments.archived(spec.model_name))
        except ConflictError as error:
            offer = offer_of_undo(events, spec.name)
            raise (ConflictError(error.message, offer) if offer and to is None else error) from None
        leaves = state.challenger is not None and target == state.champion
        note = f"version {state.challenger} leaves its trial" if leaves else why_it_was_replaced(events, target)
        after, evidence = desired_state.roll_back(state, target), {"withdrawn": state.challenger or state.champion}
        return Plan(ROLLBACK, after, target, WHOLE, evidence, note=note)

    return change(stores, spec, decide, ChangeRequest(actor, reason, dry_run=dry_run))


def stop(stores: Stores, spec: EndpointSpec, *, actor: str, reason: str, dry_run: bool = False) -> Change:
    """Have the endpoint refuse every prediction until it is started again; its variants are kept."""
    return _change_status(stores, spec, _STOP, desired_state.stop, ChangeRequest(actor, reason, dry_run=dry_run))


def start(stores: Stores, spec: EndpointSpec, *, actor: str, reason: str, dry_run: bool = False) -> Change:
    """Have a stopped endpoint serve its variants again; raises ConflictError when one of its versions is archived."""
    return _change_status(stores, spec, START, desired_state.start, ChangeRequest(actor, reason, dry_run=dry_run))


def delete(stores: Stores, spec: EndpointSpec, *, actor: str, reason: str, dry_run: bool = False) -> Change:
    """Remove every version from the endpoint, for good: callers get an error that says so; history and logs stay.

    A later deploy creates the endpoint again: its history goes on, its line of champions starts empty.
    """
    return _change_status(stores, spec, DELETE, desired_state.delete, ChangeRequest(actor, reason, dry_run=dry_run))


def shadow(stores: Stores, spec: EndpointSpec, version: str, *, actor: str, reason: str, share: int = WHOLE) -> Change:
    """Make a version the shadow: it answers logged requests; its answers are compared, never returned."""
    require_servable(stores, spec, version)

    def decide(state: DesiredState) -> Plan | None:
        after = desired_state.shadow(state, version, share)
        evidence = {"share": share, "role": "shadow"}
        return None if after.variants == state.variants else Plan("shadow", after, version, share, evidence, False)

    return change(stores, spec, decide, ChangeRequest(actor, reason), version)


def end_shadow(stores: Stores, spec: EndpointSpec, *, actor: str, reason: str) -> Change:
    """Remove the shadow; its answers stay in the lake. Raises ConflictError on an endpoint that serves no version."""

    def ended(state: DesiredState) -> DesiredState | None:
        desired_state.require_champion(state, "end")
        return desired_state.without_shadow(state)

    return _change_status(stores, spec, _END_SHADOW, ended, ChangeRequest(actor, reason))


def archive(stores: Stores, spec: EndpointSpec, version: str, *, actor: str, reason: str) -> bool:
    """Archive a version: no endpoint of its model may serve it; False when it is archived already.

    ``restore`` reverses it. Raises UnknownError, and ConflictError while an endpoint serves it or has it on trial.
    """
    known_version(stores, spec, version, fits=False)
    event = _version_event(stores, spec, "archive", version, actor, reason)
    return stores.deployments.archive(spec.model_name, version, _endpoints_of(stores, spec), event)


def restore(stores: Stores, spec: EndpointSpec, version: str, *, actor: str, reason: str) -> bool:
    """Make an archived version deployable again; False when it was not archived."""
    known_version(stores, spec, version, fits=False)
    event = _version_event(stores, spec, "restore", version, actor, reason)
    return stores.deployments.restore(spec.model_name, version, event)


def stages(stores: Stores, spec: EndpointSpec, sees: Callable[[str], bool] | None = None) -> dict[str, Stage]:
    """Return the stage of each recorded version of the endpoint's model, derived from the deployments and gates.

    ``sees`` says which other endpoints of the model count (None: all).
    """
    endpoints = [name for name in _endpoints_of(stores, spec) if sees is None or name == spec.name or sees(name)]
    states = [stores.deployments.desired(name) for name in endpoints]
    archived = stores.deployments.archived(spec.model_name)
    newest = {(name, gate.version): gate for name in endpoints for gate in stores.gates.of(name)}  # oldest first
    proven = {one.version for one in newest.values() if one.verdict == PASS and not held_reasons(one.numbers)}
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
    made = change(stores, spec, decide, request, version)
    return made if made.changed else replace(made, action=action, note=_UNCHANGED_STATUS[action])


def _trust(stores: Stores, spec: EndpointSpec, version: str) -> dict[str, object]:
    """Return how the version is trusted, for the history; empty for one that needs no trust, or was trained here."""
    known = stores.deployments.version(spec.model_name, version)
    found = None if known is None else how_trusted(known, spec)
    return {} if found is None else {"trust": found}


def _is_repeated(stores: Stores, spec: EndpointSpec, key: str | None) -> bool:
    """Return whether a request with this idempotency key has changed something, or is under way: it changes no more."""
    known = None if key is None else stores.deployments.attempt(f"{spec.name}/{key}")
    return known is not None and (known.status != FAILED or known.generation is not None)


def _endpoints_of(stores: Stores, spec: EndpointSpec) -> Sequence[str]:
    """Return the endpoints of the same model, including this one."""
    others = configured(stores.settings)
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
