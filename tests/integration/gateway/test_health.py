"""Health has named checks, and each can fail; readiness depends on fewer of them, being alive on none.

That of the state database is in test_serving.py, that of the disk in unit/operations/alerting/test_capture_watch.py.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.store.spool.segments import encode
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import Project, make_project, train_first
from tests.support.waiting import wait_until

SECONDS = 30
HOUR = 3600.0


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, RunningGateway]]:
    project = make_project(tmp_path_factory.mktemp("health"))
    deploy(project.stores, project.spec, train_first(project).version, actor="test", reason="test")
    with running_gateway(project) as gateway:
        _wait_for(gateway, set())
        yield project, gateway
        _wait_for(gateway, set())


def test_the_registry_gone_degrades_but_serves_on(running: tuple[Project, RunningGateway]) -> None:
    project, gateway = running
    registry = project.stores.settings.home / "mlflow.db"
    registry.rename(registry.with_suffix(".away"))
    body = _wait_for(gateway, {"registry"})
    assert "OperationalError" == body["checks"]["registry"]["fault"]
    assert 200 == gateway.client.get("/health/ready").status_code
    registry.with_suffix(".away").rename(registry)
    _wait_for(gateway, set())


def test_rows_that_wait_too_long_for_their_ingest_degrade_and_raise_an_alert(
    running: tuple[Project, RunningGateway],
) -> None:
    project, gateway = running
    segment = _segment(project, "old")
    os.utime(segment, (time.time() - HOUR, time.time() - HOUR))
    body = _wait_for(gateway, {"capture_lag"})
    assert HOUR - 60 < body["checks"]["capture_lag"]["value"]
    assert 200 == gateway.client.get("/health/ready").status_code
    wait_until(lambda: ["capture"] == [a.rule for a in project.stores.alerts.find("cancer", "open")], SECONDS)
    segment.unlink()
    _wait_for(gateway, set())
    wait_until(lambda: not project.stores.alerts.find("cancer", "open"), SECONDS)


def test_a_spool_that_cannot_be_read_is_named_and_hides_no_other_check(running: tuple[Project, RunningGateway]) -> None:
    project, gateway = running
    folder = project.stores.settings.spool / "cancer" / "predictions" / "odd"
    folder.symlink_to(folder)
    body = _wait_for(gateway, {"capture_spools"})
    assert ["cancer"] == list(body["checks"]["capture_spools"]["unreadable"])
    folder.unlink()
    _wait_for(gateway, set())


def test_a_backlog_that_grows_too_large_degrades(running: tuple[Project, RunningGateway]) -> None:
    project, gateway = running
    segment = _segment(project, "large")
    os.truncate(segment, 2 << 30)
    _wait_for(gateway, {"capture_backlog"})
    segment.unlink()


def test_without_a_place_to_write_the_worker_is_not_ready_and_finds_out_by_itself_when_there_is_one_again(
    running: tuple[Project, RunningGateway],
) -> None:
    project, gateway = running
    spool = project.stores.settings.spool
    wait_until(lambda: not list(spool.glob("*/*/*/*.open")), 30)
    spool.rename(spool.with_name("away"))
    spool.touch()
    answer = gateway.predict([{"mean_radius": 1.0, "mean_texture": 1.0, "mean_smoothness": 1.0, "mean_concavity": 1.0}])
    assert (503, "capture") == (answer.status_code, answer.json()["error"]["code"])
    assert {"status": "not ready", "not_loaded": 0, "not_resident": 0} == gateway.client.get("/health/ready").json()
    assert {"status": "live"} == gateway.client.get("/health/live").json()
    spool.unlink()
    spool.with_name("away").rename(spool)
    wait_until(lambda: gateway.client.get("/health/ready").status_code == 200, 30)


def test_an_endpoint_without_a_version_is_not_ready(tmp_path: Path) -> None:
    with running_gateway(make_project(tmp_path), ready=False) as gateway:
        wait_until(lambda: _failing(gateway.client.get("/health").json()) >= {"endpoints"}, SECONDS)
        assert 503 == gateway.client.get("/health/ready").status_code
        assert 200 == gateway.client.get("/health/live").status_code


def _segment(project: Project, worker: str) -> Path:
    folder = project.stores.settings.spool / "cancer" / "predictions" / worker
    folder.mkdir(parents=True)
    path = folder / "0000000001.jsonl"
    path.write_bytes(encode({"id": "x"}))
    return path


def _failing(body: dict[str, Any]) -> set[str]:
    return {name for name, check in body["checks"].items() if not check["ok"]}


def _wait_for(gateway: RunningGateway, failing: set[str]) -> dict[str, Any]:
    """Wait until exactly these checks fail, the disk's fullness apart; return the report."""
    wait_until(lambda: failing == _failing(gateway.client.get("/health").json()) - {"capture_disk"}, SECONDS)
    body: dict[str, Any] = gateway.client.get("/health").json()
    assert ("healthy" if not _failing(body) else "degraded") == body["status"]
    return body
