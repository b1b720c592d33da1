"""A gateway whose endpoints do not all fit into its memory answers for all of them, one as another."""

import os
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.operations.release.commands import roll_back
from tests.fakes.crashing_models import GOOD, model, register
from tests.support.captured_log import log_of
from tests.support.fleet import add_endpoint
from tests.support.gateway import RunningGateway, family_pids, running_gateway, worker_pids
from tests.support.project import Project, cancer_frame, rows_of
from tests.support.versions import two_versions
from tests.support.waiting import wait_until

NAMES = [f"fleet_{number}" for number in range(20)]
"""With 40 to 70 KiB a version, and two of each, they take well over the smallest budget that can be set, 1 MiB."""
ROWS = rows_of(cancer_frame().head(3))
SMALL = {"MODELOPS_MODELS_MIB": "1"}
Fleet = tuple[Project, dict[str, EndpointSpec]]


@pytest.fixture
def fleet(trained: Project) -> Fleet:
    """Return a project of many endpoints with two versions each, the second live, and a budget that is too small."""
    specs = {name: add_endpoint(trained, name, *two_versions(trained)) for name in NAMES}
    trained.environment |= SMALL
    return trained, specs


def test_callers_of_more_endpoints_than_fit_are_all_answered_and_captured_once(fleet: Fleet) -> None:
    project, specs = fleet
    asked = [NAMES[(number * 7) % len(NAMES)] for number in range(60)]
    with running_gateway(project) as gateway:
        with ThreadPoolExecutor(4) as callers:
            answers = list(callers.map(lambda name: gateway.predict(ROWS, name), asked))
        memory = _memory(gateway)
        told = gateway.log.read_text()
    assert {200} == {answer.status_code for answer in answers}
    assert 1 == len({str(answer.json()["predictions"]) for answer in answers})
    assert memory["not_resident"] > 0
    assert memory["versions_mib"] <= memory["budget_mib"] + memory["versions_mib"] / 2
    assert "left the memory" in told
    for name, spec in specs.items():
        ids = [answer.json()["request_id"] for asked_of, answer in zip(asked, answers, strict=True) if asked_of == name]
        logged = Counter(str(row["request_id"]) for row in log_of(project, spec))
        assert dict.fromkeys(ids, len(ROWS)) == dict(logged)


def test_what_is_not_in_memory_is_ready_and_an_unknown_name_is_not_found(fleet: Fleet) -> None:
    project, _ = fleet
    with running_gateway(project) as gateway:
        absent = _memory(gateway)["load_at_first_request"]
        of = {name: gateway.client.get("/health/ready", params={"endpoint": name}) for name in (absent[0], "nobody")}
        assert 200 == gateway.predict(ROWS, absent[0]).status_code
        after = gateway.client.get("/health/ready", params={"endpoint": absent[0]})
        undeployed = gateway.client.get("/health/ready", params={"endpoint": "cancer"})
    assert (200, {"status": "ready", "endpoint": absent[0], "resident": False}) == _shown(of[absent[0]])
    assert (200, {"status": "ready", "endpoint": absent[0], "resident": True}) == _shown(after)
    assert (503, {"status": "not ready", "endpoint": "cancer", "resident": False}) == _shown(undeployed)
    assert (404, "unknown") == (of["nobody"].status_code, of["nobody"].json()["error"]["code"])
    assert "fleet_0" not in of["nobody"].text


def test_a_rollback_of_what_is_not_in_memory_serves_the_version_before(fleet: Fleet) -> None:
    project, specs = fleet
    with running_gateway(project) as gateway:
        name = _memory(gateway)["load_at_first_request"][-1]
        change = roll_back(project.stores, specs[name], actor="test", reason="test")
        answer = gateway.predict(ROWS, name).json()
    assert ("1", 1) == (change.to_version, change.workers)
    assert ("1", "champion") == (answer["model_version"], answer["variant"])


def test_after_a_worker_was_killed_every_endpoint_answers(fleet: Fleet) -> None:
    project, _ = fleet
    with running_gateway(project) as gateway:
        [worker] = worker_pids(gateway)
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: worker not in worker_pids(gateway) and bool(worker_pids(gateway)), 30)
        assert {200} == {gateway.predict(ROWS, name).status_code for name in NAMES}


def test_one_that_cannot_be_loaded_is_told_apart_and_harms_no_other(fleet: Fleet) -> None:
    project, _ = fleet
    version = project.stores.deployments.version(NAMES[0], "2")
    assert version is not None
    (version.folder / "MLmodel").write_text("damaged")
    good = add_endpoint(project, "good", two_versions(project)[0])
    with running_gateway(project) as gateway:
        refused = gateway.predict(ROWS, NAMES[0])
        assert 200 == gateway.predict(ROWS, good.name).status_code
        checks = gateway.client.get("/health").json()["checks"]
        ready = gateway.client.get("/health/ready", params={"endpoint": NAMES[0]})
    assert (503, "not_ready") == (refused.status_code, refused.json()["error"]["code"])
    assert f"Endpoint '{NAMES[0]}' cannot serve version 2" in refused.json()["error"]["message"]
    assert refused.json()["error"]["remedy"]
    assert NAMES[0] in checks["champions"]["not_loaded"]
    assert NAMES[0] not in checks["memory"]["load_at_first_request"]
    assert 503 == ready.status_code


def test_a_pinned_endpoint_is_in_memory_from_the_start_and_stays(trained: Project) -> None:
    first, _ = two_versions(trained)
    for name in NAMES:
        add_endpoint(trained, name, first, more="  min_resident: 1\n" if name == NAMES[-1] else "")
    trained.environment |= SMALL
    with running_gateway(trained) as gateway:
        assert NAMES[-1] not in _memory(gateway)["load_at_first_request"]
        assert {200} == {gateway.predict(ROWS, name).status_code for name in NAMES}
        assert NAMES[-1] not in _memory(gateway)["load_at_first_request"]


def test_a_version_with_a_process_of_its_own_leaves_with_its_process(trained: Project, tmp_path: Path) -> None:
    own = add_endpoint(trained, "own", task="regression", more="  allow_pickle: true\n")
    version = register(trained, own, model(GOOD, tmp_path / "seen"))
    add_endpoint(trained, "own", version, task="regression", more="  allow_pickle: true\n")
    others = [add_endpoint(trained, name, two_versions(trained)[0]).name for name in NAMES]
    trained.environment |= SMALL
    with running_gateway(trained) as gateway:
        before = family_pids(gateway.process.pid)
        assert [4.0] == gateway.predict([{"x": 8.0}], "own").json()["predictions"]
        assert 1 <= len(family_pids(gateway.process.pid) - before)
        for name in others:
            assert 200 == gateway.predict(ROWS, name).status_code
        wait_until(lambda: "own" in _memory(gateway)["load_at_first_request"], 20)
        wait_until(lambda: len(family_pids(gateway.process.pid)) <= len(before), 20)
        assert [4.0] == gateway.predict([{"x": 8.0}], "own").json()["predictions"]


def _memory(gateway: RunningGateway) -> dict[str, Any]:
    found: dict[str, Any] = gateway.client.get("/health").json()["checks"]["memory"]
    return found


def _shown(answer: Any) -> tuple[int, Any]:
    return answer.status_code, answer.json()
