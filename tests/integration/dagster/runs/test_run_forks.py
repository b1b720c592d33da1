"""Processes of runs are forked: like new ones, begun once or not at all, and by code as it is on the disk."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.launcher import LaunchRunContext
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin

from modelops_pipelines.resources.run_forks import RunForks, WaitingRun
from modelops_pipelines.resources.run_launcher import PROCESS_TAG, has_ended
from modelops_pipelines.resources.run_scope import CODE_LOCATION
from modelops_pipelines.store.filesystem.process_identity import process_id
from tests.support.paths import ROOT
from tests.support.project import make_project
from tests.support.waiting import wait_until

OURS = {"run_launcher": {"module": "modelops_pipelines.resources.run_launcher", "class": "LocalRunLauncher"}}
SECONDS = 60


class Forks:
    """Forks of ``tests.fakes.forked_runs``, past the first that is not forked."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.environment = {"PYTHONPATH": f"{ROOT}:{folder}", "PATH": os.environ["PATH"], **environment}
        self._forks = RunForks("tests.fakes.forked_runs")
        assert self._forks.fork([], self.environment) is None, "one that starts a single run waits for no second import"

    def fork(self, name: str, **more: str) -> WaitingRun:
        forked = self._forks.fork([str(self.told(name)), str(self.awaited(name))], self.environment | more)
        assert forked is not None
        return forked

    def told(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def awaited(self, name: str) -> Path:
        return self.folder / f"{name} may end"

    def said(self, name: str) -> dict[str, Any]:
        wait_until(self.told(name).exists, SECONDS)
        found: dict[str, Any] = json.loads(self.told(name).read_text())
        return found

    def end(self, name: str, pid: int) -> None:
        self.awaited(name).touch()
        wait_until(lambda: is_over(pid), SECONDS)


def is_over(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


@pytest.fixture
def forks(tmp_path: Path) -> Forks:
    return Forks(tmp_path)


def test_a_forked_process_is_like_a_new_one_and_is_collected(forks: Forks, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder := forks.folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder)
    parents = set()
    for name in ("one", "two"):
        with forks.fork(name, THIS=name) as forked:
            forked.begin()
        said = forks.said(name)
        parents.add(said["parent"])
        assert said["environment"] == forks.environment | {"THIS": name}
        assert (said["pid"], said["session"], said["folder"]) == (forked.pid, forked.pid, str(folder))
        assert (said["collects"], said["descriptors"]) == (True, []), "neither the forker's signals nor its sockets"
        forks.end(name, forked.pid)
        wait_until(lambda: not Path(f"/proc/{forked.pid}").exists(), SECONDS)
    assert len(parents) == 1, "the imports are paid once"


def test_a_run_that_is_not_told_to_begin_never_does(forks: Forks) -> None:
    with forks.fork("dropped") as forked:
        pass
    wait_until(lambda: is_over(forked.pid), SECONDS)
    assert not forks.told("dropped").exists()


def test_runs_go_on_when_the_forker_is_killed_and_the_next_has_another(forks: Forks) -> None:
    with forks.fork("old") as old:
        old.begin()
    parent = forks.said("old")["parent"]
    with forks.fork("waits") as waits:
        os.kill(parent, signal.SIGKILL)
        waits.begin()
    assert forks.said("waits")["pid"] == waits.pid
    with forks.fork("new") as new:
        new.begin()
    assert forks.said("new")["parent"] not in (parent, 1)
    assert not is_over(old.pid)
    for name, one in (("old", old), ("waits", waits), ("new", new)):
        forks.end(name, one.pid)


def test_the_forker_ends_with_the_one_that_started_it_and_when_it_is_idle(tmp_path: Path) -> None:
    forks = Forks(tmp_path, IDLE="0.1")
    with forks.fork("one") as one:
        one.begin()
    parent = forks.said("one")["parent"]
    wait_until(lambda: is_over(parent), SECONDS)
    with forks.fork("two") as two:
        two.begin()
    del forks.environment["IDLE"]
    del forks._forks
    wait_until(lambda: is_over(forks.said("two")["parent"]), SECONDS)
    for name, forked in (("one", one), ("two", two)):
        forks.end(name, forked.pid)


@pytest.mark.parametrize("change", ["another text", "gone"])
def test_code_that_has_changed_is_imported_anew(tmp_path: Path, change: str) -> None:
    (module := tmp_path / "imported_by_runs.py").write_text("A = 1\n")
    forks = Forks(tmp_path, IMPORTED=module.stem)
    with forks.fork("before") as before:
        before.begin()
    first = forks.said("before")["parent"]
    if change == "gone":
        module.unlink()
        del forks.environment["IMPORTED"]
    else:
        module.write_text("A = 22\n")
    with forks.fork("after") as after:
        after.begin()
    assert forks.said("after")["parent"] != first
    wait_until(lambda: is_over(first), SECONDS)
    for name, forked in (("before", before), ("after", after)):
        forks.end(name, forked.pid)


def test_one_that_cannot_be_started_leaves_the_run_to_a_process_of_its_own(tmp_path: Path) -> None:
    forks = RunForks("no_such_module")
    assert [None, None] == [forks.fork([], {"PYTHONPATH": str(tmp_path)}) for _ in range(2)]


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    project = make_project(tmp_path / "project")
    for name, value in project.environment.items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=OURS) as made:
        yield made


def test_the_launcher_s_runs_succeed_and_all_but_the_first_are_forked(instance: dg.DagsterInstance) -> None:
    pointer = ModuleCodePointer(CODE_LOCATION, "defs", str(ROOT))
    origin = JobPythonOrigin("reconcile", RepositoryPythonOrigin(sys.executable, pointer, None, None, None))
    commands = []
    for number in range(3):
        run = dg.DagsterRun("reconcile", f"00000000-0000-0000-0000-00000000000{number}", job_code_origin=origin)
        instance.add_run(run)
        instance.run_launcher.launch_run(LaunchRunContext(run, None))
        launched = instance.get_run_by_id(run.run_id)
        assert launched is not None
        commands.append(Path(f"/proc/{process_id(launched.tags[PROCESS_TAG])}/cmdline").read_text())
        wait_until(lambda launched=launched: has_ended(launched), SECONDS)
        ended = instance.get_run_by_id(run.run_id)
        assert ended is not None
        assert ended.is_success, instance.all_logs(run.run_id)
    assert [True, False, False] == [f"0000{number}" in command for number, command in enumerate(commands)]
    assert commands[1] == commands[2]
