"""Starts, watches and ends the process in which a version runs, so that its crash, hang or exit is a result here.

No process of it stays: ``platforms/process_supervisor.py`` ends all that it started, also when this process is killed.
What it wrote to its output is read only for the last line, to say why it ended. Its environment: ``model_environment``.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from modelops_pipelines.core.errors import ModelError, ModelOpsError, PredictionError
from modelops_pipelines.operations.model_runtime.quoted_output import quote_output, take_output
from modelops_pipelines.operations.models.model_environment import child_environment, model_environment
from modelops_pipelines.platforms.process_supervisor import RESULT, SUPERVISOR, TIMED_OUT
from modelops_pipelines.store.state.release.model_versions import ModelVersion

FAULT, OUTPUT = "fault.json", "output.txt"
LONGEST = 500
LOW_PRIORITY = "low-priority"
END_SECONDS = 30.0
"""How long a supervisor has to end what the version started."""
NICENESS = 10
"""The niceness of a low-priority process: it gets a tenth of the others' share of a busy CPU."""


def run_child(
    module: str,
    folder: Path,
    deadline: float,
    more: Sequence[str] = (),
    *,
    low_priority: bool = False,
    environment: Mapping[str, str] | None = None,
) -> int | None:
    """Run a module on a folder; return its exit code, None where it timed out (seconds) and was killed.

    Its arguments are the folder, the seconds after which it ends itself (in case this process is killed meanwhile),
    ``more``, and the mark of a low priority. ``environment`` is for a module of ours, which runs no model itself: added
    to this process's, with its secrets.
    """
    arguments = [str(folder), f"{deadline + 5:g}", *more, *([LOW_PRIORITY] if low_priority else [])]
    child = start_child(module, arguments, folder, environment)
    try:
        code = child.wait(timeout=deadline)
    except subprocess.TimeoutExpired:
        return None
    finally:
        _end_supervised(child)
    return _exit_code(folder, code)


def start_child(
    module: str, arguments: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a module under a supervisor, in a new session; its output goes to a file in the folder.

    ``arguments`` are those of ``run_child``: the second one is the seconds after which the supervisor ends it.
    """
    (folder / OUTPUT).touch()
    limits = [str(folder), arguments[1], "inf", str(folder / OUTPUT)]
    child = subprocess.Popen(
        [sys.executable, "-m", SUPERVISOR, *limits, "--", sys.executable, "-m", module, *arguments],
        env=model_environment() if environment is None else {**child_environment(), **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    if child.stdin is not None:
        with suppress(BrokenPipeError):  # it was killed: its exit code says so
            child.stdin.write(b"\n")  # nothing is told to the module; the pipe stays open
            child.stdin.flush()
    return child


def _end_supervised(child: subprocess.Popen[bytes]) -> None:
    """Have the supervisor end what still runs; kill it where it does not."""
    if child.stdin is not None:
        child.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            child.wait(END_SECONDS)
    end_child(child)


def _exit_code(folder: Path, code: int) -> int | None:
    """Return the module's exit code, None where it was too slow; the supervisor's own where that wrote none."""
    try:
        found = json.loads((folder / RESULT).read_bytes())
        return None if found["ended"] == TIMED_OUT else int(found["exit"])
    except (OSError, ValueError, LookupError, TypeError):
        return code


def end_child(child: subprocess.Popen[bytes]) -> None:
    """Kill a child, and the processes that its model started: they belong to its session, once it has begun one."""
    child.kill()
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def limit_child(arguments: Sequence[str]) -> None:
    """In the child: end it after so many seconds, in case its parent is gone, and lower its priority if asked to.

    What it prints is quoted from now on.
    """
    output = take_output()
    quote_output(lambda line: output.write(f"{line}\n"))
    signal.setitimer(signal.ITIMER_REAL, float(arguments[1]))
    if LOW_PRIORITY in arguments[2:]:
        os.nice(NICENESS)


def write_fault(folder: Path, error: ModelOpsError) -> None:
    """In the child: report an error to the parent."""
    (folder / FAULT).write_text(json.dumps({"message": error.message, "remedy": error.remedy}))


def read_fault(folder: Path, version: ModelVersion) -> ModelOpsError | None:
    """Return the error that the child reported, or None."""
    if not (folder / FAULT).exists():
        return None
    try:
        fault = json.loads((folder / FAULT).read_bytes())
        message, remedy = str(fault["message"]), str(fault["remedy"])
    except (ValueError, LookupError, TypeError):
        return PredictionError(f"Version {version.version} failed without a readable error", "Fix the model")
    return ModelError(message[: 4 * LONGEST], remedy[:LONGEST])


def why_ended(folder: Path, exit_code: int) -> str:
    """Return why a child ended: its signal or exit code, and the last line that it wrote."""
    why = signal.Signals(-exit_code).name if -exit_code in set(signal.Signals) else f"exit code {exit_code}"
    with (folder / OUTPUT).open("rb") as output:
        output.seek(max(0, output.seek(0, os.SEEK_END) - 4096))
        lines = output.read().decode(errors="replace").strip().splitlines()
    return f"({why}): {lines[-1][:LONGEST] if lines else 'no output'}"
