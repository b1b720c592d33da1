"""Crashes contain a version; those from before a person started the endpoint again count no more."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.release.crash_guard import CRASH, UNTESTED, Crash
from modelops_pipelines.operations.release.commands import deploy, start
from modelops_pipelines.operations.release.trials.crashes import contain_crashes
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores
from tests.support.project import Project, make_project

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
WHO: dict[str, Any] = {"actor": "ann", "reason": "test"}


class Clocked(Stores):
    """Real stores whose clock stands still until it is moved."""

    moment = NOW

    def now(self) -> datetime:
        """Return the time."""
        return self.moment


@pytest.fixture
def alone(tmp_path: Path) -> Project:
    """Return a project that serves its first version."""
    project = make_project(tmp_path)
    project.stores = Clocked(project.stores.settings)
    known = ModelVersion("tumours", "1", "/nowhere", {"x": "float"}, ["0", "1"], None, None, NOW)
    project.stores.deployments.record_version(known)
    deploy(project.stores, project.spec, "1", **WHO)
    return project


def crash(project: Project, row: str) -> None:
    """Move the clock and record a crash on a row."""
    project.stores.moment += SECOND
    one = Crash(CRASH, "SIGSEGV", frozenset({row}), project.stores.moment)
    number = project.stores.crashes.record("cancer", "tumours", "1", "worker", one)
    project.stores.crashes.conclude(number, reproduced=False, compared=UNTESTED)


def status_after(project: Project) -> str:
    contain_crashes(project.stores, project.spec)
    return project.stores.deployments.desired("cancer").status


def test_an_endpoint_that_was_started_again_is_stopped_by_new_crashes_only(alone: Project) -> None:
    crash(alone, "a")
    assert "active" == status_after(alone)
    crash(alone, "b")
    assert "stopped" == status_after(alone)
    alone.stores.moment += SECOND
    start(alone.stores, alone.spec, **WHO)
    assert "active" == status_after(alone)
    crash(alone, "c")
    assert "active" == status_after(alone)
    crash(alone, "d")
    assert "stopped" == status_after(alone)
