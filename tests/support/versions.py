"""Versions to deploy, and what is said of one that a worker cannot serve."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import AcknowledgementError
from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.store.registry.model_loader import load_model
from modelops_pipelines.store.state.release.deployments import required_version
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from tests.support.project import Project

if TYPE_CHECKING:
    import pandas as pd


def two_versions(trained: Project) -> tuple[ModelVersion, ModelVersion]:
    """Return the versions of the world that has two."""
    first, second = (required_version(trained.stores.deployments, "tumours", version) for version in "12")
    return first, second


def register_as_own(project: Project, spec: EndpointSpec, model: Any, frame: "pd.DataFrame") -> ModelVersion:
    """Register a model, with the frame as its example, and record it as trained by the project; return its version."""
    registry = project.stores.registry
    logged = registry.log(
        registry.prepare(model, frame, spec.task, allow_pickle=True),
        model_name=spec.model_name,
        experiment=spec.name,
        training_set="none",
        trainer="none",
    )
    version = replace(logged, trained_here=True)
    project.stores.deployments.record_version(version)
    return version


def record_as_foreign(project: Project, version: ModelVersion) -> ModelVersion:
    """Register the version's files as they are now, and record them as a first deploy does with what others register."""
    registered = registered_folder(project, version)
    shutil.rmtree(registered)
    shutil.copytree(version.folder, registered, symlinks=True)
    foreign = project.stores.registry.describe(version.model_name, version.version)
    project.stores.deployments.record_version(foreign)
    return foreign


def registered_folder(project: Project, version: ModelVersion) -> Path:
    """Return the folder where MLflow keeps the version's files; those that are loaded are a copy."""
    import mlflow  # takes seconds, and most tests have no registry

    uri = project.stores.settings.registry_uri
    client = mlflow.MlflowClient(uri, uri)
    return Path(
        mlflow.artifacts.download_artifacts(
            artifact_uri=client.get_model_version_download_uri(version.model_name, version.version), tracking_uri=uri
        )
    )


def deploy_version(project: Project, version: ModelVersion) -> None:
    """Deploy the version; over a champion by force, since no gate has judged it."""
    deploy(project.stores, project.spec, version.version, actor="test", reason="test", force=True)


def assert_refused(project: Project, version: ModelVersion, said: str) -> None:
    """Assert that the running gateway cannot serve the version, for this reason, and that version 1 is back."""
    with pytest.raises(AcknowledgementError) as raised:
        deploy_version(project, version)
    assert raised.value.message.startswith(f"A gateway worker cannot serve version {version.version} of 'cancer': ")
    assert said in raised.value.message
    assert raised.value.message.endswith("version 1 was restored")


def answers_of(version: ModelVersion, spec: EndpointSpec, frame: Any) -> dict[str, Any]:
    """Return what a binary scikit-learn version answers to rows, as the fields of a logged request."""
    scores = load_model(version, spec).get_raw_model().predict_proba(frame[list(version.inputs)])[:, 1].tolist()
    return {"s": scores, "p": [str(int(score >= 0.5)) for score in scores]}
