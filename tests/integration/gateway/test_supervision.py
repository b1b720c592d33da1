"""The gateway's processes: what ends or cannot start stops nothing else, restarts and ends lose no request, and a state
that is gone is an outage that ends when it is back.
"""

import os
import signal
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
import sqlalchemy as sa

from modelops_pipelines.core.access.api_keys import Grant
from tests.support.gateway import RunningGateway, running_gateway, worker_pids
from tests.support.project import Project, cancer_frame, copied_project, make_project, rows_of, train_first
from tests.support.versions import deploy_version
from tests.support.waiting import wait_until

ROW = rows_of(cancer_frame().head(1))
SECONDS = 60
PREDICT = "/endpoints/cancer/invocations"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = make_project(tmp_path_factory.mktemp("supervised") / "project")
    deploy_version(project, train_first(project))
    project.stores.database.close()
    return project


@pytest.fixture
def project(served: Project, tmp_path: Path) -> Project:
    return copied_project(served, tmp_path / "project")


@contextmanager
def gateway_of(project: Project, workers: int) -> Iterator[RunningGateway]:
    project.environment["MODELOPS_WORKERS"] = str(workers)
    with running_gateway(project) as gateway:
        wait_until(lambda: _serving(gateway) == workers, SECONDS)
        yield gateway


def _serving(gateway: RunningGateway, key: str = "") -> int | None:
    report = gateway.client.get("/health", headers={"X-API-Key": key}).json()
    return None if "checks" not in report else report["checks"]["workers"]["serving"]


class Callers:
    """Callers that ask without a pause, each on a connection for every request or on one that is kept."""

    def __init__(self, gateway: RunningGateway, *, kept: int = 2, new: int = 2) -> None:
        self._url = str(gateway.client.base_url)
        self._end, self.found = threading.Event(), Counter[str]()
        self._threads = [threading.Thread(target=self._ask, args=(number < kept,)) for number in range(kept + new)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, kept: bool) -> None:  # noqa: FBT001 - a thread's argument
        client = httpx.Client(base_url=self._url, timeout=30)
        while not self._end.is_set():
            if not kept:
                client.close()
                client = httpx.Client(base_url=self._url, timeout=30)
            try:
                self.found[str(client.post(PREDICT, json={"dataframe_records": ROW}).status_code)] += 1
            except httpx.ConnectError:
                self.found["refused"] += 1
            except httpx.TransportError as error:
                self.found[type(error).__name__] += 1
            self._end.wait(0.01)
        client.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_sighup_replaces_every_worker_without_a_request_that_fails(project: Project, workers: int) -> None:
    with gateway_of(project, workers) as gateway:
        for _ in range(2):
            before = set(worker_pids(gateway))
            with Callers(gateway) as callers:
                gateway.process.send_signal(signal.SIGHUP)
                wait_until(lambda: _are_replaced(gateway, before), SECONDS)  # noqa: B023 - called in this turn
            assert {"200"} == set(callers.found), callers.found
            assert workers == len(worker_pids(gateway))


def _are_replaced(gateway: RunningGateway, before: set[int]) -> bool:
    now = set(worker_pids(gateway))
    return len(now) == len(before) and not now & before


@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_answers_what_came_and_resets_nothing(project: Project, workers: int) -> None:
    with gateway_of(project, workers) as gateway, Callers(gateway, kept=4, new=8) as callers:
        wait_until(lambda: callers.found["200"] > 50, SECONDS)
        gateway.process.terminate()
        assert 0 == gateway.process.wait(SECONDS)
        wait_until(lambda: callers.found["refused"] > 0, SECONDS)
    assert {"200", "refused"} == set(callers.found), callers.found


def test_an_idle_connection_is_kept_longer_than_proxies_keep_theirs(project: Project) -> None:
    assert project.stores.settings.keep_alive_seconds > 75
    project.environment["MODELOPS_KEEP_ALIVE_SECONDS"] = "0.5"
    with gateway_of(project, 1) as gateway, socket.create_connection(_address(gateway)) as caller:
        caller.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        caller.settimeout(SECONDS)
        answer = b"".join(iter(lambda: caller.recv(65536), b""))  # to the end: it is closed by the setting
        assert answer.startswith(b"HTTP/1.1 200")


def _address(gateway: RunningGateway) -> tuple[str, int]:
    url = gateway.client.base_url
    return str(url.host), int(url.port or 80)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("gone", ["state.db", "the home"])
def test_a_state_that_is_gone_is_an_outage_of_the_new_worker_until_it_is_back(
    project: Project, workers: int, gone: str
) -> None:
    home = project.stores.settings.home
    key = project.stores.keys.create(Grant("ann", ("admin",)), now=project.stores.now(), actor="test").text
    project.stores.database.close()
    with gateway_of_keyed(project, workers, key) as gateway:
        path = home / "state.db" if gone == "state.db" else home
        away = path.with_name("away")
        path.rename(away)
        os.kill(worker_pids(gateway)[0], signal.SIGKILL)
        wait_until(lambda: "next attempt" in gateway.log.read_text(), SECONDS)
        assert "is missing, though this home has had one" in gateway.log.read_text()
        for _ in range(20):
            with httpx.Client(base_url=gateway.client.base_url, timeout=30) as caller:
                made = caller.post("/keys", json={"name": "thief", "roles": ["admin"]})
                assert made.status_code in (401, 503), made.text
                if workers == 2:
                    assert 200 == caller.post(PREDICT, json=_rows(), headers={"X-API-Key": key}).status_code
        if workers == 1:
            wait_until(lambda: "state" == _error_code(gateway), SECONDS)
            assert 503 == gateway.client.get("/health/ready").status_code
            assert 200 == gateway.client.get("/health/live").status_code
        assert not path.exists() or gone == "the home"
        _put_back(away, path)
        wait_until(lambda: _serving(gateway, key) == workers, SECONDS)
        assert 401 == gateway.client.post(PREDICT, json=_rows()).status_code
        assert 200 == gateway.client.post(PREDICT, json=_rows(), headers={"X-API-Key": key}).status_code


def _rows() -> dict[str, Any]:
    return {"dataframe_records": ROW}


def _error_code(gateway: RunningGateway) -> str | None:
    try:
        body = gateway.client.post(PREDICT, json=_rows()).json()
    except httpx.TransportError:  # the connection was to the worker that was killed
        return None
    return None if "error" not in body else str(body["error"]["code"])


@contextmanager
def gateway_of_keyed(project: Project, workers: int, key: str) -> Iterator[RunningGateway]:
    project.environment["MODELOPS_WORKERS"] = str(workers)
    with running_gateway(project) as gateway:
        wait_until(lambda: _serving(gateway, key) == workers, SECONDS)
        yield gateway


def _put_back(away: Path, path: Path) -> None:
    if path.is_dir():  # workers that look for their home make its folders
        path.rename(path.with_name("made meanwhile"))
    away.rename(path)


def test_a_worker_that_cannot_start_leaves_the_others_serving_and_comes_back(project: Project) -> None:
    with gateway_of(project, 2) as gateway:
        locks = project.stores.settings.home / "locks"
        locks.rename(locks.with_name("away"))
        locks.touch()  # nothing can be written there, as on a full disk
        for pid in worker_pids(gateway)[:1]:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: gateway.log.read_text().count("next attempt") > 1, SECONDS)
        with Callers(gateway) as callers:
            wait_until(lambda: callers.found["200"] > 20, SECONDS)
        assert {"200"} == set(callers.found)
        check = gateway.client.get("/health").json()["checks"]["workers"]
        assert (False, 2, 1) == (check["ok"], check["wanted"], check["serving"])
        assert "File exists" in check["problem"] or "Not a directory" in check["problem"]
        locks.unlink()
        locks.with_name("away").rename(locks)
        wait_until(lambda: _serving(gateway) == 2, SECONDS)


def test_when_no_worker_can_start_again_callers_are_told_until_one_can(project: Project) -> None:
    with gateway_of(project, 1) as gateway:
        locks = project.stores.settings.home / "locks"
        locks.rename(locks.with_name("away"))
        locks.touch()
        os.kill(worker_pids(gateway)[0], signal.SIGKILL)
        wait_until(lambda: "not_ready" == _error_code(gateway), SECONDS)
        locks.unlink()
        locks.with_name("away").rename(locks)
        wait_until(lambda: _serving(gateway) == 1, SECONDS)


def test_a_gateway_that_can_never_start_ends_with_what_is_wrong(project: Project) -> None:
    with project.stores.database.begin() as connected:
        connected.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    said = r"(?s)the gateway ended.*modelops gateway: The state database is at revision 9999"
    with pytest.raises(AssertionError, match=said), running_gateway(project):
        pass
