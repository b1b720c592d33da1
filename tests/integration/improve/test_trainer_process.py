"""A trainer has a process of its own: limits hold, failures are typed, nothing of it stays, a killed one goes on."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from modelops_pipelines.core.errors import ModelOpsError, RegistryError, TrainingError
from modelops_pipelines.core.improve.retraining.failures import failure_kind
from modelops_pipelines.operations.improve.retraining.trainer_process import train_first_apart
from modelops_pipelines.platforms.process_supervisor import KEPT
from modelops_pipelines.store.setting_names import SECRET_VARIABLES
from modelops_pipelines.store.state.improve.training_runs import TrainingRun
from tests.fakes.misbehaving_trainers import SLOW_FILE
from tests.support.project import Project, cancer_frame, make_project
from tests.support.waiting import wait_until

YAML = """\
type: modelops_pipelines.ModelEndpoint
attributes:
  name: cancer
  model_name: tumours
  task: binary_classification
  label: benign
  trainer: tests.fakes.{trainer}
  retraining: {{{limits}}}
"""
PATIENCE = 120.0


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    cancer_frame().to_csv(tmp_path / "data.csv", index=False)
    return tmp_path


def project_with(folder: Path, trainer: str, limits: str = "attempts: 3") -> Project:
    return make_project(folder / "project", YAML.format(trainer=trainer, limits=limits))


def train(project: Project, folder: Path) -> str:
    return train_first_apart(project.stores, project.spec, folder / "data.csv", actor="ann").version


def failure(project: Project, folder: Path) -> ModelOpsError:
    with pytest.raises(ModelOpsError) as failed:
        train(project, folder)
    return failed.value


def only_run(project: Project) -> TrainingRun:
    [run] = project.stores.training_runs.of("cancer")
    return run


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_what_a_trainer_prints_is_kept_within_bounds_with_what_it_needed(folder: Path) -> None:
    project = project_with(folder, "misbehaving_trainers:talkative")
    assert "1" == train(project, folder)
    run = only_run(project)
    assert ("trained", "1", 1, None) == (run.status, run.version, run.attempt, run.failure)
    assert run.seconds is not None
    assert run.seconds > 0
    assert run.peak_mib is not None
    assert run.peak_mib > 50
    assert run.output is not None
    printed = Path(run.output)
    assert 0o600 == printed.stat().st_mode & 0o777
    text = printed.read_text()
    assert len(text) <= 2 * KEPT + 100
    assert text.startswith("the beginning")
    assert "bytes left out" in text
    assert "the end" in text[-5000:]


@pytest.mark.parametrize(
    ("trainer", "kind", "words"),
    [
        ("raising", "raised", "The trainer of 'cancer' raised ValueError: could not convert the rows"),
        ("ending", "crashed", "ended its process (exit code 7) before it registered a version"),
        ("empty", "no model", "returned a NoneType, which cannot predict"),
    ],
)
def test_a_permanent_failure_has_its_kind_and_is_never_tried_again(
    folder: Path, trainer: str, kind: str, words: str
) -> None:
    project = project_with(folder, f"misbehaving_trainers:{trainer}")
    error = failure(project, folder)
    assert isinstance(error, TrainingError)
    assert kind == failure_kind(error)
    assert words in error.message
    run = only_run(project)
    assert ("failed", kind, None) == (run.status, run.failure, run.version)
    assert words in str(run.message)
    assert [] == project.stores.deployments.versions("tumours")


def test_a_trainer_that_takes_too_long_is_stopped_with_all_its_processes(folder: Path) -> None:
    project = project_with(folder, "misbehaving_trainers:slow", "time_limit: 40s")
    error = failure(project, folder)
    assert ("timed out", "The training of 'cancer' took over 40s and was stopped") == (
        failure_kind(error),
        error.message,
    )
    pids = [int(pid) for pid in (folder / SLOW_FILE).read_text().split()]
    wait_until(lambda: not any(map(is_alive, pids)), PATIENCE)


def test_a_trainer_that_needs_too_much_memory_is_stopped(folder: Path) -> None:
    project = project_with(folder, "misbehaving_trainers:greedy", "memory_mib: 900")
    error = failure(project, folder)
    assert "out of memory" == failure_kind(error)
    assert "The training of 'cancer' needs more than 900 MiB of memory" in error.message
    run = only_run(project)
    assert run.peak_mib is not None
    assert 900 < run.peak_mib < 1900


@pytest.mark.parametrize("trainer", ["hiding", "hiding_memory"])
def test_a_process_that_hides_in_a_session_of_its_own_is_counted_and_ended(folder: Path, trainer: str) -> None:
    project = project_with(folder, f"misbehaving_trainers:{trainer}", "memory_mib: 900")
    if trainer == "hiding":
        assert "1" == train(project, folder)
    else:
        assert "out of memory" == failure_kind(failure(project, folder))
    assert not is_alive(int((folder / "hidden.pid").read_text()))


def test_a_trainer_sees_the_users_variables_and_no_secret_of_ours(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = project_with(folder, "misbehaving_trainers:telling")
    for name in SECRET_VARIABLES:
        monkeypatch.setenv(name, f"hidden-{name}")
    monkeypatch.setenv("WAREHOUSE_URL", "the user's own")
    assert "1" == train(project, folder)
    printed = Path(str(only_run(project).output)).read_text()
    assert "WAREHOUSE_URL=the user's own" in printed
    assert "MODELOPS_HOME=" in printed
    assert [] == [name for name in SECRET_VARIABLES if f"{name}=" in printed or f"'{name}'" in printed]
    assert "hidden-" not in printed
    assert "input: ''" in printed


@pytest.mark.parametrize(("answers_at", "tries"), [(2, 2), (9, 3)])
def test_a_failure_that_may_pass_is_tried_again_as_often_as_said(folder: Path, answers_at: int, tries: int) -> None:
    project = project_with(folder, "unreachable_trainer:train")
    (folder / "answers_at").write_text(str(answers_at))
    if answers_at <= tries:
        assert "1" == train(project, folder)
    else:
        assert isinstance(failure(project, folder), RegistryError)
    runs = project.stores.training_runs.of("cancer")
    assert list(range(1, tries + 1)) == [run.attempt for run in runs]
    assert ["registry unreachable"] * (tries - 1) == [run.failure for run in runs][: tries - 1]


PROGRAM = """
    from pathlib import Path
    from modelops_pipelines.operations.endpoints.lookup import endpoint_named
    from modelops_pipelines.operations.improve.retraining.trainer_process import train_first_apart
    from modelops_pipelines.store.stores import Stores

    stores = Stores()
    train_first_apart(stores, endpoint_named(stores, "cancer"), Path("data.csv"), actor="ann")
"""


def started(project: Project) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, **project.environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen([sys.executable, "-c", dedent(PROGRAM)], env=environment)


@pytest.mark.parametrize("victim", ["the retraining", "the supervisor"])
def test_nothing_of_a_trainer_stays_when_what_runs_it_is_killed(folder: Path, victim: str) -> None:
    project = project_with(folder, "misbehaving_trainers:slow")
    parent = started(project)
    wait_until((folder / SLOW_FILE).exists, PATIENCE)
    supervisor, trainer, child = (int(pid) for pid in (folder / SLOW_FILE).read_text().split())
    os.kill(parent.pid if victim == "the retraining" else supervisor, signal.SIGKILL)
    parent.wait(PATIENCE)
    wait_until(lambda: not any(map(is_alive, (supervisor, trainer, child))), PATIENCE)
    if victim == "the supervisor":
        assert "crashed" == only_run(project).failure


def test_a_killed_training_run_again_makes_one_version(folder: Path) -> None:
    project = project_with(folder, "misbehaving_trainers:patient")
    parent = started(project)
    wait_until((folder / "patient.pid").exists, PATIENCE)
    parent.kill()
    parent.wait()
    (folder / "go").touch()
    assert ["1", "1"] == [train(project, folder), train(project, folder)]
    assert ["running", "trained", "trained"] == [run.status for run in project.stores.training_runs.of("cancer")]
    assert 1 == len(project.stores.deployments.versions("tumours"))
