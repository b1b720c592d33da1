"""Builds of an environment that are killed at random moments, or whose uv is: nothing half-built is ever used."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from modelops_pipelines.store.registry.environments.environments import BUILDING, LEFT, READY, Environments
from modelops_pipelines.store.registry.environments.requirements import Requirements
from modelops_pipelines.store.registry.environments.uv_commands import Asker, python_of
from tests.support.paths import ROOT
from tests.support.waiting import wait_until
from tests.support.wheels import make_wheel, only_wheels, processes_with

SEED = int(os.environ.get("MODELOPS_KILL_SEED", "20261201"))
NEEDED = Requirements(f"{sys.version_info[0]}.{sys.version_info[1]}", ("mlflow ==1.0", "other ==2.0"))
MODULES = {"__init__": "", **{f"part_{number}": f"VALUE = {number}\n" * 200 for number in range(100)}}
BEGIN = """\
import sys
from pathlib import Path
from modelops_pipelines.store.registry.environments.environments import Environments
from modelops_pipelines.store.registry.environments.requirements import Requirements
from modelops_pipelines.store.registry.environments.uv_commands import Asker
environments, needed = Environments(Path(sys.argv[1])), Requirements(sys.argv[2], tuple(sys.argv[3:]))
print(flush=True)
"""
BUILD = f'{BEGIN}environments.ensure(needed, Asker("Version 3"))\n'
REMOVE = f"{BEGIN}environments.clean(list, 0)\n"
OWN = ("environment.json", ".used", ".lock", "requirements.txt", "constraints.txt")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    wheels = only_wheels(tmp_path, monkeypatch)
    for name, version in (("mlflow", "1.0"), ("other", "2.0")):
        make_wheel(wheels, name, version, MODULES)
    return tmp_path / "environments"


def test_kills_of_builds_and_of_their_uv_leave_no_half_built_environment(
    folder: Path, request: pytest.FixtureRequest
) -> None:
    chance, environments = random.Random(SEED), Environments(folder)
    _start(BUILD, folder).wait()  # fills uv's cache, as in use
    _empty(environments)
    first, last = _when_it_builds(folder)
    whole = _content(folder / NEEDED.hash)
    assert 2 * len(MODULES) == sum(name.endswith(".pyc") for name in whole)
    found = {READY: 0, LEFT: 0, "nothing": 0}
    for number in range(request.config.getoption("--environment-kills")):
        _empty(environments)
        building = _start(BUILD, folder)
        if number % 4:
            wait_until(lambda: any(folder.glob(f"*{NEEDED.hash}")), 60)  # it writes
        time.sleep(chance.uniform(0, last - first if number % 4 else last))
        _kill_one(building, folder, of_uv=number % 3 == 2)
        wait_until(lambda: not processes_with(str(folder)), 30)
        wait_until(lambda: BUILDING not in _states(environments), 5)  # an ending process lets go of its lock last
        states = _states(environments)
        assert len(states) <= 1
        found[states[0] if states else "nothing"] += 1
        if environments.find(NEEDED):
            assert whole == _content(folder / NEEDED.hash), f"after kill {number}"
        if number % 2:  # the next build has to clean up itself otherwise
            environments.clean(lambda: [NEEDED.hash])
        assert folder / NEEDED.hash == environments.ensure(NEEDED, Asker("Version 3"))
        assert [READY] == _states(environments)
        assert whole == _content(folder / NEEDED.hash), f"after kill {number}"
        subprocess.run([python_of(folder / NEEDED.hash), "-I", "-c", "import mlflow.part_7, other"], check=True)
    assert found[LEFT] > 0, f"no kill met a build: {found}"
    print(f"seed {SEED}: states after the kills: {found}; a build writes from {first:.2f} to {last:.2f} s")


def test_a_build_that_waits_for_one_that_is_killed_builds_whole(folder: Path) -> None:
    chance = random.Random(SEED)
    for _ in range(3):
        _empty(Environments(folder))
        first, second = _start(BUILD, folder), _start(BUILD, folder)
        time.sleep(chance.random() / 2)
        first.kill()
        _, said = second.communicate(timeout=60)
        assert 0 == second.returncode, said.decode()
        assert [READY] == _states(Environments(folder))
        assert 2 * len(MODULES) == sum(name.endswith(".pyc") for name in _content(folder / NEEDED.hash))
        first.communicate()


def test_kills_of_removals_leave_a_whole_environment_or_none(folder: Path, request: pytest.FixtureRequest) -> None:
    chance, environments = random.Random(SEED), Environments(folder)
    environments.ensure(NEEDED, Asker("Version 3"))
    whole = _content(folder / NEEDED.hash)
    found = {READY: 0, LEFT: 0, "nothing": 0}
    for number in range(request.config.getoption("--environment-kills")):
        removing = _start(REMOVE, folder)
        time.sleep(chance.random() / 50)
        _kill_one(removing, folder, of_uv=False)
        states = _states(environments)
        found[states[0] if states else "nothing"] += 1
        if environments.find(NEEDED):
            assert whole == _content(folder / NEEDED.hash), f"after kill {number}"
        assert folder / NEEDED.hash == environments.ensure(NEEDED, Asker("Version 3"))
        assert [READY] == _states(environments)
    print(f"seed {SEED}: states after the kills: {found}")


def _when_it_builds(folder: Path) -> tuple[float, float]:
    """Build; return the seconds after which there is a draft, and after which there is the environment."""
    building, began = _start(BUILD, folder), time.monotonic()
    draft, built = folder / f".draft-{NEEDED.hash}", folder / NEEDED.hash
    first = None
    while not built.exists():
        if first is None and draft.exists():
            first = time.monotonic() - began
        time.sleep(0.001)
    last = time.monotonic() - began
    assert 0 == building.wait()
    assert first is not None
    return first, last


def _start(code: str, folder: Path) -> "subprocess.Popen[bytes]":
    """Start a process that builds or removes, and wait until it begins."""
    given = [sys.executable, "-c", code, str(folder), NEEDED.python, *NEEDED.packages]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    started = subprocess.Popen(
        given, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    assert started.stdout is not None
    started.stdout.readline()
    return started


def _kill_one(building: "subprocess.Popen[bytes]", folder: Path, *, of_uv: bool) -> None:
    """Kill the process that builds, or a uv that it has started; where that has ended already, nothing."""
    if not of_uv:
        building.send_signal(signal.SIGKILL)
        building.wait()
        return
    for pid, command in processes_with(f"{folder}/.draft").items():
        if "uv --color never" in command and pid != building.pid:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            break
    _, said = building.communicate(timeout=60)
    assert 0 == building.returncode or b"uv was ended by SIGKILL" in said, said.decode()


def _states(environments: Environments) -> list[str]:
    return [one.state for one in environments.all()]


def _empty(environments: Environments) -> None:
    environments.clean(list, 0)
    assert [] == environments.all()


def _content(environment: Path) -> Mapping[str, str]:
    """Return the hashes of an environment's files, but for what has the time or the place of the build in it."""
    return {
        str(path.relative_to(environment)): "" if _differs(path) else hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(environment.rglob("*"))
        if path.is_file() and path.name not in OWN
    }


def _differs(path: Path) -> bool:
    return path.suffix == ".pyc" or path.name == "RECORD"
