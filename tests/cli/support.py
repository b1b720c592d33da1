"""Running the command line as a user does, with its exit code."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from tests.support import ROOT, Project

START = "from modelops_pipelines.cli.main import main; main()"


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
    done = subprocess.run(
        [sys.executable, "-c", START, *arguments],
        cwd=project.folder,
        env=environment_of(project) | environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Done(done.returncode, done.stdout, done.stderr)


def environment_of(project: Project) -> dict[str, str]:
    """Return the environment of the project's commands."""
    return {**os.environ, **project.environment, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
