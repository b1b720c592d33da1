"""A version with its files in the installation's own copy: made where there is none, removed when nothing needs it."""

from dataclasses import replace

from modelops_pipelines.core.errors import ConflictError, ModelError
from modelops_pipelines.operations.endpoints.configurations import configured
from modelops_pipelines.store.registry.file_hashes import hash_files
from modelops_pipelines.store.registry.model_loader import require_files
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores

NEWEST = 5
"""Versions of each model whose copies are kept though they were never deployed."""


def with_copy(stores: Stores, version: ModelVersion) -> ModelVersion:
    """Return the version with its files in the own copy, made from where it was recorded if need be, and recorded.

    A version recorded before release 0.2, without a hash, stays where it is. Raises ModelError where the files are
    gone, have changed, or cannot be copied.
    """
    if version.files_hash is None:
        return version
    copies, folder = stores.model_copies, version.folder
    path = copies.path_of(version.files_hash)
    if not copies.holds(version.files_hash):
        require_files(version)
        path, _ = copies.keep(folder, version.files_hash)
    if path == folder:
        return version
    moved = replace(version, artifact_uri=str(path))
    stores.deployments.record_files(moved)
    return moved


def with_files(stores: Stores, version: ModelVersion) -> ModelVersion:
    """Return the version with its own copy; fetched from the registry where it is gone from here, or damaged.

    Raises ModelError where the files differ there, UnknownError where they are gone from there too.
    """
    if version.files_hash is None or stores.model_copies.is_whole(version.files_hash):
        return with_copy(stores, version)
    if not stores.model_copies.holds(version.files_hash) and version.folder.is_dir():
        return with_copy(stores, version)
    found = stores.registry.describe(version.model_name, version.version)
    if found.files_hash != version.files_hash:
        raise ModelError(
            f"Version {version.version} of model {version.model_name!r} has changed in the registry since it was "
            f"recorded: its files' hash was {version.files_hash} and is now {found.files_hash}",
            "Register the files as a new version and deploy that version",
        )
    return with_copy(stores, version)


def servable(stores: Stores, version: ModelVersion) -> ModelVersion:
    """Return the version as a gateway's worker loads it: from its own copy; while none can be made, from where it is.

    It needs no registry. Raises ModelError where its files are gone.
    """
    try:
        return with_copy(stores, version)
    except ModelError:
        require_files(version)
        return version


def check_copies(stores: Stores) -> str:
    """Return what was found right of the files of the versions that endpoints serve; raises ConflictError otherwise."""
    models = {spec.name: spec.model_name for spec in configured(stores.settings)}
    served = {
        (state.endpoint, models[state.endpoint], variant.version)
        for state in stores.deployments.all_desired()
        if state.endpoint in models
        for variant in state.variants
    }
    versions = [(endpoint, stores.deployments.version(model, version)) for endpoint, model, version in sorted(served)]
    lost = [(endpoint, one) for endpoint, one in versions if one is not None and not _has_its_files(one)]
    if lost:
        endpoint, version = lost[0]
        raise ConflictError(
            f"The files of version {version.version} of model {version.model_name!r}, which endpoint {endpoint!r} "
            f"serves, are gone or were changed: {version.folder}",
            f"Fetch them from MLflow: modelops deploy {endpoint} {version.version}",
        )
    return f"the files of {len(served)} served version(s) are as they were recorded"


def _has_its_files(version: ModelVersion) -> bool:
    try:
        return version.files_hash in (None, hash_files(version.folder))
    except (ModelError, OSError):
        return False


def clean_copies(stores: Stores) -> list[str]:
    """Remove the copies that no version needs; return their hashes.

    Needed are the versions that were ever deployed and are not archived, and the newest of each model.
    """
    return stores.model_copies.clean(_needed(stores))


def unneeded_copies(stores: Stores) -> list[str]:
    """Return the names of the copies, and drafts, that ``clean_copies`` would remove."""
    return [path.name for path in stores.model_copies.unneeded(_needed(stores))]


def _needed(stores: Stores) -> set[str]:
    needed: set[str] = set()
    deployed = {version for event in stores.deployments.events() for version in (event.to_version, event.from_version)}
    for model_name in stores.deployments.model_names():
        versions, archived = stores.deployments.versions(model_name), stores.deployments.archived(model_name)
        kept = [one for one in versions if one.version in deployed and one.version not in archived]
        needed |= {str(one.files_hash) for one in (*kept, *versions[-NEWEST:])}
    return needed
