"""MLflow's aliases against what is live: brought up to date; moved by hand, reported or adopted through the gate."""

from collections.abc import Sequence
from dataclasses import dataclass

from modelops_pipelines.core.alerting.alerts import Verdict
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelOpsError
from modelops_pipelines.core.release.alias_status import BEHIND, MOVED, alias_status
from modelops_pipelines.core.release.desired_state import CHAMPION
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.alerting.raise_alerts import raise_alerts
from modelops_pipelines.operations.release.commands import aliases_of, deploy, mirror, promote
from modelops_pipelines.store.stores import Stores

RULE = "registry"
ACTOR = "reconciler"


@dataclass(frozen=True)
class Reconciled:
    """What was found of an endpoint's aliases and what was done: in step, told, adopted, or reported."""

    endpoint: str
    action: str
    message: str


def reconcile(stores: Stores, spec: EndpointSpec, source: str) -> Reconciled:
    """Compare the registry's aliases with what is live, and do what the endpoint's YAML says.

    What is behind is brought up to date. An alias moved by hand opens the alert ``registry`` (``promotion: {aliases:
    report}``) or asks for a promotion through the gate (``adopt``), whose refusal is reported; what is live never
    changes without the gate. ``source`` names this look: the same again counts an alert once.
    """
    live = aliases_of(stores, spec)
    told, found = stores.synced_aliases.of(spec.model_name), stores.registry.aliases(spec.model_name)
    stands = {alias: alias_status(alias, version, told, found.get(alias)) for alias, version in live.items()}
    moved = [alias for alias, how in stands.items() if how == MOVED]
    if moved:
        said = "; ".join(f"alias {alias!r} points to {found.get(alias)}, live is {live[alias]}" for alias in moved)
        made = _adopted(stores, spec, moved, found) if spec.promotion.aliases == "adopt" else None
        action, message = made or ("reported", said)
    elif BEHIND in stands.values():
        mirror(stores, spec)
        action, message = "told", "the registry was told what is live"
    else:
        action, message = "in step", "the registry says what is live"
        if told != {**told, **live}:
            stores.synced_aliases.record(spec.model_name, live, stores.now())
    window = text(stores.now())
    verdict = Verdict(RULE, RULE, "warning", action != "reported", None, None, 1, window, f"MLflow: {message}")
    raise_alerts(stores, spec.name, [verdict], source=source)
    return Reconciled(spec.name, action, message)


def _adopted(stores: Stores, spec: EndpointSpec, moved: Sequence[str], found: dict[str, str]) -> tuple[str, str] | None:
    """Take the version that the champion's alias was moved to a step towards champion; None where none was moved."""
    champion = next((alias for alias in moved if alias.startswith(CHAMPION)), None)
    version = found.get(champion or "")
    if version is None:
        return None
    reason = f"alias {champion!r} was moved to version {version} in MLflow"
    try:
        if stores.deployments.desired(spec.name).champion is None:
            made = deploy(stores, spec, version, actor=ACTOR, reason=reason)
        else:
            made = promote(stores, spec, version, actor=ACTOR, reason=reason)
    except ModelOpsError as error:
        return "reported", f"{reason}, and was refused: {error.message}"
    mirror(stores, spec)
    return "adopted", made.sentence
