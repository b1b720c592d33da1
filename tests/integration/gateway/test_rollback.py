"""Rolling back under traffic: quick, without a failed request, in the history, and with nothing but the gateway running."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from modelops_pipelines.core.errors import ConflictError
from modelops_pipelines.operations.release.commands import deploy, roll_back
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import Project, cancer_frame, make_project, rows_of, train_first
from tests.support.waiting import wait_until

ROW = rows_of(cancer_frame().head(1))
PER_SECOND = 50
CLIENTS = 5
ROLLBACK_SECONDS = 2.0


@dataclass
class Answer:
    """One answer of the traffic: when it was asked for and which version gave it (None: the request failed)."""

    asked_at: float
    status: int
    version: str | None


@dataclass
class Traffic:
    """Paced callers in the background, and what they were answered."""

    answers: list[Answer] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def versions(self) -> list[str | None]:
        """Return the versions that answered, in the order of asking."""
        return [answer.version for answer in sorted(self.answers, key=lambda answer: answer.asked_at)]

    def run(self, url: httpx.URL) -> None:
        """Ask at a fixed pace until stopped; whatever goes wrong is an answer too."""
        due = time.monotonic()
        with httpx.Client(base_url=url, timeout=30) as client:
            while not self.stopped.is_set():
                self.answers.append(_ask(client))
                due += CLIENTS / PER_SECOND
                time.sleep(max(0.0, due - time.monotonic()))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project whose history is: version 1, then 2, then 3."""
    project = make_project(tmp_path)
    for rows in (569, 400, 300):
        _deploy(project, train_first(project, cancer_frame().head(rows)).version)
    return project


def test_a_rollback_under_traffic_takes_under_two_seconds_and_fails_no_request(project: Project) -> None:
    with running_gateway(project) as gateway, _traffic(gateway) as traffic:
        wait_until(lambda: len(traffic.answers) >= 2 * PER_SECOND, 30)
        started = time.monotonic()
        change = roll_back(project.stores, project.spec, actor="ann", reason="answers look wrong")
        took = time.monotonic() - started
        done, seen = time.monotonic(), len(traffic.answers)
        wait_until(lambda: len(traffic.answers) >= seen + PER_SECOND, 30)
    assert took < ROLLBACK_SECONDS
    assert (change.from_version, change.to_version, change.workers) == ("3", "2", 1)
    assert {answer.status for answer in traffic.answers} == {200}
    assert {answer.version for answer in traffic.answers if answer.asked_at < started - 1} == {"3"}
    assert {answer.version for answer in traffic.answers if answer.asked_at > done} == {"2"}
    assert set(traffic.versions()) == {"2", "3"}


def test_the_history_tells_who_rolled_back_when_from_what_to_what_and_why(project: Project) -> None:
    before = datetime.now(UTC)
    with running_gateway(project):
        roll_back(project.stores, project.spec, actor="ann", reason="answers look wrong")
    event = project.stores.deployments.events("cancer")[-1]
    told = (event.actor, event.action, event.from_version, event.to_version, event.reason, event.generation)
    assert told == ("ann", "rollback", "3", "2", "answers look wrong", 4)
    assert before <= event.at <= before + timedelta(minutes=1)


def test_rolling_back_twice_walks_on_and_does_not_bounce(project: Project) -> None:
    with running_gateway(project) as gateway:
        versions = [_version(gateway)]
        for _ in range(2):
            roll_back(project.stores, project.spec, actor="ann", reason="still wrong")
            versions.append(_version(gateway))
        with pytest.raises(ConflictError, match="no earlier champion"):
            roll_back(project.stores, project.spec, actor="ann", reason="still wrong")
        assert _version(gateway) == "1"
    assert versions == ["3", "2", "1"]


def test_a_rollback_goes_back_to_the_version_asked_for(project: Project) -> None:
    with running_gateway(project) as gateway:
        roll_back(project.stores, project.spec, actor="ann", reason="well known", to="1")
        assert _version(gateway) == "1"


def test_a_rollback_withdraws_the_challenger_first(project: Project) -> None:
    _deploy(project, "1", share=50)
    with running_gateway(project) as gateway:
        roll_back(project.stores, project.spec, actor="ann", reason="worse")
        assert {_version(gateway) for _ in range(20)} == {"3"}


def test_a_rollback_needs_no_file_of_the_version_that_it_returns_to(project: Project) -> None:
    found = project.stores.deployments.version("tumours", "2")
    assert found is not None
    with running_gateway(project) as gateway:
        wait_until(lambda: _version(gateway) == "3", 30)
        Path(found.artifact_uri).rename(project.folder / "away")
        roll_back(project.stores, project.spec, actor="ann", reason="the artefact store is down")
        assert _version(gateway) == "2"


def test_a_rollback_without_a_gateway_holds_for_the_next_one(project: Project) -> None:
    change = roll_back(project.stores, project.spec, actor="ann", reason="at night")
    assert change.workers == 0
    with running_gateway(project) as gateway:
        assert _version(gateway) == "2"


@contextmanager
def _traffic(gateway: RunningGateway) -> Iterator[Traffic]:
    traffic = Traffic()
    threads = [threading.Thread(target=traffic.run, args=(gateway.client.base_url,)) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
        time.sleep(1 / PER_SECOND)
    try:
        yield traffic
    finally:
        traffic.stopped.set()
        for thread in threads:
            thread.join()


def _ask(client: httpx.Client) -> Answer:
    asked_at = time.monotonic()
    try:
        response = client.post("/endpoints/cancer/invocations", json={"dataframe_records": ROW})
    except httpx.HTTPError:
        return Answer(asked_at, 0, None)
    return Answer(asked_at, response.status_code, response.json().get("model_version"))


def _deploy(project: Project, version: str, share: int = 100) -> None:
    deploy(project.stores, project.spec, version, actor="test", reason="test", share=share, force=True)


def _version(gateway: RunningGateway) -> Any:
    return gateway.predict(ROW).json()["model_version"]
