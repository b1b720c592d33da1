"""Runs whose process is gone: found whatever they were doing, ended as failed, and asked for again by what wanted them."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster import DagsterRunStatus
from dagster._core.events import EngineEventData, JobFailureData, RunFailureReason
from dagster._core.storage.tags import RUN_FAILURE_REASON_TAG

from modelops_pipelines.assets.improve import REASON_TAG
from modelops_pipelines.platforms.marked_processes import VARIABLE, Mark
from modelops_pipelines.resources.run_launcher import PROCESS_TAG
from modelops_pipelines.resources.run_scope import KIND_TAG
from modelops_pipelines.sensors.alerts import REPORT_TAG
from modelops_pipelines.sensors.common import RETRAINING_ASSETS
from modelops_pipelines.sensors.lost_runs import NAMELESS_SECONDS, end_lost_runs
from modelops_pipelines.sensors.retraining import KIND
from modelops_pipelines.sensors.run_requests import (
    LONGEST_PAUSE,
    LONGEST_PAUSE_OF_FAULTS,
    REQUEST_TAG,
    ask_again,
    pause_after,
)
from modelops_pipelines.sensors.shadow import SHADOW_TAG, SHADOWS
from modelops_pipelines.store.filesystem.process_identity import identity_of, is_gone
from tests.support.project import CANCER_YAML
from tests.support.waiting import wait_until
from tests.worlds.dagster_project import START, World, world

OURS = {"run_launcher": {"module": "modelops_pipelines.resources.run_launcher", "class": "LocalRunLauncher"}}
DEFAULT = {"run_launcher": {"module": "dagster.core.launcher", "class": "DefaultRunLauncher"}}
SLEEPS = [sys.executable, "-c", "import time; time.sleep(600)"]
UNDER_WAY = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]


@dg.job
def nothing() -> None:
    pass


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("dagster")), overrides=OURS) as made:
        yield made


@pytest.fixture
def alive() -> Iterator[str]:
    process = subprocess.Popen(SLEEPS)
    yield identity_of(process.pid)
    process.kill()
    process.wait()


@pytest.fixture
def dead() -> str:
    process = subprocess.Popen(SLEEPS)
    name = identity_of(process.pid)
    process.kill()
    process.wait()
    return name


def run_with(instance: dg.DagsterInstance, status: DagsterRunStatus, **tags: str) -> str:
    named = {name.replace("__", "/"): value for name, value in tags.items()}
    return str(instance.create_run_for_job(nothing, tags=named, status=status).run_id)


def after(instance: dg.DagsterInstance, run_id: str) -> Any:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run


def ended(instance: dg.DagsterInstance, later: float = 0.0) -> set[str]:
    return {run.run_id for run in end_lost_runs(instance, time.time() + later)}


@pytest.mark.parametrize("status", UNDER_WAY)
def test_a_run_whose_process_is_gone_is_ended_whatever_it_was_doing(
    instance: dg.DagsterInstance, dead: str, alive: str, status: DagsterRunStatus
) -> None:
    lost = run_with(instance, status, modelops__process=dead)
    runs = run_with(instance, status, modelops__process=alive)
    assert ended(instance) == {lost}
    canceled = status == DagsterRunStatus.CANCELING
    expected = DagsterRunStatus.CANCELED if canceled else DagsterRunStatus.FAILURE
    assert (after(instance, lost).status, after(instance, runs).status) == (expected, status)
    if not canceled:
        assert after(instance, lost).tags[RUN_FAILURE_REASON_TAG] == "UNEXPECTED_TERMINATION"
    assert ended(instance) == set()
    instance.delete_run(runs)


def test_a_process_that_ended_and_was_not_collected_yet_is_gone(instance: dg.DagsterInstance) -> None:
    process = subprocess.Popen(SLEEPS)
    name = identity_of(process.pid)
    assert is_gone(name) is False
    process.kill()
    wait_until(lambda: is_gone(name), 30)
    assert process.returncode is None
    process.wait()


def test_another_process_with_the_same_id_is_not_the_run_s(instance: dg.DagsterInstance, alive: str) -> None:
    host, pid, started = alive.split(":")
    lost = run_with(instance, DagsterRunStatus.STARTED, modelops__process=f"{host}:{pid}:{int(started) - 1}")
    assert ended(instance) == {lost}


def test_a_run_of_another_host_is_gone_when_another_up_has_the_home(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(VARIABLE, Mark(tmp_path, "here:2:2", "dagster-code").text())
    lost = run_with(instance, DagsterRunStatus.STARTED, modelops__process="box:7:7", modelops__up="box:1:1")
    mine = run_with(instance, DagsterRunStatus.STARTED, modelops__process="box:8:8", modelops__up="here:2:2")
    assert ended(instance) == {lost}
    instance.delete_run(mine)


def test_a_launch_that_was_killed_before_it_named_its_process_is_ended_after_a_while(
    instance: dg.DagsterInstance,
) -> None:
    run_id = launched(instance)
    assert ended(instance) == set()
    assert ended(instance, NAMELESS_SECONDS + 1) == {run_id}


def test_a_process_that_its_daemon_could_not_name_any_more_is_found_and_named(instance: dg.DagsterInstance) -> None:
    run_id = launched(instance)
    process = subprocess.Popen([*SLEEPS, run_id])
    assert ended(instance, NAMELESS_SECONDS + 1) == set()
    assert after(instance, run_id).tags[PROCESS_TAG] == identity_of(process.pid)
    process.kill()
    process.wait()
    assert ended(instance) == {run_id}


def launched(instance: dg.DagsterInstance) -> str:
    run_id = run_with(instance, DagsterRunStatus.NOT_STARTED)
    event = dg.DagsterEvent(event_type_value=dg.DagsterEventType.PIPELINE_STARTING.value, job_name="nothing")
    instance.report_dagster_event(event, run_id)
    return run_id


def test_a_run_of_dagster_s_default_launcher_is_known_by_the_process_that_its_events_name(
    alive: str, dead: str, tmp_path: Path
) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=DEFAULT) as other:
        runs, lost = (run_with(other, DagsterRunStatus.STARTED, endpoint="e") for _ in range(2))
        theirs, nameless = (run_with(other, DagsterRunStatus.STARTED, **tags) for tags in ({}, {"endpoint": "e"}))
        for run_id, process in ((runs, alive), (lost, dead), (theirs, dead)):
            data = EngineEventData.in_process(int(process.split(":")[1]))
            other.report_engine_event("Started process for run", after(other, run_id), data)
        assert ended(other) == {lost}
        assert [after(other, run_id).status for run_id in (runs, theirs, nameless)] == [DagsterRunStatus.STARTED] * 3


def test_a_run_that_a_command_of_dagster_runs_itself_and_one_of_another_launcher_are_left_alone(
    instance: dg.DagsterInstance, dead: str, tmp_path: Path
) -> None:
    own = run_with(instance, DagsterRunStatus.STARTED)
    assert ended(instance, NAMELESS_SECONDS + 1) == set()
    instance.delete_run(own)
    with dg.DagsterInstance.local_temp(str(tmp_path)) as other:
        run_with(other, DagsterRunStatus.STARTED, modelops__process=dead)
        assert ended(other, NAMELESS_SECONDS + 1) == set()


# Asking again


def lose(instance: dg.DagsterInstance, request: dg.RunRequest, reason: RunFailureReason | None) -> str:
    tags = {**request.tags, "dagster/run_key": str(request.run_key)}
    run = instance.create_run_for_job(nothing, tags=tags, status=DagsterRunStatus.STARTED)
    fault = None if reason is None else JobFailureData(error=None, failure_reason=reason)
    instance.report_run_failed(run, "test", fault)
    return str(run.run_id)


def test_a_lost_run_is_asked_for_again_at_once_and_then_after_pauses_that_double(instance: dg.DagsterInstance) -> None:
    wanted = dg.RunRequest(run_key="wanted", tags={"endpoint": "e"})
    first = ask_again(instance, wanted, time.time())
    assert (first.run_key, first.tags) == ("wanted", {"endpoint": "e", REQUEST_TAG: "wanted"})
    keys, request = ["wanted"], first
    for pause in (0, 10, 20, 40):
        lost = lose(instance, request, RunFailureReason.UNEXPECTED_TERMINATION)
        now = time.time()
        if pause:
            assert ask_again(instance, wanted, now + pause - 5).run_key == "wanted", "Dagster starts none for this key"
        request = ask_again(instance, wanted, now + pause + 1)
        assert str(request.run_key).endswith(lost)
        keys.append(str(request.run_key))
    assert len(set(keys)) == 5
    for _ in range(10):
        lose(instance, request, RunFailureReason.UNEXPECTED_TERMINATION)
    assert ask_again(instance, wanted, time.time() + LONGEST_PAUSE + 1).run_key != "wanted"


@pytest.mark.parametrize("reason", [None, RunFailureReason.STEP_FAILURE, RunFailureReason.RUN_EXCEPTION])
def test_a_run_that_failed_by_its_own_fault_is_not_asked_for_again(
    instance: dg.DagsterInstance, reason: RunFailureReason | None
) -> None:
    wanted = dg.RunRequest(run_key=f"faulty {reason}", tags={})
    lose(instance, ask_again(instance, wanted, time.time()), reason)
    assert ask_again(instance, wanted, time.time() + 3600).run_key == wanted.run_key


def test_what_stays_due_is_asked_for_again_after_faults_too_and_less_and_less_often() -> None:
    assert pause_after(0, 0) is None
    assert [60, 120, 240, 480] == [pause_after(0, faults) for faults in range(1, 5)]
    assert LONGEST_PAUSE_OF_FAULTS == pause_after(0, 20)


def test_the_next_loss_after_a_success_counts_as_the_first(instance: dg.DagsterInstance) -> None:
    wanted = dg.RunRequest(run_key="in between", tags={})
    for _ in range(3):
        lose(instance, ask_again(instance, wanted, time.time() + 3600), RunFailureReason.UNEXPECTED_TERMINATION)
    run_with(instance, DagsterRunStatus.SUCCESS, modelops__request="in between")
    lose(instance, ask_again(instance, wanted, time.time()), RunFailureReason.UNEXPECTED_TERMINATION)
    assert ask_again(instance, wanted, time.time()).run_key != "in between"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    yaml = f"{CANCER_YAML}  retraining: {{min_new_labels: 10, cooldown: 7d}}\n"
    with world(tmp_path_factory.mktemp("world"), yaml=yaml) as one:
        yield one


def test_new_data_is_asked_for_again_after_its_run_was_lost(made: World) -> None:
    made.project.stores.touched_windows.mark("cancer", ["service_metrics"], [START])
    (request,) = made.tick("new_data").run_requests
    lose(made.instance, request, RunFailureReason.UNEXPECTED_TERMINATION)
    (again,) = made.tick("new_data").run_requests
    assert again.run_key != request.run_key
    assert again.tags == request.tags


def test_a_retraining_whose_run_was_lost_is_asked_for_again_within_its_cool_down(made: World) -> None:
    assert isinstance(made.tick("retraining").skip_message, str)
    request = dg.RunRequest(
        run_key="retrain cancer at 1", tags={"endpoint": "cancer", KIND_TAG: KIND, REASON_TAG: "drift"}
    )
    lost = lose(made.instance, ask_again(made.instance, request, time.time()), RunFailureReason.UNEXPECTED_TERMINATION)
    (again,) = made.tick("retraining").run_requests
    assert again.run_key == f"retrain cancer at 1, again after run {lost}"
    assert again.tags.items() >= request.tags.items()
    assert [key.path[-1] for key in again.asset_selection] == [*RETRAINING_ASSETS]
    run_with(made.instance, DagsterRunStatus.SUCCESS, **{key.replace("/", "__"): v for key, v in again.tags.items()})
    assert made.tick("retraining").run_requests == []


def test_a_shadow_and_a_drift_report_whose_run_was_lost_are_asked_for_again(made: World) -> None:
    shadow = dg.RunRequest(run_key="shadow", tags={SHADOW_TAG: "cancer"})
    report = dg.RunRequest(run_key="report", tags={REPORT_TAG: "true", "modelops/reason": "a feature drifts"})
    with dg.build_sensor_context(instance=made.instance) as context:
        assert not SHADOWS.last_was_lost(context, "cancer")
        lose(made.instance, shadow, RunFailureReason.UNEXPECTED_TERMINATION)
        assert SHADOWS.last_was_lost(context, "cancer")
    lost = lose(made.instance, report, RunFailureReason.UNEXPECTED_TERMINATION)
    (again,) = made.tick("alerts").run_requests
    assert again.run_key == f"drift report, again after run {lost}"
    assert again.tags.items() >= report.tags.items()


# The launcher


def test_ending_a_run_by_hand_signals_its_process_and_one_without_a_process_is_canceled_at_once(
    instance: dg.DagsterInstance, dead: str
) -> None:
    process = subprocess.Popen(SLEEPS)
    runs = run_with(instance, DagsterRunStatus.STARTED, modelops__process=identity_of(process.pid))
    assert instance.run_launcher.terminate(runs)
    assert process.wait(timeout=30) == -signal.SIGTERM
    lost = run_with(instance, DagsterRunStatus.STARTED, modelops__process=dead)
    assert instance.run_launcher.terminate(lost)
    assert after(instance, lost).status == DagsterRunStatus.CANCELED
    assert instance.run_launcher.terminate(lost) is False
    instance.delete_run(runs)
