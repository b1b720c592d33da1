"""Versions that nobody will serve again: archived, or refused by the gate, for longer than models are kept.

They go from MLflow's registry in the home, with files, run and drift reference. What the state records of them stays:
the history, their verdicts, their training sets.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from modelops_pipelines.core.evaluation.gate import FAIL
from modelops_pipelines.core.maintenance.effects import Effect
from modelops_pipelines.core.maintenance.retention_periods import cutoff
from modelops_pipelines.operations.endpoints.configurations import configured
from modelops_pipelines.operations.maintenance.tasks import audited
from modelops_pipelines.operations.versions.copies import NEWEST
from modelops_pipelines.store.settings import own_registry
from modelops_pipelines.store.stores import Stores


@dataclass(frozen=True)
class Retired:
    """A version that is to go, and why."""

    model_name: str
    version: str
    reason: str


def delete_versions(stores: Stores, now: datetime, *, dry_run: bool) -> Iterator[Effect]:
    """Delete the versions that were archived, or whose newest verdict is a fail, longer ago than ``retain_models``.

    Never one that an endpoint serves or has on trial, that was deployed and is not archived, that has an alias, or that
    is among the newest five of its model. A registry outside the home is left alone.
    """
    before = cutoff(stores.settings.retain_models, now)
    if before is None or stores.settings.registry_uri != own_registry(stores.settings.home):
        return
    retired = list(retired_versions(stores, before))
    if not retired:
        return
    from modelops_pipelines.store.registry.version_removal import VersionRemoval  # loads MLflow: seconds

    removal = VersionRemoval(stores.settings.registry_uri)
    for one in retired:
        found = removal.find(one.model_name, one.version)
        if found is None or found.aliases:
            continue
        size, item = found.size, f"version {one.version} of {one.model_name}"
        effect = Effect("model versions", item, 1, size.bytes, one.reason, detail={"files": size.files})
        if not dry_run:
            with audited(stores, effect, now):
                stores.references.remove(one.model_name, one.version)
                removal.remove(found)
        yield effect


def retired_versions(stores: Stores, before: datetime) -> Iterator[Retired]:
    """Yield the versions that nobody will serve again, as the state knows them."""
    served, deployed = _served(stores), _deployed(stores)
    for model_name in stores.deployments.model_names():
        archived = stores.deployments.archived_at(model_name)
        for version in stores.deployments.versions(model_name)[:-NEWEST]:
            key = (model_name, version.version)
            if key in served:
                continue
            gone = archived.get(version.version)
            if gone is not None and gone < before:
                yield Retired(*key, f"archived on {gone:%Y-%m-%d}")
            refused = None if gone is not None or key in deployed else _refused_at(stores, *key)
            if refused is not None and max(refused, version.registered_at) < before:
                yield Retired(*key, f"refused by the gate on {refused:%Y-%m-%d}, never deployed")


def _served(stores: Stores) -> set[tuple[str, str]]:
    models = _models(stores)
    return {
        (models[state.endpoint], version)
        for state in stores.deployments.all_desired()
        if state.endpoint in models
        for version in [*(variant.version for variant in state.variants), *([state.shadow] if state.shadow else [])]
    }


def _deployed(stores: Stores) -> set[tuple[str, str]]:
    """Return the versions that were ever deployed; those of an endpoint without YAML count for every model."""
    models = _models(stores)
    everywhere = stores.deployments.model_names()
    return {
        (model, version)
        for event in stores.deployments.events()
        for version in (event.to_version, event.from_version)
        if version is not None
        for model in ([models[event.endpoint]] if event.endpoint in models else everywhere)
    }


def _refused_at(stores: Stores, model_name: str, version: str) -> datetime | None:
    """Return when the newest verdict on a version was a fail, of each endpoint of its model; None when one was not."""
    endpoints = [endpoint for endpoint, model in _models(stores).items() if model == model_name]
    newest = [gate for endpoint in endpoints if (gate := stores.gates.newest(endpoint, version)) is not None]
    return max(gate.at for gate in newest) if newest and all(gate.verdict == FAIL for gate in newest) else None


def _models(stores: Stores) -> dict[str, str]:
    return {spec.name: spec.model_name for spec in configured(stores.settings)}
