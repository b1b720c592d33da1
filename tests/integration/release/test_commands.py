"""Deploys that wait for one another or ask the registry, on a real project without a gateway."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.errors import AcknowledgementError, UnknownError
from modelops_pipelines.operations.release import apply as changes
from modelops_pipelines.operations.release.apply import Change
from modelops_pipelines.operations.release.commands import deploy, promote
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores
from tests.support.project import CANCER_YAML, Project, make_project
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("untried_versions")

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CANARY_YAML = f"{CANCER_YAML}  promotion: {{strategy: canary, steps: [5, 25, 50, 100]}}\n"
VERSIONS = tuple(str(number) for number in range(1, 9))
WHO: dict[str, Any] = {"actor": "ann", "reason": "a test"}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project with eight recorded versions, of which nothing is live."""
    project = make_project(tmp_path, CANARY_YAML)
    for version in VERSIONS:
        known = ModelVersion("tumours", version, "/nowhere", {"x": "float"}, ["0", "1"], None, None, NOW)
        project.stores.deployments.record_version(known)
    return project


@pytest.fixture
def live(project: Project) -> Project:
    """Return the project with version 1 live."""
    deploy(project.stores, project.spec, "1", **WHO, force=True)
    return project


def test_of_identical_deploys_at_once_one_is_a_change(live: Project) -> None:
    changes = at_once(live, lambda stores, _: deploy(stores, live.spec, "2", **WHO, force=True))
    assert [True] == [change.changed for change in changes if change.changed]
    assert {2} == {change.generation for change in changes}
    assert ["1", "2"] == [event.to_version for event in live.stores.deployments.events("cancer")]


def test_a_version_that_does_not_exist_is_refused_with_its_name(live: Project) -> None:
    for action in (deploy, promote):
        with pytest.raises(UnknownError, match=r"no version '99'"):
            action(live.stores, live.spec, "99", **WHO)
    assert len(live.stores.deployments.events("cancer")) == 1


def at_once(project: Project, work: Callable[[Stores, int], Change]) -> list[Change]:
    """Let eight callers work at once, each with stores of its own as processes have; return what each did."""
    callers = [Stores(project.stores.settings) for _ in VERSIONS]
    start = threading.Barrier(len(callers))

    def call(number: int) -> Change:
        callers[number].deployments.desired("cancer")
        start.wait(60)
        return work(callers[number], number)

    with ThreadPoolExecutor(len(callers)) as pool:
        return list(pool.map(call, range(len(callers))))


def test_a_change_that_was_overtaken_puts_nothing_back_and_says_so(
    live: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "DEPLOY_SECONDS", 0.5)
    live.stores.deployments.heartbeat("stuck", "http://w", live.stores.now() + timedelta(hours=1))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(deploy, Stores(live.stores.settings), live.spec, "2", **WHO, force=True)
        wait_until(lambda: live.stores.deployments.desired("cancer").champion == "2", 30)
        with pytest.raises(AcknowledgementError, match="version 2 was restored"):
            deploy(live.stores, live.spec, "3", **WHO, force=True)
        with pytest.raises(AcknowledgementError, match="a later change superseded it, so nothing was reverted"):
            first.result(30)
