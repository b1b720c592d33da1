"""Evaluates a version on a file of rows: its answers, and metrics where the file has the label."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import InputError
from modelops_pipelines.core.models.class_names import class_name
from modelops_pipelines.core.models.classes import match_class
from modelops_pipelines.operations.metrics.quality import JUDGED, quality_of
from modelops_pipelines.operations.models.sandbox import DEADLINE, Predicted, predict_in_sandbox
from modelops_pipelines.operations.testing.batch_files import check_format, read_rows
from modelops_pipelines.operations.versions.known_version import known_version
from modelops_pipelines.store.filesystem.files import write_atomically
from modelops_pipelines.store.lake.arrow_schemas import ARROW
from modelops_pipelines.store.stores import Stores

_NOT_METRICS = frozenset(
    ("window_start", "model_version", "segment", "segment_value", "date", "feedback", "complaints", "score_counts")
)
_NO_WINDOW = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Batch:
    """A version's answers to a file's rows; ``metrics`` is None where the file has no label."""

    version: str
    rows: int
    failed: int
    first_error: str | None
    seconds: float
    metrics: dict[str, Any] | None
    answers: pa.Table


def evaluate_file(stores: Stores, spec: EndpointSpec, version: str, path: Path, *, deadline: float = DEADLINE) -> Batch:
    """Have a version answer a CSV or Parquet file, in a separate process; compute metrics on the labels in the file.

    Raises InputError for a file that cannot be read as the version's features or has a label that is no class of it,
    and what ``predict_in_sandbox`` raises.
    """
    known = known_version(stores, spec, version)
    table = read_rows(path, known)
    predicted = predict_in_sandbox(known, spec, table, deadline)
    errors = [error for error in predicted.errors if error is not None]
    label = _labels(table, spec, path, predicted.classes) if spec.label in table.column_names else None
    return Batch(
        version=known.version,
        rows=len(table),
        failed=len(errors),
        first_error=errors[0] if errors else None,
        seconds=predicted.seconds,
        metrics=None if label is None else _metrics(spec, known.version, predicted, label),
        answers=_answers(table, spec, predicted),
    )


def write_answers(answers: pa.Table, path: Path) -> None:
    """Write predictions as CSV or Parquet, by the file's suffix."""
    check_format(path)
    sink = pa.BufferOutputStream()
    pyarrow.csv.write_csv(answers, sink) if path.suffix == ".csv" else pq.write_table(answers, sink)
    write_atomically(path, sink.getvalue().to_pybytes())


def _labels(table: pa.Table, spec: EndpointSpec, path: Path, classes: Sequence[str] | None) -> pa.Array:
    values = table.column(spec.label).to_pylist()
    try:
        if spec.task == "regression":
            return pa.array([None if value is None else float(value) for value in values], pa.float64())
    except (ValueError, TypeError):  # its text shows the label
        raise InputError(f"{path} has a label that is not a number", "Correct the file") from None
    return pa.array([None if value is None else _class(value, path, classes) for value in values], pa.string())


def _class(label: object, path: Path, classes: Sequence[str] | None) -> str:
    """Return the class that a label names; raises InputError for one that is no class of the version."""
    if classes is None:
        return class_name(label)
    found = match_class(label, classes)
    if found is None:
        shown = ", ".join(classes)[:300]
        raise InputError(f"{path} has the label {class_name(label)[:60]!r}, which is no class", f"Use one of: {shown}")
    return found


def _metrics(spec: EndpointSpec, version: str, predicted: Predicted, label: pa.Array) -> dict[str, Any] | None:
    """Return the metrics of ``quality_metrics`` over the answered rows."""
    rows = len(label)
    columns = (
        pa.array([_NO_WINDOW] * rows, ARROW["timestamp"]),
        pa.array([version] * rows, pa.string()),
        pa.array(predicted.predictions, label.type),
        pa.array(predicted.scores, pa.float64()),
        label,
        pa.array([0] * rows, pa.int64()),
        pa.array([0] * rows, pa.int64()),
    )
    judged = pa.table(dict(zip(JUDGED, columns, strict=True)))
    answered = judged.filter(pa.array([error is None for error in predicted.errors], pa.bool_()))
    found = quality_of(spec, answered).to_pylist()
    return {name: value for name, value in found[0].items() if name not in _NOT_METRICS} if found else None


def _answers(table: pa.Table, spec: EndpointSpec, predicted: Predicted) -> pa.Table:
    """Return the file's rows with the answers as further columns; they replace columns of the same names."""
    kept = table.drop_columns([name for name in ("prediction", "score", "error") if name in table.column_names])
    kind = pa.float64() if spec.task == "regression" else pa.string()
    return (
        kept.append_column("prediction", pa.array(predicted.predictions, kind))
        .append_column("score", pa.array(predicted.scores, pa.float64()))
        .append_column("error", pa.array(predicted.errors, pa.string()))
    )
