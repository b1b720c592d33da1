"""Runs a version in a separate process, so that a model that hangs, crashes or raises costs the caller only time.

Rows and answers are exchanged as Arrow files; nothing that a model wrote is ever unpickled here. The child process is
``sandbox_worker.py``.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelError, PredictionError, SchemaError
from modelops_pipelines.core.models.predictions import Answer
from modelops_pipelines.operations.models.child_process import read_fault, run_child, why_ended
from modelops_pipelines.operations.models.trial import REQUEST, request_of
from modelops_pipelines.store.filesystem.scratch import scratch_folder
from modelops_pipelines.store.state.release.model_versions import ModelVersion

DEADLINE = 120.0
"""Seconds that a version has by default to load and to answer all rows."""
BATCH_ROWS = 1000
ROWS, ANSWERS = "rows.arrow", "answers.arrow"
CHILD = "modelops_pipelines.operations.models.sandbox_worker"
_COLUMNS = ("prediction", "score", "error", "milliseconds")


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
    ``timed_with``, another version, is timed on the first batch afterwards, in another process: in the same one, both
    would share the modules that they bring along.

    Raises ModelError when the version cannot be loaded, PredictionError when the process crashes or times out,
    SchemaError when a feature is missing.
    """
    missing = [name for name in version.inputs if name not in rows.column_names]
    if missing:
        message = f"Version {version.version} takes feature(s) {', '.join(missing)}, which the rows do not have"
        raise SchemaError(message, "Add the missing features")
    started = time.monotonic()
    with scratch_folder() as folder:
        _write_request(folder, version, spec, rows, batches or _equal_batches(len(rows)))
        exit_code = run_child(CHILD, folder, deadline, low_priority=low_priority)
        if exit_code is None:
            raise PredictionError(
                f"Version {version.version} did not answer {len(rows)} rows in {deadline:g} s; its process was killed",
                "Send fewer rows, or fix the model",
            )
        answers = _read(folder, version, exit_code, len(rows))
    seconds = time.monotonic() - started
    timed = _time(timed_with, spec, rows, deadline - seconds, low_priority=low_priority)
    return replace(_predicted(answers, seconds), timed_with=timed)


def _time(
    version: ModelVersion | None, spec: EndpointSpec, rows: pa.Table, deadline: float, *, low_priority: bool
) -> float | None:
    """Return a version's milliseconds per row on the first batch; None without one, or when it cannot answer it."""
    if version is None or deadline <= 0:
        return None
    try:
        answers = predict_in_sandbox(version, spec, rows.slice(0, BATCH_ROWS), deadline, low_priority=low_priority)
    except (ModelError, PredictionError, SchemaError):
        return None
    known = [one for one in answers.milliseconds if one is not None]
    return sum(known) / len(known) if known else None


def _equal_batches(rows: int) -> list[int]:
    return [min(BATCH_ROWS, rows - start) for start in range(0, rows, BATCH_ROWS)]


def _write_request(
    folder: Path,
    version: ModelVersion,
    spec: EndpointSpec,
    rows: pa.Table,
    batches: Sequence[int],
) -> None:
    request = {**request_of(version, spec), "batches": list(batches)}
    (folder / REQUEST).write_text(json.dumps(request))
    sent = rows.select([name for name in rows.column_names if name in version.inputs])
    with pa.OSFile(str(folder / ROWS), "wb") as sink, pa.ipc.new_file(sink, sent.schema) as writer:
        writer.write_table(sent)


def _read(folder: Path, version: ModelVersion, exit_code: int, rows: int) -> pa.Table:
    """Return the child's answers; raises the fault that it reported, or PredictionError without valid answers."""
    fault = read_fault(folder, version)
    if fault is not None:
        raise fault
    try:
        with pa.OSFile(str(folder / ANSWERS), "rb") as source:
            answers = pa.ipc.open_file(source).read_all()
        answers.validate(full=True)
        float(answers.schema.metadata[b"seconds"])
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
        message = f"Version {version.version} crashed on {rows} rows {why_ended(folder, exit_code)}"
        raise PredictionError(message, "Fix the model")
    return answers


def _classes(answers: pa.Table) -> list[str] | None:
    found = json.loads(answers.schema.metadata[b"classes"])
    return None if found is None else [str(name) for name in found]


def _predicted(answers: pa.Table, seconds: float) -> Predicted:
    spent = float(answers.schema.metadata[b"seconds"])
    predictions, scores, errors, took = (answers.column(name).to_pylist() for name in _COLUMNS)
    return Predicted(predictions, scores, errors, took, spent, seconds, classes=_classes(answers))
