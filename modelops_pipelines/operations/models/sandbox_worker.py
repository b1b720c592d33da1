"""The process in which a version answers rows for ``sandbox.py``. It reads a folder, writes answers there, and exits.

``python -m modelops_pipelines.operations.models.sandbox_worker FOLDER SECONDS [low-priority]``
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import InputError, ModelError
from modelops_pipelines.core.foreign_text import error_text
from modelops_pipelines.core.models.input_forms import InputForm
from modelops_pipelines.core.models.predictions import Answer, interpret
from modelops_pipelines.operations.model_runtime.answers import answer_columns
from modelops_pipelines.operations.model_runtime.frames import typed_array
from modelops_pipelines.operations.model_runtime.model_inputs import form_of_version, from_log
from modelops_pipelines.operations.models.child_process import limit_child, write_fault
from modelops_pipelines.operations.models.sandbox import ANSWERS, ROWS
from modelops_pipelines.operations.models.trial import REQUEST
from modelops_pipelines.operations.models.trial_worker import read_spec, read_version
from modelops_pipelines.store.registry.model_loader import load_model
from modelops_pipelines.store.registry.version_classes import with_classes
from modelops_pipelines.store.state.release.model_versions import ModelVersion

if TYPE_CHECKING:
    import pandas as pd

FAILURES = 400
"""Batches on which a model may raise before failed batches are no longer halved."""
_WHOLE = {"int": "int64", "bool": "bool"}
Interpreted = tuple[list[Answer | None], list[float] | None]


def main(folder: Path) -> None:
    """Load the version that the folder's request names and write its answers, or why it cannot be loaded."""
    request = json.loads((folder / REQUEST).read_bytes())
    version, spec = read_version(request["version"]), read_spec(request["spec"])
    with pa.OSFile(str(folder / ROWS), "rb") as source:
        rows = pa.ipc.open_file(source).read_all()
    try:
        model = load_model(version, spec)
        version = with_classes(version, spec, model)
    except ModelError as error:
        write_fault(folder, error)
        return
    answers = answer(model, version, spec, rows, request["batches"])
    named = {"classes": json.dumps(version.classes)}
    answers = answers.replace_schema_metadata({**answers.schema.metadata, **named})
    with pa.OSFile(str(folder / ANSWERS), "wb") as sink, pa.ipc.new_file(sink, answers.schema) as writer:
        writer.write_table(answers)


def answer(model: Any, version: ModelVersion, spec: EndpointSpec, rows: pa.Table, batches: Sequence[int]) -> pa.Table:
    """Return each row's prediction, score, error and milliseconds, and in the metadata the seconds of answering."""
    form, columns = form_of_version(version), answer_columns(version, spec.task)

    def predict(part: pa.Table) -> Interpreted:
        output = model.predict(model_input(part, form))
        return interpret(spec.task, output, len(part), columns, spec.positive_label, version.output, spec.output)

    answers = _Answers(predict, rows)
    answers.warm_up()
    start = 0
    for size in batches:
        answers.answer(start, size)
        start += size
    return answers.table(pa.float64() if spec.task == "regression" else pa.string())


def model_input(rows: pa.Table, form: InputForm) -> Any:
    """Return the rows as the gateway gives them to the model; raises InputError as ``model_frame`` does."""
    if form.is_plain and not form.has_json:
        return model_frame(rows, form.kinds, form.narrow)
    return from_log({name: rows.column(name).to_pylist() for name in form.kinds}, form)


def model_frame(rows: pa.Table, inputs: Mapping[str, str], narrow: Mapping[str, str]) -> "pd.DataFrame":
    """Return the rows as a DataFrame of the signature's types, as the gateway makes it.

    Raises InputError for a null where the type allows none, and for a number that does not fit into 32 bits.
    """
    import pandas as pd

    columns: dict[str, Any] = {}
    for name, kind in inputs.items():
        column = rows.column(name)
        if kind in _WHOLE and column.null_count:
            raise InputError(f"Feature {name!r} is null, which its type does not allow", "Give a value")
        if kind == "timestamp":
            columns[name] = column.cast(pa.timestamp("ns", "UTC")).cast(pa.timestamp("ns")).to_pandas()
        elif kind == "text":
            columns[name] = pd.Series(column.to_pylist(), dtype="object")
        elif name in narrow:
            columns[name] = typed_array(name, column.to_pylist(), narrow[name])
        else:
            columns[name] = column.to_pandas().astype(_WHOLE.get(kind, "float64"))
    return pd.DataFrame(columns)


@dataclass
class _Answers:
    """The answers so far, row by row."""

    predict: Callable[[pa.Table], Interpreted]
    rows: pa.Table
    seconds: float = 0.0
    failures: int = 0
    predictions: list[Answer | None] = field(default_factory=list)
    scores: list[float | None] = field(default_factory=list)
    errors: list[str | None] = field(default_factory=list)
    milliseconds: list[float | None] = field(default_factory=list)

    def warm_up(self) -> None:
        """Answer one row unmeasured: what a library loads at its first prediction does not count as a row's time."""
        try:
            self.predict(self.rows.slice(0, 1))
        except Exception:  # noqa: BLE001 - the error is reported when the row is answered in its turn
            return

    def answer(self, start: int, size: int) -> None:
        """Answer some rows; where the model raises, halves of them, until the rows are found that it raises on."""
        began = time.perf_counter()
        try:
            predictions, scores = self.predict(self.rows.slice(start, size))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a model is the user's code: any error is reported
            self._failed(start, size, error, time.perf_counter() - began)
            return
        took = time.perf_counter() - began
        self.seconds += took
        self._extend(predictions, scores or [None] * size, [None] * size, [1000 * took / size] * size)

    def table(self, answers: pa.DataType) -> pa.Table:
        """Return the answers as a table."""
        columns = {
            "prediction": pa.array(self.predictions, answers),
            "score": pa.array(self.scores, pa.float64()),
            "error": pa.array(self.errors, pa.string()),
            "milliseconds": pa.array(self.milliseconds, pa.float64()),
        }
        return pa.table(columns).replace_schema_metadata({"seconds": repr(self.seconds)})

    def _failed(self, start: int, size: int, error: BaseException, took: float) -> None:
        self.failures += 1
        self.seconds += took
        if size > 1 and self.failures <= FAILURES:
            self.answer(start, size // 2)
            self.answer(start + size // 2, size - size // 2)
            return
        message = error_text(error, _texts(self.rows.slice(start, size)))
        self._extend([None] * size, [None] * size, [message] * size, [None] * size)

    def _extend(
        self,
        predictions: Sequence[Answer | None],
        scores: Sequence[float | None],
        errors: Sequence[str | None],
        milliseconds: Sequence[float | None],
    ) -> None:
        self.predictions += predictions
        self.scores += scores
        self.errors += errors
        self.milliseconds += milliseconds


def _texts(rows: pa.Table) -> list[list[Any]]:
    return [column.to_pylist() for column in rows.columns if not pa.types.is_primitive(column.type)]


if __name__ == "__main__":
    limit_child(sys.argv[1:])
    main(Path(sys.argv[1]))
    os._exit(0)  # does not wait for threads that a model has started
