"""Runs a version in a separate process, so that a model that hangs, crashes or raises costs the caller only time.

Rows and answers are exchanged as Arrow files; nothing that a model wrote is ever unpickled here. The child process is
``sandbox_worker.py``.
"""

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelError, ModelOpsError, PredictionError, SchemaError
from modelops_pipelines.core.models.predictions import Answer
from modelops_pipelines.core.windows import text
from modelops_pipelines.store.state.release.deployments import ModelVersion

DEADLINE = 120.0
"""Seconds that a version has by default to load and to answer all rows."""
BATCH_ROWS = 1000
REQUEST, ROWS, ANSWERS, FAULT, OUTPUT = "request.json", "rows.arrow", "answers.arrow", "fault.json", "output.txt"
CHILD = "modelops_pipelines.operations.models.sandbox_worker"
_COLUMNS = ("prediction", "score", "error", "milliseconds")
_LONGEST = 500


@dataclass(frozen=True)
class Predicted:
    """A version's answers to rows, in their order.

    A row that it could not answer has an error, and neither prediction nor score. Without an error, a prediction is
    None where the version's classes are unknown. ``milliseconds`` is the time per row
    in its batch; ``seconds`` is the answering alone, ``seconds_in_all`` includes starting the process and loading.
    ``timed_with`` is the milliseconds per row of the other version that was timed; None without one, or if it fails.
    ``classes`` are the version's, None where they are unknown.
    """

    predictions: Sequence[Answer | None]
    scores: Sequence[float | None]
    errors: Sequence[str | None]
    milliseconds: Sequence[float | None]
    seconds: float
    seconds_in_all: float
    timed_with: float | None = None
    classes: Sequence[str] | None = None


def predict_in_sandbox(
    version: ModelVersion,
    spec: EndpointSpec,
    rows: pa.Table,
    deadline: float = DEADLINE,
    *,
    batches: Sequence[int] | None = None,
    low_priority: bool = False,
    timed_with: ModelVersion | None = None,
) -> Predicted:
    """Have a version answer rows of its features in a separate process, which ends by the deadline (seconds).

    The rows go to the model in batches of these sizes (by default of BATCH_ROWS); a batch on which it raises is halved
    until the rows are found that it cannot answer. ``low_priority`` gives the process little CPU while others need it.
    ``timed_with``, another version, is timed on the first batch beforehand, in the same process.

    Raises ModelError when the version cannot be loaded, PredictionError when the process crashes or times out,
    SchemaError when a feature is missing.
    """
    missing = [name for name in version.inputs if name not in rows.column_names]
    if missing:
        message = f"Version {version.version} takes feature(s) {', '.join(missing)}, which the rows do not have"
        raise SchemaError(message, "Add the missing features")
    started = time.monotonic()
    with TemporaryDirectory(prefix="modelops-predict-") as created:
        folder = Path(created)
        _write_request(folder, (version, timed_with), spec, rows, batches or _equal_batches(len(rows)))
        exit_code = _run(folder, deadline, low_priority=low_priority)
        if exit_code is None:
            raise PredictionError(
                f"Version {version.version} did not answer {len(rows)} rows in {deadline:g} s; its process was killed",
                "Send fewer rows, or fix the model",
            )
        answers = _read(folder, version, exit_code, len(rows))
    return _predicted(answers, time.monotonic() - started)


def _equal_batches(rows: int) -> list[int]:
    return [min(BATCH_ROWS, rows - start) for start in range(0, rows, BATCH_ROWS)]


def _write_request(
    folder: Path,
    versions: tuple[ModelVersion, ModelVersion | None],
    spec: EndpointSpec,
    rows: pa.Table,
    batches: Sequence[int],
) -> None:
    names = ("name", "model_name", "task", "label", "positive_label", "classes", "allow_pickle", "accept_pickles")
    version, timed_with = versions
    request = {
        "version": _as_json(version),
        "timed_with": None if timed_with is None else _as_json(timed_with),
        "spec": {name: getattr(spec, name) for name in names},
        "batches": list(batches),
    }
    (folder / REQUEST).write_text(json.dumps(request))
    wanted = {name for one in versions if one is not None for name in one.inputs}
    sent = rows.select([name for name in rows.column_names if name in wanted])
    with pa.OSFile(str(folder / ROWS), "wb") as sink, pa.ipc.new_file(sink, sent.schema) as writer:
        writer.write_table(sent)


def _as_json(version: ModelVersion) -> dict[str, Any]:
    return {**asdict(version), "registered_at": text(version.registered_at)}


def _run(folder: Path, deadline: float, *, low_priority: bool) -> int | None:
    """Run the child; return its exit code, None where it timed out and was killed. No process of it stays.

    It also ends itself 5 s after the deadline, in case this process is killed meanwhile.
    """
    child = _start([str(folder), f"{deadline + 5:g}", *(["low-priority"] if low_priority else [])], folder / OUTPUT)
    try:
        return child.wait(timeout=deadline)
    except subprocess.TimeoutExpired:
        return None
    finally:  # processes that the model started belong to the child's session
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _start(arguments: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Start the child in a new session; its output goes to a file."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)}
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", CHILD, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def _read(folder: Path, version: ModelVersion, exit_code: int, rows: int) -> pa.Table:
    """Return the child's answers; raises the fault that it reported, or PredictionError without valid answers."""
    if (folder / FAULT).exists():
        raise _fault(folder, version)
    try:
        with pa.OSFile(str(folder / ANSWERS), "rb") as source:
            answers = pa.ipc.open_file(source).read_all()
        answers.validate(full=True)
        [float(answers.schema.metadata[name]) for name in (b"seconds", b"timed_with")]
        _classes(answers)
    except (
        OSError,
        pa.ArrowException,
        LookupError,
        TypeError,
        ValueError,
    ):  # the model's code may have written or removed the file
        answers = None
    if answers is None or exit_code != 0 or (len(answers), answers.column_names) != (rows, list(_COLUMNS)):
        why = signal.Signals(-exit_code).name if -exit_code in set(signal.Signals) else f"exit code {exit_code}"
        message = f"Version {version.version} crashed on {rows} rows ({why}): {_last_line(folder)}"
        raise PredictionError(message, "Fix the model")
    return answers


def _fault(folder: Path, version: ModelVersion) -> ModelOpsError:
    try:
        fault = json.loads((folder / FAULT).read_bytes())
        message, remedy = str(fault["message"]), str(fault["remedy"])
    except (ValueError, LookupError, TypeError):
        return PredictionError(f"Version {version.version} failed without a readable error", "Fix the model")
    return ModelError(message[: 4 * _LONGEST], remedy[:_LONGEST])


def _last_line(folder: Path) -> str:
    with (folder / OUTPUT).open("rb") as output:
        output.seek(max(0, output.seek(0, os.SEEK_END) - 4096))
        lines = output.read().decode(errors="replace").strip().splitlines()
    return lines[-1][:_LONGEST] if lines else "no output"


def _classes(answers: pa.Table) -> list[str] | None:
    found = json.loads(answers.schema.metadata[b"classes"])
    return None if found is None else [str(name) for name in found]


def _predicted(answers: pa.Table, seconds: float) -> Predicted:
    spent, timed_with = (float(answers.schema.metadata[name]) for name in (b"seconds", b"timed_with"))
    predictions, scores, errors, took = (answers.column(name).to_pylist() for name in _COLUMNS)
    other = None if math.isnan(timed_with) else timed_with
    return Predicted(predictions, scores, errors, took, spent, seconds, other, _classes(answers))
