"""Removes a version from the registry in the home, for good: its files, its run with metrics and artefacts, its entry.

Only for the registry that this installation keeps itself: what an MLflow server of others holds is theirs.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from modelops_pipelines.core.errors import ConflictError
from modelops_pipelines.store.filesystem.folder_sizes import FolderSize, size_of
from modelops_pipelines.store.registry.guarded_client import GuardedClient

_OF_MODEL = re.compile(r"models:/(m-[^/]+)")
_GONE = ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND")


@dataclass(frozen=True)
class RegisteredVersion:
    """A version in the registry, with its logged model and its run (None where another version has the same run)."""

    model_name: str
    version: str
    model_id: str | None
    run_id: str | None
    locations: tuple[str, ...]
    aliases: tuple[str, ...]

    @property
    def size(self) -> FolderSize:
        """The size of its files, where they are on this machine."""
        folders = [Path(unquote(urlsplit(uri).path)) for uri in self.locations if urlsplit(uri).scheme in ("", "file")]
        return sum((size_of(folder) for folder in folders), FolderSize())


class VersionRemoval:
    """Removal of versions from a registry, by the address of its database."""

    def __init__(self, uri: str) -> None:
        """Connect; loads MLflow, which takes seconds."""
        from mlflow.tracking._tracking_service.utils import _get_store

        self._client: Any = GuardedClient(uri)
        self._store: Any = _get_store(uri)

    def find(self, model_name: str, version: str) -> RegisteredVersion | None:
        """Return what belongs to a version; None when the registry does not have it."""
        found = _known(lambda: self._client.get_model_version(model_name, version))
        if found is None:
            return None
        run_id = found.run_id if found.run_id and self._is_own(found) else None
        model_id = found.model_id or _logged_model_of(found.source)
        model = self._model(model_id)
        run = _known(lambda: self._store.get_run(run_id)) if run_id else None
        locations = [*([model.artifact_location] if model else []), *([run.info.artifact_uri] if run else [])]
        own_model, own_run = (model_id if model else None), (run_id if run else None)
        return RegisteredVersion(model_name, version, own_model, own_run, tuple(locations), tuple(found.aliases or ()))

    def remove(self, version: RegisteredVersion) -> None:
        """Remove all of it, its entry last: after a kill in between it is found, and removed, again.

        Raises ConflictError for a version that has an alias.
        """
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        if version.aliases:
            raise ConflictError(
                f"Version {version.version} of {version.model_name!r} has the alias {version.aliases[0]!r}",
                "Remove the alias in MLflow first",
            )
        for uri in version.locations:
            get_artifact_repository(uri).delete_artifacts()
        if version.model_id is not None:
            _known(lambda: self._store._hard_delete_logged_model(version.model_id))  # noqa: SLF001 - as ``mlflow gc``
        if version.run_id is not None:
            _known(lambda: self._store._hard_delete_run(version.run_id))  # noqa: SLF001 - as ``mlflow gc``
        _known(lambda: self._client.delete_model_version(version.model_name, version.version))
        self._remove_folders(version)

    def _model(self, model_id: str | None) -> Any:
        """Return a logged model, also one in MLflow's trash; None without."""
        return _known(lambda: self._store.get_logged_model(model_id, allow_deleted=True)) if model_id else None

    def _is_own(self, found: Any) -> bool:
        """Return whether no other version was registered from the same run."""
        same = self._client.search_model_versions(f"run_id='{found.run_id}'")
        return {(one.name, str(one.version)) for one in same} <= {(found.name, str(found.version))}

    def _remove_folders(self, version: RegisteredVersion) -> None:
        """Remove the folders above the artefacts, which are empty now."""
        for uri in version.locations:
            folder = Path(unquote(urlsplit(uri).path))
            with suppress(OSError):
                folder.rmdir()
            with suppress(OSError):
                folder.parent.rmdir()


def _logged_model_of(source: str | None) -> str | None:
    """Return the logged model that a version was registered from: MLflow keeps it in the address alone."""
    match = _OF_MODEL.fullmatch(source or "")
    return match[1] if match else None


def _known(ask: Callable[[], Any]) -> Any:
    """Return the answer; None for what the registry does not have."""
    from mlflow.exceptions import MlflowException

    try:
        return ask()
    except MlflowException as error:
        if error.error_code in _GONE:
            return None
        raise
