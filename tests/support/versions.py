"""Versions to deploy, and what is said of one that a worker cannot serve."""

import pytest

from modelops_pipelines.core.errors import AcknowledgementError
from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.store.state.release.deployments import ModelVersion, required_version
from tests.support.project import Project


def two_versions(trained: Project) -> tuple[ModelVersion, ModelVersion]:
    """Return the versions of the world that has two."""
    first, second = (required_version(trained.stores.deployments, "tumours", version) for version in "12")
    return first, second


def record_as_foreign(project: Project, version: ModelVersion) -> ModelVersion:
    """Record the version's files as they are now, as a first deploy does with what others registered."""
    foreign = project.stores.registry.describe(version.model_name, version.version)
    project.stores.deployments.record_version(foreign)
    return foreign


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
