"""Reconciles MLflow's aliases with what is live: updates them; reports those moved by hand, or promotes by the gate."""

from collections.abc import Sequence
from dataclasses import dataclass

from modelops_pipelines.core.alerting.alerts import Verdict
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelOpsError
from modelops_pipelines.core.release.alias_status import BEHIND, MOVED, alias_status
from modelops_pipelines.core.release.desired_state import CHAMPION
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.alerting.raise_alerts import raise_alerts
from modelops_pipelines.operations.release.commands import aliases_of, deploy, promote, sync_registry
from modelops_pipelines.store.stores import Stores

RULE = "registry"
ACTOR = "reconciler"


@dataclass(frozen=True)
class Reconciled:
    """What was found of an endpoint's aliases and what was done: in step, updated, adopted, or reported."""

    endpoint: str
    action: str
    message: str


def reconcile(stores: Stores, spec: EndpointSpec, source: str) -> Reconciled:
    """Compare the registry's aliases with what is live, and do what the endpoint's YAML says.

    Aliases that are behind are updated. An alias moved by hand opens the alert ``registry`` (``promotion: {aliases:
    report}``) or requests a promotion through the gate (``adopt``); a refusal is reported. What is live never changes
    without the gate. ``source`` names this run: the same source again counts an alert once.
    """
    live = aliases_of(stores, spec)
    written, found = stores.synced_aliases.of(spec.model_name), stores.registry.aliases(spec.model_name)
    stands = {alias: alias_status(alias, version, written, found.get(alias)) for alias, version in live.items()}
    moved = [alias for alias, how in stands.items() if how == MOVED]
    if moved:
        differences = (f"alias {alias!r} points to {found.get(alias)}, but {live[alias]} is live" for alias in moved)
        adopted = _adopt_alias(stores, spec, moved, found) if spec.promotion.aliases == "adopt" else None
        action, message = adopted or ("reported", "; ".join(differences))
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


def _adopt_alias(
    stores: Stores, spec: EndpointSpec, moved: Sequence[str], found: dict[str, str]
) -> tuple[str, str] | None:
    """Promote the version that the champion's alias was moved to by a step; None where that alias was not moved."""
    champion = next((alias for alias in moved if alias.startswith(CHAMPION)), None)
    version = found.get(champion or "")
    if version is None:
        return None
    reason = f"alias {champion!r} was moved to version {version} in MLflow"
    try:
        if stores.deployments.desired(spec.name).champion is None:
            change = deploy(stores, spec, version, actor=ACTOR, reason=reason)
        else:
            change = promote(stores, spec, version, actor=ACTOR, reason=reason)
    except ModelOpsError as error:
        return "reported", f"{reason}; the promotion was refused: {error.message}"
    sync_registry(stores, spec)
    return "adopted", change.sentence
