"""Environments are built once, whole or not at all, by one process; what cannot be had is named. The wheels are made here."""

import os
import socket
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from modelops_pipelines.core.errors import ModelError
from modelops_pipelines.store.registry.environments import environment_use
from modelops_pipelines.store.registry.environments.environments import (
    BROKEN,
    BUILDING,
    LEFT,
    READY,
    Environments,
    installed_in,
)
from modelops_pipelines.store.registry.environments.requirements import Requirements
from modelops_pipelines.store.registry.environments.uv_commands import Asker, python_of
from tests.support.paths import ROOT
from tests.support.waiting import wait_until
from tests.support.wheels import MODULES, make_wheel, only_wheels, processes_with

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
ASKER = Asker("Version 3 of model 'made'")
TRAINER = Asker("the trainer own:train", "Write it again", "requirements")
NEEDED = Requirements(PYTHON, ("mlflow ==1.0",))
KILLED = """\
import os, signal, sys
from pathlib import Path
from modelops_pipelines.store.registry.environments.environments import Environments
from modelops_pipelines.store.registry.environments.requirements import Requirements
from modelops_pipelines.store.registry.environments.uv_commands import Asker

told = []
def tell(step):
    told.append(step)
    if len(told) == 2:
        os.kill(os.getpid(), signal.SIGKILL)

Environments(Path(sys.argv[1])).ensure(Requirements(sys.argv[2], ("mlflow ==1.0",)), Asker("Version 3"), tell)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the environments; the only wheels are those of a made-up mlflow, and of one package."""
    wheels = only_wheels(tmp_path, monkeypatch)
    make_wheel(wheels, "mlflow", "1.0", MODULES)
    make_wheel(wheels, "other", "2.0", MODULES)
    return tmp_path / "environments"


def test_a_build_that_was_killed_leaves_no_environment_and_the_next_one_builds_it(folder: Path) -> None:
    given = [sys.executable, "-c", KILLED, str(folder), PYTHON]
    killed = subprocess.run(given, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    environments = Environments(folder)
    assert (-9, None) == (killed.returncode, environments.find(NEEDED))
    assert [f".draft-{NEEDED.hash}"] == [path.name for path in folder.iterdir() if path.is_dir()]
    built = environments.ensure(NEEDED, ASKER)
    assert [built] == [path for path in folder.iterdir() if path.is_dir()]
    assert ["mlflow==1.0"] == installed_in(built)
    subprocess.run([str(python_of(built)), "-I", "-c", "import mlflow"], check=True)


def test_processes_that_need_one_environment_at_a_time_build_it_once(folder: Path) -> None:
    told: list[str] = []
    found: list[Path] = []

    def build() -> None:
        found.append(Environments(folder).ensure(NEEDED, ASKER, told.append))

    threads = [threading.Thread(target=build) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [folder / NEEDED.hash] * 3 == found
    assert 2 == len(told)


@pytest.mark.parametrize(
    ("packages", "python", "says"),
    [
        (
            ("mlflow ==1.0", "scaler ==4.2"),
            PYTHON,
            r"Version 3 of model 'made' cannot be built for scaler ==4\.2: .*scaler.*pip_requirements=",
        ),
        (("mlflow ==7.0",), PYTHON, r"for mlflow ==7\.0: .*can be installed together"),
        (("other",), PYTHON, r"has no mlflow, which loads the model there\. Log the model again with mlflow"),
        (("mlflow",), "3.77", r"cannot be built: .*3\.77.*Install Python 3\.77 here"),
    ],
)
def test_what_cannot_be_had_is_named_with_the_remedy(
    folder: Path, packages: tuple[str, ...], python: str, says: str
) -> None:
    wanted = Requirements(python, packages)
    with pytest.raises(ModelError, match=says):
        Environments(folder).ensure(wanted, ASKER)
    assert [] == [path for path in folder.iterdir() if path.is_dir()]


def test_nothing_is_built_from_source(folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "setup.py"
    source.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with zipfile.ZipFile(tmp_path / "wheels" / "built-1.0.zip", "w") as opened:
        opened.write(source, "built-1.0/setup.py")
        opened.writestr("built-1.0/PKG-INFO", "Metadata-Version: 2.1\nName: built\nVersion: 1.0\n")
    with pytest.raises(ModelError, match=r"for built.*has a wheel for Python"):
        Environments(folder).ensure(Requirements(PYTHON, ("built", "mlflow")), ASKER)
    assert not (tmp_path / "ran").exists()


def test_environments_that_nothing_needs_are_removed_a_day_after_they_were_built(folder: Path) -> None:
    environments = Environments(folder)
    built = environments.ensure(NEEDED, ASKER)
    assert [] == environments.unneeded([])
    os.utime(built, (0, 0))
    assert [] == environments.unneeded([NEEDED.hash])
    assert [NEEDED.hash] == environments.clean(list)
    assert [] == [path for path in folder.iterdir() if path.is_dir()]


def test_an_environment_that_a_process_uses_stays_until_its_end(folder: Path) -> None:
    environments = Environments(folder)
    built = environments.ensure(NEEDED, ASKER)
    assert [(None, False)] == [(one.used_at, one.in_use) for one in environments.all()]
    code = f"from pathlib import Path; from {environment_use.__name__} import begin_use; "
    code += f"begin_use(Path({str(built)!r})); print(flush=True); input()"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], env=environment, **pipes) as using:
        assert using.stdout is not None
        assert using.stdout.readline()
        assert [True] == [one.in_use for one in environments.all()]
        assert [] == environments.clean(list, 0)
        using.kill()
    [known] = environments.all()
    assert not known.in_use
    assert known.used_at is not None
    assert [NEEDED.hash] == environments.clean(list, 0)


@pytest.mark.parametrize("gone", ["bin/python", "environment.json"])
def test_an_environment_without_its_python_or_a_part_is_built_again(folder: Path, gone: str) -> None:
    environments = Environments(folder)
    built = environments.ensure(NEEDED, ASKER)
    (built / gone).unlink()
    (built / gone).symlink_to("/usr/bin/python-that-was-upgraded")
    assert environments.find(NEEDED) is None
    assert [BROKEN] == [one.state for one in environments.all()]
    assert built == environments.ensure(NEEDED, ASKER)
    subprocess.run([str(python_of(built)), "-I", "-c", "import mlflow"], check=True)
    assert [READY] == [one.state for one in environments.all()]


def test_a_version_recorded_while_others_are_removed_keeps_its_environment(folder: Path) -> None:
    environments = Environments(folder)
    environments.ensure(NEEDED, ASKER)
    answers = iter([[], [NEEDED.hash]])  # it was recorded between the search and the removal
    assert [] == environments.clean(lambda: next(answers), 0)
    assert environments.find(NEEDED)


def test_what_a_killed_build_left_is_listed_and_removed_also_where_nobody_builds_it_again(folder: Path) -> None:
    given = [sys.executable, "-c", KILLED, str(folder), PYTHON]
    subprocess.run(given, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    environments = Environments(folder)
    assert [(NEEDED.hash, LEFT)] == [(one.hash, one.state) for one in environments.all()]
    assert [f".draft-{NEEDED.hash}"] == environments.clean(list)
    assert [] == environments.all()


def test_releases_are_found_once_and_stay_though_newer_ones_come(folder: Path, tmp_path: Path) -> None:
    environments, wanted = Environments(folder), Requirements(PYTHON, ("mlflow", "other >=1"))
    told: list[str] = []
    assert environments.resolved(wanted) is None
    found = environments.resolve(wanted, TRAINER, told.append)
    assert Requirements(PYTHON, ("mlflow ==1.0", "other ==2.0")) == found
    make_wheel(tmp_path / "wheels", "other", "3.0", MODULES)
    assert found == environments.resolve(wanted, TRAINER, told.append) == environments.resolved(wanted)
    assert ["finding releases for the 2 requirements of the trainer own:train"] == told
    assert ["mlflow==1.0", "other==2.0"] == installed_in(environments.ensure(found, TRAINER))
    newer = Requirements(PYTHON, ("mlflow", "other >=3"))
    assert ("mlflow ==1.0", "other ==3.0") == environments.resolve(newer, TRAINER).packages


@pytest.mark.parametrize(
    ("packages", "python", "says"),
    [
        (
            ("mlflow", "other ==7.0"),
            PYTHON,
            r"trainer own:train cannot be built for other ==7\.0: .*Write it again with",
        ),
        (("mlflow",), "3.77", r"trainer own:train cannot be built: .*Install Python 3\.77 here, or write it again"),
    ],
)
def test_releases_that_cannot_be_found_are_told_to_who_asked_and_nothing_is_kept(
    folder: Path, packages: tuple[str, ...], python: str, says: str
) -> None:
    wanted = Requirements(python, packages)
    with pytest.raises(ModelError, match=says):
        Environments(folder).resolve(wanted, TRAINER)
    assert Environments(folder).resolved(wanted) is None


def test_uv_ends_with_the_process_that_builds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its index takes the request and never answers: uv would wait for half a minute, and write meanwhile."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.delenv("UV_NO_INDEX")
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://127.0.0.1:{silent.getsockname()[1]}")
        code = KILLED.replace("== 2", "== 20").replace("mlflow ==1.0", "unknown ==1.0")
        given = [sys.executable, "-c", code, str(folder), PYTHON]
        with subprocess.Popen(given, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}) as building:
            silent.settimeout(60)
            silent.accept()
            assert [BUILDING] == [one.state for one in Environments(folder).all()]
            assert [] == Environments(folder).clean(list, 0), "it is being built"
            building.kill()
            building.wait()
            wait_until(lambda: not processes_with(f"{folder}/.draft"), 30)
    wait_until(lambda: [LEFT] == [one.state for one in Environments(folder).all()], 30)
