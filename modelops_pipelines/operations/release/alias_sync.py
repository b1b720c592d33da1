"""Reconciles MLflow's aliases with what is live: updates them; reports those moved by hand, or does what they ask for.

An alias moved to an earlier champion asks for a rollback, one moved to another version for a promotion by the gate.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from modelops_pipelines.core.alerting.alerts import Verdict
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelOpsError
from modelops_pipelines.core.release.alias_status import BEHIND, MOVED, alias_status
from modelops_pipelines.core.release.desired_state import CHAMPION, DesiredState
from modelops_pipelines.core.release.event_log import Event, champions, state_before, undoable_rollback
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.alerting.life.raise_alerts import raise_alerts
from modelops_pipelines.operations.release.admission import refusal_of
from modelops_pipelines.operations.release.apply import Change
from modelops_pipelines.operations.release.commands import (
    aliases_of,
    deploy,
    promote,
    roll_back,
    sync_registry,
)
from modelops_pipelines.operations.release.rollbacks import undo_command, undo_rollback
from modelops_pipelines.operations.versions.known_version import known_version
from modelops_pipelines.store.state.improve.gates import Gate
from modelops_pipelines.store.stores import Stores

RULE = "registry"
ACTOR = "reconciler"
Evaluate = Callable[[Stores, EndpointSpec, str], Gate]
"""Judges a version against the champion, on the same rows, and records the verdict."""


@dataclass(frozen=True)
class Reconciled:
    """What was found of an endpoint's aliases and what was done: in step, updated, adopted, or reported."""

    endpoint: str
    action: str
    message: str


def reconcile(stores: Stores, spec: EndpointSpec, source: str, evaluate: Evaluate) -> Reconciled:
    """Compare the registry's aliases with what is live, and do what the endpoint's YAML says.

    Aliases that are behind are updated. An alias moved by hand opens the alert ``registry``, which names the command
    that does what was meant (``promotion: {aliases: report}``). With ``adopt`` it is done here: a rollback to an
    earlier champion, or a promotion through the gate, for which the version is evaluated when it has no verdict that
    counts now; a refusal is reported. ``source`` names this run: the same source again counts an alert once.
    """
    if spec.is_elsewhere:
        return Reconciled(spec.name, "in step", "the endpoint is served elsewhere: no alias belongs to it")
    live = aliases_of(stores, spec)
    written, found = stores.synced_aliases.of(spec.model_name), stores.registry.aliases(spec.model_name)
    stands = {alias: alias_status(alias, version, written, found.get(alias)) for alias, version in live.items()}
    moved = [alias for alias, how in stands.items() if how == MOVED]
    if moved:
        adopted = _adopt_alias(stores, spec, moved, found, evaluate) if spec.promotion.aliases == "adopt" else None
        action, message = adopted or ("reported", "; ".join(_differences(stores, spec, moved, found, live)))
    elif BEHIND in stands.values():
        sync_registry(stores, spec)
        action, message = "updated", "the aliases were updated to what is live"
    else:
        action, message = "in step", "the aliases point to what is live"
        if written != {**written, **live}:
            stores.synced_aliases.record(spec.model_name, live, stores.now())
    window = text(stores.now())
    verdict = Verdict(RULE, RULE, "warning", action != "reported", None, None, 1, window, f"MLflow: {message}")
    raise_alerts(stores, spec.name, [verdict], source=source)
    return Reconciled(spec.name, action, message)


def _differences(
    stores: Stores,
    spec: EndpointSpec,
    moved: Sequence[str],
    found: Mapping[str, str],
    live: Mapping[str, str | None],
) -> Iterator[str]:
    """Yield how each moved alias differs from what is live, and the command that does what was meant."""
    events = stores.deployments.events(spec.name)
    for alias in moved:
        version = found.get(alias)
        differs = f"alias {alias!r} points to {version}, but {live[alias]} is live"
        if version is None:
            yield differs
        elif alias.startswith(CHAMPION):
            yield f"{differs}; {_command_for(spec, events, version)}"
        else:
            yield f"{differs}; to put it on trial: modelops deploy {spec.name} {version} --share 10"


def _command_for(spec: EndpointSpec, events: Sequence[Event], version: str) -> str:
    if version in champions(events)[:-1]:
        return f"to return to it: modelops rollback {spec.name} --to {version} --reason TEXT"
    rollback = undoable_rollback(events)
    if rollback is not None and state_before(rollback, events).champion == version:
        return f"to return to it: {undo_command(rollback)}"
    return f"to promote it: modelops evaluate {spec.name} {version}, then modelops promote {spec.name} {version}"


def _adopt_alias(
    stores: Stores, spec: EndpointSpec, moved: Sequence[str], found: Mapping[str, str], evaluate: Evaluate
) -> tuple[str, str] | None:
    """Do what the champion's moved alias asks for; None where that alias was not moved, or was removed."""
    champion = next((alias for alias in moved if alias.startswith(CHAMPION)), None)
    version = found.get(champion or "")
    if version is None:
        return None
    reason = f"alias {champion!r} was moved to version {version} in MLflow"
    try:
        change = _follow(stores, spec, version, reason, evaluate)
    except ModelOpsError as error:
        return "reported", f"{reason}; this was refused: {error}"
    sync_registry(stores, spec)
    return "adopted", change.sentence


def _follow(stores: Stores, spec: EndpointSpec, version: str, reason: str, evaluate: Evaluate) -> Change:
    """Roll back to an earlier champion, undo a rollback, make a first deploy, or promote a version by the gate."""
    state, events = stores.deployments.desired(spec.name), stores.deployments.events(spec.name)
    if version in champions(events)[:-1]:
        return roll_back(stores, spec, actor=ACTOR, reason=reason, to=version)
    rollback = undoable_rollback(events)
    if rollback is not None and state_before(rollback, events).champion == version:
        return undo_rollback(stores, spec, actor=ACTOR, reason=reason)
    if state.champion is None:
        return deploy(stores, spec, version, actor=ACTOR, reason=reason)
    _evaluate_if_outdated(stores, spec, state, version, evaluate)
    return promote(stores, spec, version, actor=ACTOR, reason=reason)


def _evaluate_if_outdated(
    stores: Stores, spec: EndpointSpec, state: DesiredState, version: str, evaluate: Evaluate
) -> None:
    """Evaluate the version when that may change the gate's answer: a verdict that counts now is not repeated."""
    known_version(stores, spec, version)
    refused = refusal_of(stores, spec, state, version)
    if refused is not None and refused.is_outdated:
        evaluate(stores, spec, version)
