"""A version's answers from a process of its own: one that hangs, crashes or raises costs whoever asked only time.

What goes there and comes back are Arrow tables in files; nothing that a model wrote is ever unpickled here. The child
is ``sandbox_worker.py``.
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
"""Seconds that a version has to load and to answer all rows, unless told otherwise."""
BATCH_ROWS = 1000
ASKED, ROWS, ANSWERS, FAULT, SAID = "asked.json", "rows.arrow", "answers.arrow", "fault.json", "said.txt"
CHILD = "modelops_pipelines.operations.models.sandbox_worker"
_COLUMNS = ("prediction", "score", "error", "milliseconds")
_LONGEST = 500


@dataclass(frozen=True)
class Predicted:
    """What a version said of rows, in their order.

    A row that it could not answer has an error, and neither prediction nor score. ``milliseconds`` is what a row took
    in its batch; ``seconds`` is the answering alone, ``seconds_in_all`` with the start of the process and the loading.
    ``beside`` is the milliseconds a row of the version measured beside it, None without one or where that fails.
    """

    predictions: Sequence[Answer | None]
    scores: Sequence[float | None]
    errors: Sequence[str | None]
    milliseconds: Sequence[float | None]
    seconds: float
    seconds_in_all: float
    beside: float | None = None


def predict_apart(
    version: ModelVersion,
    spec: EndpointSpec,
    rows: pa.Table,
    deadline: float = DEADLINE,
    *,
    batches: Sequence[int] | None = None,
    gently: bool = False,
    beside: ModelVersion | None = None,
) -> Predicted:
    """Have a version answer rows of its features in a process of its own, which ends by the deadline (seconds).

    The rows go to the model in batches of these sizes (of BATCH_ROWS, unless told); one that it raises on is halved
    until the rows are found that it cannot answer. ``gently`` gives the process little CPU while others want it. The
    time of ``beside``, another version, is taken on the first batch before, in the same process.

    Raises ModelError when the version cannot be loaded, PredictionError when the process crashes or is out of time,
    SchemaError when a feature is missing.
    """
    missing = [name for name in version.inputs if name not in rows.column_names]
    if missing:
        message = f"Version {version.version} takes feature(s) {', '.join(missing)}, which the rows do not have"
        raise SchemaError(message, "Add them")
    started = time.monotonic()
    with TemporaryDirectory(prefix="modelops-predict-") as made:
        folder = Path(made)
        _ask(folder, (version, beside), spec, rows, batches or _evenly(len(rows)))
        ended = _run(folder, deadline, gently=gently)
        if ended is None:
            raise PredictionError(
                f"Version {version.version} did not answer {len(rows)} rows within {deadline:g} s: it was ended",
                "Ask for fewer rows, or correct the model",
            )
        answers = _read(folder, version, ended, len(rows))
    return _predicted(answers, time.monotonic() - started)


def _evenly(rows: int) -> list[int]:
    return [min(BATCH_ROWS, rows - start) for start in range(0, rows, BATCH_ROWS)]


def _ask(
    folder: Path,
    versions: tuple[ModelVersion, ModelVersion | None],
    spec: EndpointSpec,
    rows: pa.Table,
    batches: Sequence[int],
) -> None:
    names = ("name", "model_name", "task", "label", "positive_label", "allow_pickle", "accept_pickles")
    version, beside = versions
    asked = {
        "version": _described(version),
        "beside": None if beside is None else _described(beside),
        "spec": {name: getattr(spec, name) for name in names},
        "batches": list(batches),
    }
    (folder / ASKED).write_text(json.dumps(asked))
    wanted = {name for one in versions if one is not None for name in one.inputs}
    sent = rows.select([name for name in rows.column_names if name in wanted])
    with pa.OSFile(str(folder / ROWS), "wb") as sink, pa.ipc.new_file(sink, sent.schema) as writer:
        writer.write_table(sent)


def _described(version: ModelVersion) -> dict[str, Any]:
    return {**asdict(version), "registered_at": text(version.registered_at)}


def _run(folder: Path, deadline: float, *, gently: bool) -> int | None:
    """Run the child; return its exit code, None where it was ended for want of time. Nothing of it is left.

    It ends itself a little after the deadline too, should this process be killed meanwhile.
    """
    child = _start([str(folder), f"{deadline + 5:g}", *(["gently"] if gently else [])], folder / SAID)
    try:
        return child.wait(timeout=deadline)
    except subprocess.TimeoutExpired:
        return None
    finally:  # whatever the model has started belongs to the child's session
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _start(arguments: Sequence[str], said: Path) -> subprocess.Popen[bytes]:
    """Start the child in a session of its own; what it says goes to a file."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)}
    with said.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", CHILD, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def _read(folder: Path, version: ModelVersion, ended: int, rows: int) -> pa.Table:
    """Return the child's answers; raises what it says went wrong, or that it says nothing."""
    if (folder / FAULT).exists():
        raise _fault(folder, version)
    try:
        with pa.OSFile(str(folder / ANSWERS), "rb") as source:
            answers = pa.ipc.open_file(source).read_all()
        answers.validate(full=True)
        [float(answers.schema.metadata[name]) for name in (b"seconds", b"beside")]
    except (OSError, pa.ArrowException, LookupError, TypeError, ValueError):  # what a model has left there, or not
        answers = None
    if answers is None or ended != 0 or (len(answers), answers.column_names) != (rows, list(_COLUMNS)):
        why = signal.Signals(-ended).name if -ended in set(signal.Signals) else f"exit code {ended}"
        message = f"Version {version.version} crashed on {rows} rows ({why}): {_last_words(folder)}"
        raise PredictionError(message, "Correct the model")
    return answers


def _fault(folder: Path, version: ModelVersion) -> ModelOpsError:
    try:
        told = json.loads((folder / FAULT).read_bytes())
        message, remedy = str(told["message"]), str(told["remedy"])
    except (ValueError, LookupError, TypeError):
        return PredictionError(f"Version {version.version} broke off", "Correct the model")
    return ModelError(message[: 4 * _LONGEST], remedy[:_LONGEST])


def _last_words(folder: Path) -> str:
    with (folder / SAID).open("rb") as said:
        said.seek(max(0, said.seek(0, os.SEEK_END) - 4096))
        lines = said.read().decode(errors="replace").strip().splitlines()
    return lines[-1][:_LONGEST] if lines else "it said nothing"


def _predicted(answers: pa.Table, seconds: float) -> Predicted:
    spent, beside = (float(answers.schema.metadata[name]) for name in (b"seconds", b"beside"))
    predictions, scores, errors, took = (answers.column(name).to_pylist() for name in _COLUMNS)
    return Predicted(predictions, scores, errors, took, spent, seconds, None if math.isnan(beside) else beside)
