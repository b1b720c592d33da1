"""A burst of errors or slow answers is an alert within seconds, with nothing but the gateway running."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

import httpx
import pytest

from modelops_pipelines.core.alerting.alerts import OPEN, Alert
from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.store.spool.segments import is_orphan
from tests.fakes import model_kinds as kinds
from tests.fakes.misbehaving_models import FRAGILE, MORE, SLOW, register
from tests.support.gateway import RunningGateway, running_gateway, worker_pids
from tests.support.project import Project
from tests.support.waiting import wait_until

WORKERS = 2
PER_SECOND = 10
SECONDS = 60
ALERTS = "  alerts: [{kind: error_rate, above: 0.1, over: 1h}, {kind: latency_p95_ms, above: 200}]\n"
FAILING, FAILING_ENDPOINT, SLOW_ENDPOINT = 2.0, "fragile", "slow"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, RunningGateway]]:
    project = kinds.empty_project(tmp_path_factory.mktemp("fast"), MODELOPS_WORKERS=str(WORKERS))
    for name, how in ((FAILING_ENDPOINT, FRAGILE), (SLOW_ENDPOINT, SLOW)):
        spec = kinds.add_endpoint(project, name, MORE + ALERTS)
        deploy(project.stores, spec, register(project, spec, how), actor="test", reason="test", force=True)
    with running_gateway(project) as gateway:
        wait_until(lambda: len(worker_pids(gateway)) == WORKERS, SECONDS)
        yield project, gateway


def test_a_burst_of_errors_is_an_alert_and_a_worker_that_ends_leaves_the_watch_to_another(
    running: tuple[Project, RunningGateway],
) -> None:
    project, gateway = running
    _ask(gateway, FAILING_ENDPOINT, 0.5, 3)
    assert [] == _open(project, FAILING_ENDPOINT)
    with _asking(gateway, FAILING_ENDPOINT, FAILING):
        wait_until(lambda: _open(project, FAILING_ENDPOINT), SECONDS)
        [alert] = _open(project, FAILING_ENDPOINT)
        assert ("error_rate_now", "error_rate", 0.1) == (alert.rule, alert.kind, alert.threshold)
        assert "is above 0.1 over the last" in alert.message
        for _ in range(WORKERS):
            _kill_one(gateway)
            counted = _open(project, FAILING_ENDPOINT)[0].count
            wait_until(lambda counted=counted: _open(project, FAILING_ENDPOINT)[0].count > counted, SECONDS)
    assert 1 == len(project.stores.alerts.find(FAILING_ENDPOINT))


def test_slow_answers_are_an_alert(running: tuple[Project, RunningGateway]) -> None:
    project, gateway = running
    with _asking(gateway, SLOW_ENDPOINT, 1.0):
        wait_until(lambda: _open(project, SLOW_ENDPOINT), SECONDS)
    [alert] = _open(project, SLOW_ENDPOINT)
    assert ("latency_p95_ms_now", 200.0) == (alert.rule, alert.threshold)
    assert alert.value is not None
    assert alert.value > 400


def test_requests_that_cannot_be_captured_are_an_alert(running: tuple[Project, RunningGateway]) -> None:
    project, gateway = running
    spool = project.stores.settings.spool
    wait_until(lambda: all(is_orphan(path) for path in spool.glob("*/*/*/*.open")), SECONDS)  # those of killed workers
    spool.rename(spool.with_name("away"))
    spool.touch()
    assert 503 == gateway.predict([{"x": 0.0}], SLOW_ENDPOINT).status_code
    wait_until(lambda: "capture_refused" in [alert.rule for alert in _open(project, SLOW_ENDPOINT)], SECONDS)
    spool.unlink()
    spool.with_name("away").rename(spool)
    alert = next(one for one in _open(project, SLOW_ENDPOINT) if one.rule == "capture_refused")
    assert ("capture", "error") == (alert.kind, alert.severity)
    assert "1 request(s) to 'slow' were refused (503)" in alert.message


def _open(project: Project, endpoint: str) -> list[Alert]:
    return project.stores.alerts.find(endpoint, OPEN)


def _ask(gateway: RunningGateway, endpoint: str, x: float, seconds: float) -> None:
    for _ in range(int(seconds * PER_SECOND)):
        gateway.predict([{"x": x}], endpoint)
        time.sleep(1 / PER_SECOND)


@contextmanager
def _asking(gateway: RunningGateway, endpoint: str, x: float) -> Iterator[None]:
    """Ask until the block ends, also while a worker is being started anew."""
    stopped = Event()

    def ask() -> None:
        while not stopped.wait(2 / PER_SECOND):
            with suppress(httpx.HTTPError), httpx.Client(base_url=gateway.client.base_url, timeout=30) as client:
                client.post(f"/endpoints/{endpoint}/invocations", json={"dataframe_records": [{"x": x}]})

    threads = [Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopped.set()
        for thread in threads:
            thread.join()


def _kill_one(gateway: RunningGateway) -> None:
    """Kill the worker that has lived longest, and wait for the one that takes its place."""
    before = worker_pids(gateway)
    os.kill(min(before), signal.SIGKILL)
    wait_until(lambda: len(set(worker_pids(gateway)) - set(before)) == 1, SECONDS)
