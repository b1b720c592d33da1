"""Judges a version in a process of its own, for callers that must not load models and query engines, as the gateway.

The child process is ``evaluation_worker.py``; it records the verdict in the state database.
"""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from modelops_pipelines.core import errors
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import BusyError, ModelOpsError, OverloadError, PredictionError
from modelops_pipelines.operations.improve.champions import check_challenges
from modelops_pipelines.store.filesystem.files import exclusive
from modelops_pipelines.store.state.improve.gates import Gate
from modelops_pipelines.store.stores import Stores

DEADLINE = 600.0
"""Seconds that an evaluation may take."""
CHILD = "modelops_pipelines.operations.improve.evaluation_worker"
FAULT, OUTPUT = "fault.json", "output.txt"


def evaluate_in_process(stores: Stores, spec: EndpointSpec, version: str, deadline: float = DEADLINE) -> Gate:
    """Judge a version as ``evaluate_version`` does; return the recorded verdict.

    One evaluation runs at a time in a project. Raises what ``evaluate_version`` raises, BusyError while another one
    runs, OverloadError after the deadline (seconds), PredictionError when the process died.
    """
    check_challenges(stores, spec, version)
    try:
        with exclusive(stores.settings.home / "evaluation.lock", "the evaluation", seconds=0):
            _run(stores, spec, version, deadline)
    except BusyError as error:
        raise BusyError("Another version is being evaluated in this project", "Try again when it has ended") from error
    return next(gate for gate in reversed(stores.gates.of(spec.name)) if gate.version == version)


def _run(stores: Stores, spec: EndpointSpec, version: str, deadline: float) -> None:
    with TemporaryDirectory(prefix="modelops-evaluate-") as created:
        folder = Path(created)
        code = _exit_code([str(folder), spec.name, version, f"{deadline + 5:g}"], stores, folder / OUTPUT, deadline)
        if (folder / FAULT).exists():
            raise _fault(json.loads((folder / FAULT).read_bytes()))
        if code is None:
            raise OverloadError(
                f"The evaluation of version {version} took over {deadline:g} s and was stopped",
                f"Run it without a deadline: modelops evaluate {spec.name} {version}",
            )
        if code != 0:
            raise PredictionError(
                f"The process that evaluated version {version} died with exit code {code}: a model may have ended it",
                f"Run it in a terminal to see its output: modelops evaluate {spec.name} {version}",
            )


def _exit_code(arguments: list[str], stores: Stores, log: Path, deadline: float) -> int | None:
    """Run the child; return its exit code, None after the deadline. No process of it stays."""
    paths = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
    environment = {**os.environ, **stores.settings.environment(), "PYTHONPATH": paths}
    with log.open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", CHILD, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        return child.wait(timeout=deadline)
    except subprocess.TimeoutExpired:
        return None
    finally:  # processes that a model started belong to the child's session
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _fault(fault: dict[str, str]) -> ModelOpsError:
    """Return the error that the child reported, of its own type."""
    kind = getattr(errors, fault["type"], PredictionError)
    error: ModelOpsError = kind(fault["message"], fault["remedy"])
    return error
