"""The model registry: MLflow, on SQLite in the home or on a server. Imported only by code that needs models."""

import logging
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")

import mlflow
from mlflow.environment_variables import MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR
from mlflow.exceptions import MlflowException

from modelops_pipelines.core.errors import InputError, ModelError, UnknownError
from modelops_pipelines.core.models.output_kinds import LABELS
from modelops_pipelines.store.filesystem.files import exclusive
from modelops_pipelines.store.filesystem.scratch import scratch_folder
from modelops_pipelines.store.registry.availability import registry_fault, unreachable
from modelops_pipelines.store.registry.guarded_client import GuardedClient, answering
from modelops_pipelines.store.registry.lists.listed import (
    TRAINING_SET_TAG,
    ListedModel,
    ListedVersion,
    listed_model,
    listed_version,
    may_be_named,
    models_filter,
)
from modelops_pipelines.store.registry.model_copies import ModelCopies
from modelops_pipelines.store.registry.model_loader import describe_files, why_unsafe
from modelops_pipelines.store.registry.place import settle_registry
from modelops_pipelines.store.registry.prepared_models import PreparedModel, SavedModel, prepare
from modelops_pipelines.store.registry.run_inputs import RunInputs, log_run_inputs
from modelops_pipelines.store.registry.signatures import inputs_of, output_of
from modelops_pipelines.store.registry.version_classes import recorded_classes, tagged_classes
from modelops_pipelines.store.settings import Settings, is_server, own_registry
from modelops_pipelines.store.state.release.model_versions import ModelVersion

if TYPE_CHECKING:
    import pandas as pd

TRAINER_TAG = "modelops.trainer"
STAGE_TAG = "modelops.stage"
SIGNATURE_TAG = "modelops.signature"
UNREGISTERED = "(just trained)"
"""What a model is called as a version until the registry has numbered it."""
_LOCAL_SCHEMES = ("", "file")
_MOST_LISTED = 10
REFERENCE_FILES = ("reference.json", "reference_hours.parquet")


@dataclass(frozen=True)
class _Unregistered:
    """What stands for a version in the registry that is none yet."""

    name: str
    version: str = UNREGISTERED
    tags: Mapping[str, str] = field(default_factory=dict)


class Registry:
    """Registered models, their versions and aliases."""

    def __init__(self, settings: Settings) -> None:
        """Connect; a new SQLite store is created under a lock, because concurrent set-ups fail.

        Raises RegistryError, as every method does, when the registry does not answer.
        """
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        logging.getLogger("alembic").setLevel(logging.WARNING)
        if not sys.stderr.isatty():  # MLflow's bars would stand between the lines of a log
            MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR.set(False)
        self._artifacts = settings.artifacts
        self._copies = ModelCopies(settings.models)
        self._uri = settings.registry_uri
        self._is_own = self._uri == own_registry(settings.home)
        if is_server(self._uri):
            fault = registry_fault(self._uri)
            if fault is not None:
                raise unreachable(self._uri, fault)
        self._client: Any = GuardedClient(self._uri)
        if is_server(self._uri):
            return
        with exclusive(settings.home / "locks" / "registry.lock", "the registry's set-up"):
            settle_registry(settings)
            self._client.search_experiments(max_results=1)
            settle_registry(settings)

    def prepare(self, model: Any, frame: "pd.DataFrame", task: str, *, allow_pickle: bool) -> PreparedModel:
        """Return a trained model as it will be logged, with its inputs; nothing is written.

        ``frame`` has the features of some training rows. Raises ModelError when the model cannot be stored in a
        format that the endpoint accepts, or MLflow refuses it.
        """
        return prepare(model, frame, task, allow_pickle=allow_pickle)

    def log(  # noqa: PLR0913 - a parameter for each part of what is logged
        self,
        prepared: PreparedModel | SavedModel,
        *,
        model_name: str,
        experiment: str,
        training_set: str,
        trainer: str,
        reference: Mapping[str, bytes] | None = None,
        metrics: Mapping[str, float] | None = None,
        before_registering: Callable[[], object] = lambda: None,
        inputs: RunInputs | None = None,
    ) -> ModelVersion:
        """Log a prepared model with signature, input example and training-set hash; register and return its version.

        ``inputs`` are the training set as MLflow shows it, and tags of the run.

        ``before_registering`` is called once the model's files are stored: when storing them fails, it is not.
        """
        mlflow.set_tracking_uri(self._uri)
        mlflow.set_registry_uri(self._uri)
        experiment_id = self._experiment(experiment)
        with answering(self._uri), mlflow.start_run(experiment_id=experiment_id, run_name=f"train {experiment}") as run:
            mlflow.set_tags({TRAINING_SET_TAG: training_set, TRAINER_TAG: trainer})
            mlflow.log_metrics(dict(metrics or {}))
            if inputs is not None:
                log_run_inputs(self._client, run.info.run_id, inputs)
            _log_files(reference or {})
            logged = prepared.log()
            before_registering()
            created = self._register(model_name, logged, run.info.run_id, training_set)
        return self.describe(model_name, str(created.version))

    def _register(self, model_name: str, logged: Any, run_id: str, training_set: str) -> Any:
        tags = {TRAINING_SET_TAG: training_set}
        try:
            self._ensure_model(model_name)
            return self._client.create_model_version(
                model_name, logged.model_uri, run_id, tags=tags, model_id=logged.model_id
            )
        except MlflowException as error:
            raise ModelError(
                f"MLflow refuses a version of model {model_name!r} ({error.message[:300]})",
                "Correct what it says: MLflow's server and client may be of different releases",
            ) from error

    def register_folder(self, model_name: str, folder: Path) -> str:
        """Register a saved model's folder as it is, without a run; return the number of its version."""
        self._ensure_model(model_name)
        return str(self._client.create_model_version(model_name, folder.resolve().as_uri()).version)

    def describe(self, model_name: str, version: str) -> ModelVersion:
        """Return what serving needs of a registered version, with its files copied to the home; executes none of them.

        Raises UnknownError when the registry has no such version, ModelError when its files are not a servable model.
        """
        try:
            found = self._client.get_model_version(model_name, version)
            folder, files_hash = self._copied(model_name, version)
        except MlflowException as error:
            raise self._no_version(model_name, version, error) from error
        described = describe_files(folder)
        of = _declared(described, folder, found)
        return ModelVersion(
            model_name=model_name,
            version=str(found.version),
            artifact_uri=str(folder),
            inputs=of.inputs,
            classes=of.classes,
            training_set=found.tags.get(TRAINING_SET_TAG),
            run_id=found.run_id,
            registered_at=datetime.fromtimestamp(found.creation_timestamp / 1000, UTC),
            output=of.output,
            files_hash=files_hash,
            trained_here=False,
            classes_from=of.classes_from,
        )

    def describe_saved(self, model_name: str, folder: Path) -> ModelVersion:
        """Return what serving needs of a model saved here that is no version yet, with its files copied to the home.

        Raises ModelError when they are not a servable model.
        """
        kept, files_hash = self._copies.keep(folder)
        of = _declared(describe_files(kept), kept, _Unregistered(model_name))
        return ModelVersion(
            model_name=model_name,
            version=UNREGISTERED,
            artifact_uri=str(kept),
            inputs=of.inputs,
            classes=of.classes,
            training_set=None,
            run_id=None,
            registered_at=datetime.now(UTC),
            output=of.output,
            files_hash=files_hash,
            trained_here=True,
            classes_from=of.classes_from,
        )

    def _copied(self, model_name: str, version: str) -> tuple[Path, str]:
        """Copy a version's files to the home; return the copy's folder and its files' hash. Raises ModelError."""
        uri = self._client.get_model_version_download_uri(model_name, version)
        with self._copies.draft() as draft:
            target = None if urlsplit(uri).scheme in _LOCAL_SCHEMES else str(draft)
            try:
                with answering(self._uri):
                    found = Path(mlflow.artifacts.download_artifacts(uri, dst_path=target, tracking_uri=self._uri))
                found.stat()  # MLflow returns the path of a local folder that is not there
            except (OSError, MlflowException) as error:
                raise ModelError(
                    f"The files of version {version} of model {model_name!r} cannot be read from the registry "
                    f"({error})",
                    "Restore them there, or use another version",
                ) from error
            return self._copies.keep(found)

    def tagged_classes(self, model_name: str, version: str) -> list[str] | None:
        """Return the classes in the version's tag now, or None; raises ModelError for a malformed tag, UnknownError."""
        try:
            found = self._client.get_model_version(model_name, version)
        except MlflowException as error:
            raise self._no_version(model_name, version, error) from error
        return tagged_classes(found.tags, model_name, version)

    def signature_of(self, model_name: str, version: str) -> bytes | None:
        """Return the signature in the version's tag, unverified; None without one. Raises UnknownError."""
        try:
            found: Mapping[str, str] = self._client.get_model_version(model_name, version).tags
        except MlflowException as error:
            raise self._no_version(model_name, version, error) from error
        content = found.get(SIGNATURE_TAG)
        return None if content is None else content.encode()

    def set_signature(self, model_name: str, version: str, content: bytes) -> None:
        """Set the version's tag to this signature; raises ModelError when MLflow refuses it, such as for its length."""
        try:
            self._client.set_model_version_tag(model_name, version, SIGNATURE_TAG, content.decode())
        except MlflowException as error:
            raise ModelError(
                f"MLflow refuses the signature of version {version} of model {model_name!r}, {len(content)} characters "
                f"({error.message[:200]})",
                "Sign the folder before it is registered, which writes a file: model_signing sign key FOLDER "
                "--signature FOLDER/model.sig --private_key FILE",
            ) from error

    def reference_files(self, version: ModelVersion) -> dict[str, bytes]:
        """Return the drift reference's files from the artefacts of the version's run, by name; empty without one."""
        if version.run_id is None:
            return {}
        artifacts = {one.path for one in self._client.list_artifacts(version.run_id)}
        names = [name for name in REFERENCE_FILES if name in artifacts]
        return {name: Path(self._client.download_artifacts(version.run_id, name)).read_bytes() for name in names}

    def trainer_of(self, version: ModelVersion) -> str | None:
        """Return the trainer of a version, or None when it was logged elsewhere."""
        if version.run_id is None:
            return None
        tags: Mapping[str, str] = self._client.get_run(version.run_id).data.tags
        return tags.get(TRAINER_TAG)

    def models(self, part: str, token: str | None, limit: int) -> tuple[list[ListedModel], str | None]:
        """Return the registered models with ``part`` in their names by name, at most ``limit``, and the next token.

        Raises InputError for a token that MLflow did not give.
        """
        if not may_be_named(part):
            return [], None
        try:
            found = self._client.search_registered_models(models_filter(part), limit, ["name ASC"], token)
        except (MlflowException, ValueError, TypeError, AttributeError) as error:  # the latter of a made-up token
            raise InputError(f"MLflow refuses this search ({str(error)[:200]})", "Begin at the first page") from error
        return [listed_model(one) for one in found], found.token or None

    def versions_below(self, model_name: str, below: int | None, limit: int) -> list[ListedVersion]:
        """Return at most ``limit`` versions, newest first, with numbers under ``below``."""
        of_model = _of_model(model_name)
        query = of_model if below is None else f"{of_model} AND version_number < {below}"
        found = self._client.search_model_versions(query, limit, order_by=["version_number DESC"])
        return [listed_version(one) for one in found]

    def listed(self, model_name: str, version: str) -> ListedVersion:
        """Return one version as in ``versions_below``; raises UnknownError when the registry does not have it."""
        try:
            return listed_version(self._client.get_model_version(model_name, version))
        except MlflowException as error:
            raise self._no_version(model_name, version, error) from error

    def versions(self, model_name: str) -> list[str]:
        """Return the model's versions, oldest first."""
        found = self._client.search_model_versions(_of_model(model_name), max_results=10_000)
        return sorted((str(version.version) for version in found), key=int)

    def aliases(self, model_name: str) -> dict[str, str]:
        """Return the model's aliases with their versions; none for a model that is not registered."""
        try:
            found: Mapping[str, str] = self._client.get_registered_model(model_name).aliases
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return {}
            raise
        return {alias: str(version) for alias, version in found.items()}

    def set_aliases(self, model_name: str, wanted: Mapping[str, str | None]) -> None:
        """Set MLflow's aliases to these versions; None deletes an alias. Other aliases do not change."""
        there = self.aliases(model_name)
        for alias, version in wanted.items():
            if version is None and alias in there:
                self._client.delete_registered_model_alias(model_name, alias)
            elif version is not None and there.get(alias) != version:
                self._client.set_registered_model_alias(model_name, alias, version)

    def set_stages(self, model_name: str, stages: Mapping[str, str]) -> None:
        """Tag these versions with their stages."""
        for version, stage in stages.items():
            self._client.set_model_version_tag(model_name, version, STAGE_TAG, stage)

    def _experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        local = self._uri.startswith("sqlite")
        location = (self._artifacts / name).as_uri() if local else None
        return str(self._client.create_experiment(name, artifact_location=location))

    def _no_version(self, model_name: str, version: str, error: MlflowException) -> UnknownError:
        """Return the error of a version that is not there, with those that are, or which registry was asked."""
        known = self.versions(model_name)
        if known:
            remedy = f"Use one of its versions: {', '.join(known[-_MOST_LISTED:])}"
        elif self._is_own:
            remedy = (
                "It is the home's own, and has no version of that model: name your MLflow server or database as "
                "'registry_uri' in [tool.modelops] of pyproject.toml, or correct the model's name"
            )
        else:
            remedy = "It has no version of that model: correct the model's name, or 'registry_uri' in the settings"
        message = f"The registry has no version {version!r} of model {model_name!r} ({error.error_code})"
        return UnknownError(message, remedy)

    def _ensure_model(self, model_name: str) -> None:
        try:
            self._client.create_registered_model(model_name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise


def _log_files(files: Mapping[str, bytes]) -> None:
    """Log files by name among the artefacts of the active run."""
    with scratch_folder() as folder:
        for name, content in files.items():
            (folder / name).write_bytes(content)
        if files:
            mlflow.log_artifacts(str(folder))


@dataclass(frozen=True)
class _Declared:
    """What a version's files and tags say of its signature and classes."""

    inputs: dict[str, str]
    classes: list[str] | None
    classes_from: str | None
    output: str


def _declared(described: dict[str, Any], folder: Path, found: Any) -> _Declared:
    """Return inputs, classes and output kind; raises ModelError for a malformed file, or classes that differ."""
    name, version = str(found.name), str(found.version)
    what = f"{name} version {version}"
    try:
        inputs = inputs_of(described, what)
        data = why_unsafe(described, folder) is None
        classes, source, named = recorded_classes(described, folder, found.tags, name, version, data=data)
        return _Declared(inputs, classes, source, LABELS if named else output_of(described))
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ModelError(
            f"Model {what} has a malformed MLmodel file ({type(error).__name__})", "Log the model again"
        ) from error


def _of_model(model_name: str) -> str:
    """Return MLflow's filter for the versions of a model; no accepted name has both kinds of quotes."""
    quote = '"' if "'" in model_name else "'"
    return f"name={quote}{model_name}{quote}"
