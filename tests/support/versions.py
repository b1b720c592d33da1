"""Versions to deploy, and what is said of one that a worker cannot serve."""

import pytest

from modelops_pipelines.core.errors import AcknowledgementError
from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.store.state.deployments import ModelVersion
from tests.support.project import Project, cancer_frame, train_first


def two_versions(project: Project) -> tuple[ModelVersion, ModelVersion]:
    return train_first(project), train_first(project, cancer_frame().head(300))


def record_as_foreign(project: Project, version: ModelVersion) -> ModelVersion:
    """Record the version's files as they are now, as a first deploy does with what others registered."""
    foreign = project.stores.registry.describe(version.model_name, version.version)
    project.stores.deployments.record_version(foreign)
    return foreign


def deploy_version(project: Project, version: ModelVersion) -> None:
    deploy(project.stores, project.spec, version.version, actor="test", reason="test")


def assert_refused(project: Project, version: ModelVersion, said: str) -> None:
    """Assert that the running gateway cannot serve the version, for this reason, and that version 1 is back."""
    with pytest.raises(AcknowledgementError) as raised:
        deploy_version(project, version)
    assert raised.value.message.startswith(f"A gateway worker cannot serve version {version.version} of 'cancer': ")
    assert said in raised.value.message
    assert raised.value.message.endswith("version 1 was put back")
