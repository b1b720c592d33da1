"""Trains in a process of its own, within limits of time and memory; what it printed and how it ended is kept.

``platforms/process_supervisor.py`` watches it, ``trainer_worker.py`` is it. The child registers the version: run again
after a kill, it finds the version that exists.

What of our own settings may be secret is in the environment of neither: the worker reads it from its standard input.
The user's variables stay, and with them those that MLflow's own client reads to sign in (``MLFLOW_TRACKING_*``,
``AWS_*``), since the worker registers the version with it.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from modelops_pipelines.core import errors
from modelops_pipelines.core.durations import format_duration
from modelops_pipelines.core.endpoints.improvement import CandidateTrainer, Retraining
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelOpsError, PermanentError, TrainingError
from modelops_pipelines.core.improve.retraining.failures import (
    CRASHED,
    OUT_OF_MEMORY,
    TIMED_OUT,
    failure_kind,
    may_pass,
)
from modelops_pipelines.operations.improve.retraining import exchange
from modelops_pipelines.operations.improve.retraining.candidates import own_trainer
from modelops_pipelines.operations.models.model_environment import child_environment
from modelops_pipelines.platforms.marked_processes import end_marked
from modelops_pipelines.platforms.process_supervisor import RESULT, SUPERVISOR
from modelops_pipelines.store.filesystem.files import create_private
from modelops_pipelines.store.filesystem.scratch import scratch_folder
from modelops_pipelines.store.setting_names import SECRET_VARIABLES
from modelops_pipelines.store.state.improve.training_runs import FAILED, TRAINED
from modelops_pipelines.store.state.release.deployments import required_version
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores

WORKER = "modelops_pipelines.operations.improve.retraining.trainer_worker"
OUTPUTS_KEPT = 20
"""Files with what trainers printed that are kept of an endpoint."""
MARK = "MODELOPS_TRAINING"
"""The variable that all the processes of one training have, with the path of its folder."""
_GRACE = 30.0
_LONGEST = 2000
Tell = Callable[[str], object]


def _untold(_: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Asked:
    """What is to be trained: the request of the worker, by which trainer, and what the record of the attempt says."""

    request: Mapping[str, Any]
    trainer: CandidateTrainer | None
    candidate: str
    content_hash: str
    retraining: int | None


def train_candidate_apart(
    stores: Stores,
    spec: EndpointSpec,
    candidate: CandidateTrainer,
    content_hash: str,
    retraining: int | None,
    tell: Tell = _untold,
) -> ModelVersion:
    """Train a candidate on a frozen set in a process of its own; return the registered version.

    A transient failure is tried again, ``retraining.attempts`` times in all. An environment that the trainer needs is
    built before, outside of its limits; ``tell`` is called with each step of that. Raises what the training raises, and
    TrainingError when it passed a limit or crashed, or there is no environment.
    """
    request = {"kind": exchange.SET, "candidate": candidate.name, "content_hash": content_hash}
    return _train(stores, spec, Asked(request, candidate, candidate.name, content_hash, retraining), tell)


def train_first_apart(
    stores: Stores, spec: EndpointSpec, data: Path, *, actor: str, reason: str | None = None, tell: Tell = _untold
) -> ModelVersion:
    """Train the first version on a file as ``train_first`` does, in a process of its own.

    With a ``reason`` later training sets start from this file. Raises what ``train_first`` and ``replace_first_frame``
    raise, and what ``train_candidate_apart`` does.
    """
    request = {"kind": exchange.FIRST, "data": str(data.resolve()), "actor": actor, "reason": reason}
    return _train(stores, spec, Asked(request, own_trainer(spec), spec.trainer or "none", "", None), tell)


def _train(stores: Stores, spec: EndpointSpec, asked: Asked, tell: Tell) -> ModelVersion:
    rules = spec.retraining or Retraining()
    attempt = 1
    while True:
        number = stores.training_runs.start(
            spec.name, asked.retraining, asked.candidate, asked.content_hash, attempt, stores.now()
        )
        try:
            return _attempt(stores, spec, asked, rules, number, tell)
        except ModelOpsError as error:
            if not may_pass(error) or attempt >= rules.attempts:
                raise
        attempt += 1


def _attempt(
    stores: Stores, spec: EndpointSpec, asked: Asked, rules: Retraining, number: int, tell: Tell
) -> ModelVersion:
    """Run one attempt and record how it ended."""
    output = _output_file(stores, spec.name, number)
    found: dict[str, Any] = {}
    with scratch_folder() as folder:
        request = {**asked.request, "endpoint": spec.name, "memory_mib": rules.memory_mib}
        (folder / exchange.REQUEST).write_text(json.dumps(request))
        try:
            _prepare(stores, asked.trainer, tell)
            code = _run(folder, rules, output, stores.settings.environment())
            found = _result(folder)
            version = _version(stores, spec, folder, rules, found, code, output)
        except ModelOpsError as error:
            ended = {"status": FAILED, "failure": failure_kind(error), "message": error.message[:_LONGEST]}
            stores.training_runs.end(number, stores.now(), {**ended, **_measured(found, output)})
            raise
    ended = {"status": TRAINED, "version": version.version, "content_hash": version.training_set or asked.content_hash}
    stores.training_runs.end(number, stores.now(), {**ended, **_measured(found, output)})
    return version


def _prepare(stores: Stores, trainer: CandidateTrainer | None, tell: Tell) -> None:
    """Have the environment that a trainer needs built, where it needs one: what that takes is not the trainer's."""
    if trainer is not None and trainer.environment is not None:
        from modelops_pipelines.operations.improve.retraining.fitting_apart import TrainerApart  # loads Arrow

        TrainerApart(trainer.trainer, trainer.environment).prepared(stores, tell)


def _run(folder: Path, rules: Retraining, output: Path, environment: Mapping[str, str]) -> int:
    """Run the supervisor until it ends; its end is this process's too, by the pipe that it reads.

    The pipe's first line is for the worker: those settings of ``environment`` that are secret.
    """
    mark = f"{folder}\t"
    shown = {
        name: value for name, value in {**child_environment(), **environment}.items() if name not in SECRET_VARIABLES
    }
    secret = {name: value for name, value in environment.items() if name in SECRET_VARIABLES}
    seconds = rules.time_limit / timedelta(seconds=1)
    limits = [str(folder), f"{seconds:g}", str(rules.memory_mib), str(output)]
    command = [sys.executable, "-m", WORKER, str(folder)]
    with subprocess.Popen(
        [sys.executable, "-m", SUPERVISOR, *limits, "--", *command],
        env={**shown, MARK: mark},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as supervisor:
        try:
            _tell(supervisor, secret)
            return supervisor.wait(seconds + _GRACE)
        except subprocess.TimeoutExpired:
            return -1
        finally:
            _end(supervisor)
            end_marked(mark, MARK)  # what is left of a supervisor that was killed


def _tell(supervisor: "subprocess.Popen[bytes]", secret: Mapping[str, str]) -> None:
    """Send the worker its settings; the pipe stays open."""
    if supervisor.stdin is not None:
        with suppress(BrokenPipeError):  # it was killed: its exit code says so
            supervisor.stdin.write(json.dumps(secret).encode() + b"\n")
            supervisor.stdin.flush()


def _end(supervisor: "subprocess.Popen[bytes]") -> None:
    """Have the supervisor end the trainer's processes and itself, where it has not; kill it where it does not."""
    if supervisor.stdin is not None:
        supervisor.stdin.close()
    try:
        supervisor.wait(_GRACE)
    except subprocess.TimeoutExpired:
        supervisor.kill()  # its trainer dies too: the system ends it with its parent


def _result(folder: Path) -> dict[str, Any]:
    """Return how the trainer ended, as the supervisor wrote it; nothing where that was killed."""
    try:
        found: dict[str, Any] = json.loads((folder / RESULT).read_bytes())
    except (OSError, ValueError):
        return {}
    return found


def _version(
    stores: Stores,
    spec: EndpointSpec,
    folder: Path,
    rules: Retraining,
    found: Mapping[str, Any],
    code: int,
    output: Path,
) -> ModelVersion:
    """Return the version that was registered; raises the fault that was reported, or says how the process ended."""
    trainer, remedy = f"The training of {spec.name!r}", f"See what it printed: {output}"
    if found.get("ended") == TIMED_OUT:
        limit = format_duration(rules.time_limit)
        raise TrainingError(
            f"{trainer} took over {limit} and was stopped", f"Raise 'retraining.time_limit'. {remedy}", TIMED_OUT
        )
    fault = _fault(folder)
    if found.get("ended") == OUT_OF_MEMORY or (isinstance(fault, TrainingError) and fault.kind == OUT_OF_MEMORY):
        used = f"{found.get('peak_mib', 0):.0f} MiB seen"
        raise TrainingError(
            f"{trainer} needs more than {rules.memory_mib} MiB of memory ({used}) and was stopped",
            f"Raise 'retraining.memory_mib', or let the trainer use fewer rows at a time. {remedy}",
            OUT_OF_MEMORY,
        )
    if isinstance(fault, TrainingError) and fault.kind == CRASHED:
        raise TrainingError(fault.message, remedy, CRASHED)
    if fault is not None:
        raise fault
    try:
        trained = str(json.loads((folder / exchange.TRAINED).read_bytes())["version"])
    except (OSError, ValueError, LookupError, TypeError):
        ended = found.get("exit", code)
        raise TrainingError(
            f"{trainer} ended its process (exit code {ended}) before it registered a version", remedy, CRASHED
        ) from None
    return required_version(stores.deployments, spec.model_name, trained)


def _fault(folder: Path) -> ModelOpsError | None:
    """Return the error that the worker reported, of its own type; None without one that can be read."""
    try:
        fault = json.loads((folder / exchange.FAULT).read_bytes())
        message, remedy = str(fault["message"])[: 4 * _LONGEST], str(fault["remedy"])[:_LONGEST]
        kind = getattr(errors, str(fault["type"]), TrainingError)
        if kind is TrainingError:
            return TrainingError(message, remedy, str(fault["kind"]))
    except (OSError, ValueError, LookupError, TypeError):
        return None
    try:
        made: ModelOpsError = kind(message, remedy)
    except (TypeError, AttributeError):  # an error that is made of other things, as faults of a file
        return PermanentError(message, remedy)
    return made


def _measured(found: Mapping[str, Any], output: Path) -> dict[str, Any]:
    known = {name: found.get(name) for name in ("seconds", "peak_mib")}
    return {**known, "output": str(output) if output.exists() else None}


def _output_file(stores: Stores, endpoint: str, number: int) -> Path:
    """Return the new, private file for what an attempt prints; the oldest beyond OUTPUTS_KEPT are removed."""
    folder = stores.settings.home / "training" / endpoint
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    past = sorted(folder.glob("*.log"), key=lambda path: (len(path.name), path.name))
    for old in past[: max(0, len(past) - OUTPUTS_KEPT + 1)]:
        with suppress(OSError):
            old.unlink()
    path = folder / f"{number}.log"
    with suppress(FileExistsError):
        create_private(path).close()
    return path
