"""Several workers behind one address: they agree, they count together, and one that dies is started anew."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import httpx
import pytest
import sqlalchemy as sa

from modelops_pipelines.core.access.api_keys import Grant
from modelops_pipelines.operations.release.commands import deploy, roll_back, start, stop
from modelops_pipelines.store.stores import Stores
from tests.support.gateway import RunningGateway, running_gateway, worker_pids
from tests.support.project import Project, cancer_frame, make_project, rows_of, train_first
from tests.support.waiting import wait_until

WORKERS = 3
LIFETIME = 15
ROW = rows_of(cancer_frame().head(1))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, RunningGateway]]:
    project = make_project(tmp_path_factory.mktemp("workers"), MODELOPS_WORKERS=str(WORKERS))
    deploy(project.stores, project.spec, train_first(project).version, actor="test", reason="test", force=True)
    with running_gateway(project) as gateway:
        wait_until(lambda: len(_workers(project)) == WORKERS, 60)
        yield project, gateway


def test_live_metrics_are_those_of_all_workers(running: tuple[Project, RunningGateway]) -> None:
    _, gateway = running
    with ThreadPoolExecutor(8) as pool:
        assert {200} == set(pool.map(lambda _: _fresh(gateway).status_code, range(120)))
    wait_until(lambda: _requests(gateway) == 120, 30)


def test_every_worker_acknowledges_a_deploy_and_a_rollback(running: tuple[Project, RunningGateway]) -> None:
    project, gateway = running
    second = train_first(project, cancer_frame().head(300)).version
    deploy(project.stores, project.spec, second, actor="test", reason="test", force=True)
    assert {second} == _versions(gateway)
    roll_back(project.stores, project.spec, actor="test", reason="test")
    assert {"1"} == _versions(gateway)
    said = project.stores.deployments.acknowledgements("cancer", project.stores.now())
    assert [3] * WORKERS == [one.generation for one in said]


def test_a_worker_that_is_killed_is_started_anew_in_its_slot(running: tuple[Project, RunningGateway]) -> None:
    project, gateway = running
    before = set(_workers(project))
    os.kill(worker_pids(gateway)[0], signal.SIGKILL)
    wait_until(lambda: len(set(_workers(project)) - before) == 1, 60)
    wait_until(lambda: len(_workers(project)) == WORKERS, 30)
    slots = sorted(worker.rsplit("-", 2)[1] for worker in _workers(project))
    assert [str(slot) for slot in range(WORKERS)] == slots
    assert 200 == _fresh(gateway).status_code


@pytest.mark.parametrize("seconds", [-10, 10, 3600])
def test_a_command_with_another_clock_finds_every_worker(
    running: tuple[Project, RunningGateway], seconds: float
) -> None:
    project, _ = running
    stores = ClockAhead(project.stores.settings)
    stores.ahead = timedelta(seconds=seconds)
    other = "2" if "1" == project.stores.deployments.desired("cancer").champion else "1"
    done = deploy(stores, project.spec, other, actor="test", reason="test", force=True)
    assert (other, WORKERS) == (done.to_version, done.workers)


class ClockAhead(Stores):
    """Stores of a process whose clock differs from the workers'."""

    ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead


def test_a_change_that_no_worker_can_acknowledge_at_first_stands_once_they_can(
    running: tuple[Project, RunningGateway],
) -> None:
    project, gateway = running
    failing = "CREATE TRIGGER no BEFORE INSERT ON acknowledgements BEGIN SELECT RAISE(ABORT, 'it fails'); END"
    _run_sql(project, failing)
    with ThreadPoolExecutor(1) as pool:
        stopping = pool.submit(stop, project.stores, project.spec, actor="test", reason="test")
        wait_until(lambda: gateway.log.read_text().count("is acknowledged again in a second") >= WORKERS, 30)
        assert not stopping.done()
        _run_sql(project, "DROP TRIGGER no")
        assert WORKERS == stopping.result(30).workers
    assert WORKERS == start(project.stores, project.spec, actor="test", reason="test").workers


def _run_sql(project: Project, statement: str) -> None:
    with project.stores.database.begin() as connected:
        connected.execute(sa.text(statement))


def test_a_key_is_good_and_no_more_good_on_every_worker(
    running: tuple[Project, RunningGateway],
) -> None:
    project, gateway = running
    assert {200} == _statuses(gateway, None)
    grant, now = Grant("caller", ("predict",)), project.stores.now()
    issued = project.stores.keys.create(grant, now=now, actor="test")
    wait_until(lambda: [{401}, {200}] == [_statuses(gateway, key) for key in (None, issued.text)], 30)
    until = project.stores.now() + timedelta(seconds=LIFETIME)
    brief = project.stores.keys.create(grant, now=now, actor="test", expires_at=until)
    wait_until(lambda: _statuses(gateway, brief.text) == {200}, LIFETIME)
    project.stores.keys.revoke(issued.key.key_id, now=project.stores.now())
    wait_until(lambda: [{401}, {401}] == [_statuses(gateway, key) for key in (issued.text, brief.text)], LIFETIME + 30)


def _fresh(gateway: RunningGateway, key: str | None = None) -> httpx.Response:
    """Ask on a connection of its own, so that any worker may take it."""
    headers = {} if key is None else {"X-API-Key": key}
    with httpx.Client(base_url=gateway.client.base_url, timeout=60, headers=headers) as client:
        return client.post("/endpoints/cancer/invocations", json={"dataframe_records": ROW})


def _statuses(gateway: RunningGateway, key: str | None) -> set[int]:
    with ThreadPoolExecutor(8) as pool:
        return set(pool.map(lambda _: _fresh(gateway, key).status_code, range(40)))


def _versions(gateway: RunningGateway) -> set[str]:
    with ThreadPoolExecutor(8) as pool:
        return {answer.json()["model_version"] for answer in pool.map(lambda _: _fresh(gateway), range(60))}


def _requests(gateway: RunningGateway) -> int:
    return int(gateway.client.get("/endpoints/cancer/metrics", params={"window": "10m"}).json()["requests"])


def _workers(project: Project) -> list[str]:
    return [one.worker for one in project.stores.deployments.acknowledgements("cancer", project.stores.now())]
