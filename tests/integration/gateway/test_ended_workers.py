"""A version of data only predicts in the worker: when its native code ends the worker, everything is accounted for."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from modelops_pipelines.core.release.desired_state import STOPPED
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.release.commands import deploy
from tests.fakes import model_kinds as kinds
from tests.fakes.crashing_models import FATAL_ROW, GOOD, YAML, model, native, register
from tests.support.gateway import RunningGateway, family_pids, running_gateway, worker_pids
from tests.support.project import Project
from tests.support.waiting import wait_until

WHO = {"actor": "test", "reason": "test"}


@pytest.fixture(params=["1", "2"], ids=["one worker", "two workers"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Project]:
    made = kinds.empty_project(tmp_path / "project", MODELOPS_WORKERS=request.param)
    yield made
    made.stores.database.close()


def test_a_row_that_ends_workers_is_logged_counted_and_then_refused(project: Project) -> None:
    spec = kinds.add_endpoint(project, "native", YAML, task="regression")
    other = kinds.add_endpoint(project, "other", YAML, task="regression")
    deploy(project.stores, spec, native(project, spec).version, **WHO)
    deploy(project.stores, other, register(project, other, model(GOOD, project.folder / "seen")).version, **WHO)
    with running_gateway(project) as gateway:
        supervisor = gateway.process.pid
        for crash in (1, 2):
            workers = set(worker_pids(gateway))
            with pytest.raises(httpx.TransportError):
                _fresh(gateway, "native", FATAL_ROW)
            wait_until(lambda: len(project.stores.crashes.all("native")) == crash, 30)  # noqa: B023
            wait_until(lambda: len(set(worker_pids(gateway)) - workers) == 1, 30)  # noqa: B023
            wait_until(lambda: _fresh(gateway, "other", 8.0).status_code == 200, 30)
        answer = _fresh(gateway, "native", FATAL_ROW)
        assert (500, "refused_row") == (answer.status_code, answer.json()["error"]["code"])
        good = _fresh(gateway, "native", 1.0)
        assert (200, [1.0]) == (good.status_code, good.json()["predictions"])
        assert supervisor == gateway.process.pid
        assert {"SIGSEGV"} == {one.crash.cause for one in project.stores.crashes.all("native")}
        wait_until(lambda: [alert.rule for alert in project.stores.alerts.find("native")] == ["crashes"], 30)
    ingest(project.stores, spec, "predictions")
    with project.stores.lake.query("native", [kinds.log_of(project, spec)]) as connected:
        rows = connected.execute("SELECT status, error_code, model_version FROM inference_log").fetchall()
    assert [("crash", "1")] * 2 == [row[1:] for row in rows if row[1] == "crash"]
    assert project.stores.deployments.desired("native").status != STOPPED, "one row stops no endpoint: it is refused"


def test_a_worker_that_is_killed_leaves_rows_and_no_crash(project: Project) -> None:
    spec = kinds.add_endpoint(project, "slow", YAML, task="regression")
    deploy(project.stores, spec, register(project, spec, model("sleeps", project.folder / "seen")).version, **WHO)
    with running_gateway(project) as gateway:
        before = set(worker_pids(gateway))
        # Each worker has a launcher, and that has a version's process; the gateway answers before all of them do.
        wait_until(lambda: len(family_pids(gateway.process.pid)) >= 3 * len(before), 30)
        family = family_pids(gateway.process.pid)
        with suppress(httpx.TransportError):
            gateway.client.post(
                "/endpoints/slow/invocations", json={"dataframe_records": [{"x": -9.0}]}, timeout=1
            )  # it sleeps; nobody waits for it
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not set(worker_pids(gateway)) & before and len(worker_pids(gateway)) == len(before), 30)
        wait_until(lambda: _fresh(gateway, "slow", 8.0).status_code == 200, 30)
        wait_until(lambda: not any(_is_alive(pid) for pid in family), 30)
        assert [] == project.stores.crashes.all("slow")
    ingest(project.stores, spec, "predictions")
    with project.stores.lake.query("slow", [kinds.log_of(project, spec)]) as connected:
        found = connected.execute("SELECT status, error_code FROM inference_log ORDER BY status").fetchall()
    assert (500, "interrupted") == found[-1]
    assert 1 == [status for status, _ in found].count(500)


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _fresh(gateway: RunningGateway, endpoint: str, x: float) -> httpx.Response:
    """Ask on a connection of its own; a worker that is being replaced is waited for."""
    deadline = time.monotonic() + 30
    while True:
        try:
            with httpx.Client(base_url=gateway.client.base_url, timeout=60) as client:
                return client.post(f"/endpoints/{endpoint}/invocations", json={"dataframe_records": [{"x": x}]})
        except httpx.ConnectError:
            if time.monotonic() > deadline:
                raise
