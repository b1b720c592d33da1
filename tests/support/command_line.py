"""Running the command line as a user does, with its exit code."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.support.paths import ROOT
from tests.support.ports import free_port
from tests.support.project import Project
from tests.support.warm import WarmProcess

SERVICES = ("GATEWAY", "DAGSTER", "MLFLOW")
START = "from modelops_pipelines.cli.main import main; main()"


@dataclass
class Loop:
    """A project that has served, with a copy of its first training data in a file."""

    project: Project
    data: Path
    request_id: str


@dataclass(frozen=True)
class Done:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, read as strict JSON."""
        return json.loads(self.out, parse_constant=_refuse)


def modelops(project: Project, *arguments: str, **environment: str) -> Done:
    """Run a command in a process of its own, in the project's folder."""
    done = ran(*arguments, cwd=project.folder, env=environment_of(project) | environment)
    assert "Traceback" not in done.err, done.err
    return done


def ran(*arguments: str, cwd: Path, env: Mapping[str, str]) -> Done:
    """Run a command to its end."""
    with TemporaryDirectory() as folder:
        out, err = Path(folder) / "out", Path(folder) / "err"
        code = WarmProcess(START, *arguments, cwd=cwd, env=env, out=out, err=err).wait(timeout=240)
        return Done(code, out.read_text(), err.read_text())


def environment_of(project: Project) -> dict[str, str]:
    """Return the environment of the project's commands."""
    return {**os.environ, **project.environment, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def refused(done: Done, message: str) -> None:
    """Assert that the command was refused for good, with this message and nothing on stdout."""
    assert (done.code, done.out) == (3, ""), done
    assert message in done.err
    told = re.sub(r"^(.+, since \d\d:\d\d:\d\d UTC.*\n)+", "", done.err)  # steps of what lasts over a second
    assert told.startswith("modelops") or "The gateway will listen" in told


class NewUser:
    """A folder, an environment in which modelops is installed (PYTHONPATH stands in for that), and commands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {name: free_port() for name in SERVICES}
        own = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MODELOPS_", "DAGSTER_", "MLFLOW_"))
        }
        self.environment = {**own, "PYTHONPATH": str(ROOT), "MODELOPS_SEAL_AFTER_SECONDS": "1"}
        self.environment |= {f"MODELOPS_{name}_PORT": str(port) for name, port in self.ports.items()}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "modelops_pipelines.cli.main", *arguments]

    def run(self, *arguments: str, cwd: Path | None = None) -> str:
        done = ran(*arguments, cwd=cwd or self.folder, env=self.environment)
        assert done.code == 0, done.err[-2000:]
        return done.out

    def rows(self, query: str) -> list[dict[str, object]]:
        return json.loads(self.run("sql", query, "--json"))


def new_user(outside: Path) -> NewUser:
    """Make a project as the README tells, in a folder outside the repository, with version 1 trained."""
    user = NewUser(outside / "project")
    user.run("init", "project", cwd=outside)
    subprocess.run([sys.executable, "sample_data.py"], cwd=user.folder, check=True, timeout=120)
    user.run("train", "tumours", "--data", "data.csv")
    return user


def enter_project(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands that run in this process be the project's: its folder and its environment."""
    monkeypatch.chdir(project.folder)
    for name, value in project.environment.items():
        monkeypatch.setenv(name, value)
