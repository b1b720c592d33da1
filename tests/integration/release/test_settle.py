"""A change killed at any of its steps ends active or reverted; the same asked for many times at once happens once."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.errors import AcknowledgementError, ConflictError
from modelops_pipelines.core.release.deployment_states import Acknowledgement, outcome
from modelops_pipelines.core.release.desired_state import variants_of
from modelops_pipelines.core.release.event_log import broken_link
from modelops_pipelines.operations.release.commands import (
    archive,
    delete,
    deploy,
    restore,
    roll_back,
    stages,
    start,
    stop,
)
from modelops_pipelines.operations.release.settle import settle
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores
from tests.support.paths import ROOT
from tests.support.project import Project, make_project
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("untried_versions")

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
WHO: dict[str, Any] = {"actor": "ann", "reason": "a test"}
STEPS = {
    "loads": (("claim", 1), ("change", 1), ("move", 1)),
    "does not load": (("claim", 1), ("change", 1), ("change", 2)),
}
"""The writes of a deploy, in their order: the attempt; the desired state with its event; what came of it, or what was
before put back."""
KILLED = """\
import os, signal, sys
from modelops_pipelines.operations.endpoints.lookup import endpoint_named
from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.operations.release import offline_proof
from modelops_pipelines.store.state.release.deployments import Deployments
from modelops_pipelines.store.stores import Stores

offline_proof.try_version = lambda version, *_: version  # the versions have no files
step, nth, when, version = sys.argv[1:]
whole, calls = getattr(Deployments, step), []

def dies(*given, **more):
    calls.append(1)
    if len(calls) < int(nth):
        return whole(*given, **more)
    if when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    whole(*given, **more)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(Deployments, step, dies)
stores = Stores()
deploy(stores, endpoint_named(stores, "cancer"), version, actor="killed", reason="a test", force=True)
"""
ONCE = """\
import sys
from modelops_pipelines.operations.endpoints.lookup import endpoint_named
from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.store.stores import Stores

from concurrent.futures import ThreadPoolExecutor
from modelops_pipelines.operations.release import offline_proof

offline_proof.try_version = lambda version, *_: version  # the versions have no files
many, key = int(sys.argv[1]), sys.argv[2] or None
spec = endpoint_named(Stores(), "cancer")
callers = [Stores() for _ in range(many)]
for caller in callers:
    caller.deployments.desired("cancer")
sys.stdin.read()
with ThreadPoolExecutor(many) as pool:
    made = pool.map(lambda own: deploy(own, spec, "2", actor="one of many", reason="a test", key=key, force=True), callers)
    for one in made:
        print(one.changed, one.generation)
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Return a project with version 1 live."""
    made = make_project(tmp_path)
    for version in ("1", "2", "3"):
        known = ModelVersion("tumours", version, "/nowhere", {"x": "float"}, ["0", "1"], None, None, NOW)
        made.stores.deployments.record_version(known)
    deploy(made.stores, made.spec, "1", **WHO, force=True)
    yield made
    made.stores.database.close()


def process(project: Project, code: str, *given: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, **project.environment, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", code, *given],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def worker(project: Project, generation: int, error: str | None = None) -> None:
    """Have a live worker say which generation it serves, or that it cannot."""
    project.stores.deployments.heartbeat("worker", "http://w", project.stores.now() + timedelta(hours=1))
    project.stores.deployments.acknowledge("worker", "cancer", generation, error, project.stores.now())


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("how", "step", "nth"), [(how, *step) for how, steps in STEPS.items() for step in steps])
def test_a_deploy_killed_at_any_step_ends_active_or_reverted(
    project: Project, how: str, step: str, nth: int, when: str
) -> None:
    loads = how == "loads"
    worker(project, 1)
    settle(project.stores, project.spec)
    worker(project, 2, None if loads else "no such file")
    killed = process(project, KILLED, step, str(nth), when, "2")
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    settle(project.stores, project.spec)
    assert project.stores.deployments.unsettled() == []
    state = project.stores.deployments.desired("cancer")
    known = {one.version: one.status for one in project.stores.deployments.attempts(["cancer"])}
    written = (step, nth, when) not in {("claim", 1, "before"), ("claim", 1, "after"), ("change", 1, "before")}
    if written and loads:
        assert (variants_of("2"), "active", "stopped") == (state.variants, known["2"], known["1"])
    else:
        assert variants_of("1") == state.variants
        assert known.get("2") in {"failed", None}
    assert broken_link(project.stores.deployments.sealed_events(), project.stores.deployments.head()) is None
    worker(project, state.generation + 1)
    if state.champion == "1":
        assert deploy(project.stores, project.spec, "2", **WHO, force=True).changed
    assert variants_of("2") == project.stores.deployments.desired("cancer").variants


@pytest.mark.parametrize("key", ["", "the same key"], ids=["no key", "one key"])
def test_of_fifty_identical_deploys_of_five_processes_one_is_made(project: Project, key: str) -> None:
    callers = [process(project, ONCE, "10", key) for _ in range(5)]
    time.sleep(2)
    for caller in callers:
        assert caller.stdin is not None
        caller.stdin.close()
    said = [line.split() for caller in callers if caller.stdout for line in caller.stdout.read().splitlines()]
    assert [0] * 5 == [caller.wait(60) for caller in callers]
    assert 50 == len(said)
    assert ["True"] == [changed for changed, _ in said if changed == "True"]
    assert {"2"} == {generation for _, generation in said}
    assert ["1", "2"] == [event.to_version for event in project.stores.deployments.events("cancer")]
    assert 2 == len(project.stores.deployments.attempts(["cancer"]))


def test_a_key_is_for_one_request_only(project: Project) -> None:
    first = deploy(project.stores, project.spec, "2", **WHO, force=True, key="k")
    assert (True, "cancer/k") == (first.changed, first.deployment_id)
    roll_back(project.stores, project.spec, **WHO)
    again = deploy(project.stores, project.spec, "2", **WHO, force=True, key="k")
    assert (False, "cancer/k") == (again.changed, again.deployment_id)
    assert "cancer: deployment cancer/k was requested before; it is stopped" == again.sentence
    assert variants_of("1") == project.stores.deployments.desired("cancer").variants
    with pytest.raises(ConflictError, match="'k' was used to deploy version 2"):
        deploy(project.stores, project.spec, "3", **WHO, force=True, key="k")


def test_a_deploy_without_a_worker_is_open_until_one_serves_it(project: Project) -> None:
    deploy(project.stores, project.spec, "2", **WHO, force=True)
    [open_] = project.stores.deployments.attempts(["cancer"], "deploying")
    assert "2" == open_.version
    worker(project, 2)
    [settled] = settle(project.stores, project.spec)
    assert ("2", "active") == (settled.version, settled.status)
    assert [] == settle(project.stores, project.spec)


def test_a_deploy_that_the_first_worker_refuses_is_taken_back_whoever_finds_it(project: Project) -> None:
    deploy(project.stores, project.spec, "2", **WHO, force=True)
    worker(project, 2, "no such file")
    [settled] = settle(project.stores, project.spec)
    assert ("failed", "no such file") == (settled.status, settled.error)
    assert variants_of("1") == project.stores.deployments.desired("cancer").variants


def test_who_joins_a_deploy_that_fails_is_told_why(project: Project) -> None:
    worker(project, 1)
    first = process(project, ONCE, "2", "")
    assert first.stdin is not None
    first.stdin.close()
    wait_until(lambda: project.stores.deployments.desired("cancer").champion == "2", 30)
    with ThreadPoolExecutor(1) as pool:
        joined = pool.submit(deploy, Stores(project.stores.settings), project.spec, "2", **WHO)
        time.sleep(0.5)
        worker(project, 2, "no such file")
        with pytest.raises(AcknowledgementError, match="failed: no such file"):
            joined.result(30)
    first.wait(30)
    assert variants_of("1") == project.stores.deployments.desired("cancer").variants


def test_a_dry_run_tells_and_changes_nothing(project: Project) -> None:
    told = deploy(project.stores, project.spec, "2", **WHO, force=True, dry_run=True)
    forced = "forced past the gate: it was never evaluated"
    assert f"cancer: would deploy 1 -> 2 (100 % of the traffic, generation 2); {forced}" == told.sentence
    same = deploy(project.stores, project.spec, "1", **WHO, force=True, dry_run=True)
    assert "cancer: would change nothing" == same.sentence
    assert 1 == len(project.stores.deployments.events("cancer"))


def test_archived_never_serves_until_it_is_restored(project: Project) -> None:
    stores, spec = project.stores, project.spec
    with pytest.raises(ConflictError, match="Version 1 is the champion of endpoint 'cancer'"):
        archive(stores, spec, "1", **WHO)
    assert archive(stores, spec, "2", **WHO)
    assert not archive(stores, spec, "2", **WHO)
    with pytest.raises(ConflictError, match="Version 2 of model 'tumours' is archived"):
        deploy(stores, spec, "2", **WHO, force=True)
    assert variants_of("1") == stores.deployments.desired("cancer").variants
    assert {"1": "production", "2": "archived", "3": "development"} == stages(stores, spec)
    assert restore(stores, spec, "2", **WHO)
    assert deploy(stores, spec, "2", share=10, **WHO).changed
    with pytest.raises(ConflictError, match="is the challenger"):
        archive(stores, spec, "2", **WHO)
    assert {"1": "production", "2": "staging", "3": "development"} == stages(stores, spec)
    actions = [event.action for event in stores.deployments.events("cancer")]
    assert ["deploy", "archive", "restore", "deploy"] == actions


def test_a_rollback_passes_over_an_archived_champion(project: Project) -> None:
    for version in ("2", "3"):
        deploy(project.stores, project.spec, version, **WHO, force=True)
    worker(project, 3)
    settle(project.stores, project.spec)
    archive(project.stores, project.spec, "2", **WHO)
    project.stores.deployments.leave("worker")
    assert "1" == roll_back(project.stores, project.spec, **WHO).to_version


def test_stopping_and_starting_keeps_what_was_served_and_deleting_keeps_the_history(project: Project) -> None:
    stores, spec = project.stores, project.spec
    deploy(stores, spec, "2", share=25, **WHO)
    stop(stores, spec, **WHO)
    assert ("stopped", ()) == (
        stores.deployments.desired("cancer").status,
        stores.deployments.desired("cancer").answering,
    )
    assert {"1": "deploying", "2": "deploying"} == {
        one.version: one.status for one in stores.deployments.attempts(["cancer"])
    }
    assert not stop(stores, spec, **WHO).changed
    with pytest.raises(ConflictError, match="is stopped"):
        deploy(stores, spec, "3", **WHO, force=True)
    start(stores, spec, **WHO)
    assert variants_of("1", "2", 25) == stores.deployments.desired("cancer").answering
    delete(stores, spec, **WHO)
    assert ("deleted", ()) == (
        stores.deployments.desired("cancer").status,
        stores.deployments.desired("cancer").variants,
    )
    with pytest.raises(ConflictError, match="serves no version"):
        start(stores, spec, **WHO)
    deploy(stores, spec, "3", **WHO, force=True)
    with pytest.raises(ConflictError, match="no earlier champion"):
        roll_back(stores, spec, **WHO)
    assert ["deploy", "deploy", "stop", "start", "delete", "deploy"] == [
        event.action for event in stores.deployments.events("cancer")
    ]


def test_a_worker_that_has_just_started_is_waited_for_however_old_the_deployment_is(project: Project) -> None:
    deploy(project.stores, project.spec, "2", **WHO, force=True)
    [attempt] = [one for one in project.stores.deployments.attempts(["cancer"]) if one.version == "2"]
    state = project.stores.deployments.desired("cancer")
    later = attempt.updated_at + timedelta(hours=1)
    quick, new, stuck = Acknowledgement("a", 2, None), Acknowledgement("b", 0, None), Acknowledgement("c", 1, None)
    assert outcome(attempt, state, [quick, new], later) is None
    assert outcome(attempt, state, [quick], later) == ("active", None)
    assert outcome(attempt, state, [quick, stuck], attempt.updated_at) is None
    assert outcome(attempt, state, [quick, stuck], later) == ("failed", "not all workers acknowledged it within 120 s")
    assert outcome(attempt, state, [Acknowledgement("a", 3, "no such file")], later) is None


def test_a_key_whose_attempt_came_to_nothing_may_be_used_again(project: Project) -> None:
    killed = process(project, KILLED, "change", "1", "before", "2")
    killed.communicate(timeout=60)
    settle(project.stores, project.spec)
    [failed] = project.stores.deployments.attempts(["cancer"], "failed")
    again = deploy(project.stores, project.spec, "2", **WHO, force=True, key=failed.deployment_id.partition("/")[2])
    assert (True, failed.deployment_id) == (again.changed, again.deployment_id)


def test_what_a_failed_deploy_would_put_back_is_not_archived_meanwhile(project: Project) -> None:
    deploy(project.stores, project.spec, "2", **WHO, force=True)
    with pytest.raises(ConflictError, match="Version 1 is the champion"):
        archive(project.stores, project.spec, "1", **WHO)
    worker(project, 2)
    settle(project.stores, project.spec)
    assert archive(project.stores, project.spec, "1", **WHO)
