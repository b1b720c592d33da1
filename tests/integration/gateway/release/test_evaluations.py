"""A version is judged over HTTP, in a process of its own, and the recorded verdicts are listed."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.store.filesystem.files import exclusive
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import CANCER_YAML, Project, cancer_frame, make_project, train_first

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
LOW = "  gate: {min_days: 4, min_rows: 50, min_regimes: 1, regime_min_rows: 50}\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project whose version 1 is live; version 2 was trained on wrong labels."""
    project = make_project(tmp_path / "project", CANCER_YAML + LOW)
    frame = cancer_frame()
    frame = frame.assign(event_time=[START + timedelta(days=row % 60) for row in range(len(frame))])
    train_first(project, frame)
    train_first(project, frame.assign(benign=1 - frame["benign"]))
    deploy(project.stores, project.spec, "1", actor="ann", reason="first")
    return project


@pytest.fixture
def gateway(project: Project) -> Iterator[RunningGateway]:
    with running_gateway(project) as running:
        yield running


def test_a_version_is_judged_and_the_verdict_is_listed(project: Project, gateway: RunningGateway) -> None:
    path, home = "/endpoints/cancer/evaluations", project.stores.settings.home
    with exclusive(home / "evaluation.lock", "a test"):
        refused = gateway.client.post(path, json={"version": "2"}, timeout=120)
    assert (409, "Another version is being evaluated in this project") == (
        refused.status_code,
        refused.json()["error"]["message"],
    )
    assert [] == gateway.client.get(path).json()
    answer = gateway.client.post(path, json={"version": "2"}, timeout=120)
    assert 200 == answer.status_code, answer.text
    said = answer.json()
    assert ("2", "1", "fail", []) == (said["version"], said["champion"], said["verdict"], said["held"])
    assert said["numbers"]["candidate_loss"] > said["numbers"]["champion_loss"]
    assert [said] == gateway.client.get(path).json()
    for version, status in (("1", 409), ("77", 404)):
        refused = gateway.client.post(path, json={"version": version}, timeout=120)
        assert (status, True) == (refused.status_code, version in refused.json()["error"]["message"])
    assert 422 == gateway.client.post(path, json={"version": "x"}).status_code
    assert [said] == gateway.client.get(path, params={"limit": 1}).json()
