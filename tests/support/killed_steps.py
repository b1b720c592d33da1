"""A command that is killed as a power cut would kill it: at the nth time that it changes something in a folder."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.paths import ROOT
from tests.support.project import Project

_HOOKED = """\
import os, signal, sys
root, last = sys.argv.pop(1), int(sys.argv.pop(1))
steps = 0
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate", "os.chmod", "sqlite3.connect"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT

def count(event, given):
    global steps
    writes = event == "open" and isinstance(given[2], int) and given[2] & WRITES
    if not writes and event not in CHANGES:
        return
    if not any(root in str(one) for one in given[:2]):
        return
    steps += 1
    if steps == last:
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(count)
try:
    {body}
finally:
    print("steps", steps, flush=True)
"""
COMMAND = "from modelops_pipelines.cli.main import main; main()"


def steps_of(project: Project, root: Path, *arguments: str, body: str = COMMAND) -> int:
    """Run a command to its end; return how often it changed something below the folder."""
    done = _ran(project, root, 0, arguments, body)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1])


def killed_at(step: int, project: Project, root: Path, *arguments: str, body: str = COMMAND) -> bool:
    """Run a command, and kill it before it changes something below the folder for the nth time; return whether it was.

    It ends by itself where it takes fewer steps; other failures fail the test.
    """
    done = _ran(project, root, step, arguments, body)
    assert done.returncode in (0, -9), done.stderr
    return done.returncode != 0


def _ran(
    project: Project, root: Path, step: int, arguments: tuple[str, ...], body: str
) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", _HOOKED.replace("{body}", body), str(root), str(step), *arguments]
    environment = {**os.environ, **project.environment, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=project.folder, env=environment, capture_output=True, text=True, timeout=240, check=False
    )


def spread(steps: int, count: int) -> list[int]:
    """Return at most ``count`` steps of so many, the first and the last among them."""
    return sorted({1 + round(number * (steps - 1) / (count - 1)) for number in range(count)})
