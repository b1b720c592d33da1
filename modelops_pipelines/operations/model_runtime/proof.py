"""Proves a loaded version before it goes live: it answers rows the whole way, to the answer's bytes and the log's row.

Run by each gateway worker that loads a version, and by ``trial`` in a separate process where no gateway runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from modelops_pipelines.core.capture.spool_records import prediction_columns, prediction_record
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import InputError, ModelError, ModelOpsError, PredictionError
from modelops_pipelines.core.foreign_text import error_text
from modelops_pipelines.core.models.output_kinds import SCORES, UNKNOWN
from modelops_pipelines.operations.model_runtime.answers import answer_columns, render_answer
from modelops_pipelines.operations.model_runtime.loaded_model import Model, Outcome, Rows
from modelops_pipelines.operations.model_runtime.model_inputs import form_of_files
from modelops_pipelines.operations.model_runtime.parameters import Params, parameters_of
from modelops_pipelines.operations.model_runtime.prediction_paths import choose_path, mlflow_path
from modelops_pipelines.operations.model_runtime.probe_rows import ExampleRows, example_rows
from modelops_pipelines.store.state.release.model_versions import ModelVersion

SIZES = (1, 2, 3, 5, 16)
"""Rows of the requests that are tried: several, so that neither a transposed answer nor a fixed number passes."""
BESIDE = (1, 3, 2, 1)
"""Rows of the requests that are tried merged into one batch."""
SUM_TOLERANCE = 0.02
_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
_ID = "0" * 40


def prepare(model: Any, version: ModelVersion, spec: EndpointSpec, folder: Path) -> Model:
    """Return a loaded MLflow model ready to serve, on its fastest identical path, once it has proven itself.

    ``folder`` holds the version's files. Raises ModelError that names the cause and the remedy when the version cannot
    serve: nothing goes live that has not answered the whole way.
    """
    columns = answer_columns(version, spec.task)
    path = mlflow_path(model, folder, version.inputs, columns)
    outputs = columns if spec.task == "regression" else None
    slow = Model(version, path, spec, parameters_of(folder), form=form_of_files(folder), outputs=outputs)
    prove(slow, folder)  # before hundreds of predictions of one that cannot serve
    slow = replace(slow, form=slow.form.allowing(_absent(slow, folder)))
    slow = replace(slow, version=_with_output_kind(slow, folder))
    row_wise = spec.row_wise and slow.version.output != UNKNOWN
    try:
        path = choose_path(model, folder, version.inputs, row_wise=row_wise, classes=columns)
    except (Exception, SystemExit) as error:  # a model's code may raise anything, and differ from call to call
        problem = f"{_name(version)} failed while its prediction path was chosen ({error_text(error)})"
        raise ModelError(problem, "Correct the model") from error
    chosen = replace(slow, path=path)
    return chosen if (path.name, path.merging) == ("mlflow", None) else prove(chosen, folder)


def as_before(model: Any, version: ModelVersion, spec: EndpointSpec, folder: Path) -> Model:
    """Return a loaded model that has served already and need not prove itself: on MLflow's path, never merged."""
    columns, form = answer_columns(version, spec.task), form_of_files(folder)
    path = mlflow_path(model, folder, version.inputs, columns)
    outputs = columns if spec.task == "regression" else None
    return Model(version, path, spec, parameters_of(folder), form=form.allowing(form.optional), outputs=outputs)


def prove(model: Model, folder: Path) -> Model:
    """Have the version answer its example, or a row made from its signature: one, several, and beside others.

    Each answer is rendered to its bytes, in both protocols, and becomes the log's row. Returns the model, without
    merging where merged answers differ from the same requests' own. Raises ModelError that names the cause and the
    remedy.
    """
    tried = _Tried(model, example_rows(folder, model.form))
    for size in SIZES:
        tried.answer(size)
    if tried.params is not None:
        for size in SIZES[:3]:
            tried.answer(size, tried.params)
    return model if tried.answers_beside_others() else replace(model, path=replace(model.path, merging=None))


def _absent(model: Model, folder: Path) -> list[str]:
    """Return the optional inputs without which the version answers its example: alone, and without all of them."""
    rows = example_rows(folder, model.form)

    def answers_without(*names: str) -> bool:
        kept = {name: values for name, values in rows.columns.items() if name not in names}
        [outcome] = model.answer([Rows(kept, rows.count, partial=True)]) if kept else [None]
        return isinstance(outcome, Outcome)

    single = [name for name in model.form.kinds if name in model.form.optional and answers_without(name)]
    return single if len(single) < 2 or answers_without(*single) else []  # noqa: PLR2004 - one was tried alone


def _with_output_kind(model: Model, folder: Path) -> ModelVersion:
    """Return the version with scores as its kind of output, where its signature does not say and the example shows it.

    On an endpoint of two classes, fractions between 0 and 1 are scores; so a later answer of 1.0 is one too.
    """
    version, rows = model.version, example_rows(folder, model.form)
    if version.output != UNKNOWN or model.spec.task != "binary_classification":
        return version
    [outcome] = model.answer([Rows(rows.columns, rows.count)])
    values = [] if isinstance(outcome, Exception) else np.ravel(np.array(outcome.output, dtype=object)).tolist()
    scores = all(isinstance(value, float) and 0 <= value <= 1 for value in values)
    fractions = any(isinstance(value, float) and not value.is_integer() for value in values)
    return replace(version, output=SCORES) if scores and fractions else version


@dataclass(frozen=True)
class _Tried:
    """A version that is tried on these rows."""

    model: Model
    rows: ExampleRows

    @property
    def params(self) -> Params | None:
        """The example's parameters, where the signature declares them."""
        try:
            return self.model.parameters.check(self.rows.params)
        except InputError:
            return None

    def answer(self, size: int, params: Params | None = None) -> None:
        """Answer a request of so many rows the whole way; raises ModelError."""
        rows = self._request(0, size, params)
        [outcome] = self.model.answer([rows])
        if isinstance(outcome, Exception):
            raise self._refusal(outcome, size)
        try:
            if self.model.spec.task == "regression":
                _check_numbers(outcome, self.model.version.classes)
            else:
                _check_probabilities(outcome)
                _check_classes(outcome, self.model.version.classes)
            _render_and_log(self.model, rows, outcome)
        except ModelOpsError as error:
            raise self._refusal(error, size) from error

    def answers_beside_others(self) -> bool:
        """Return whether requests that are merged into one batch are answered as they are alone."""
        if self.model.path.merging is None:
            return True
        starts = np.cumsum((0, *BESIDE))
        requests = [self._request(int(start), size) for start, size in zip(starts, BESIDE, strict=False)]
        alone = [self.model.answer([request])[0] for request in requests]
        return all(map(_same, self.model.answer(requests), alone))

    def _request(self, start: int, size: int, params: Params | None = None) -> Rows:
        """Return a request of so many of the rows, repeated when they are fewer."""
        indexes = [(start + index) % self.rows.count for index in range(size)]
        columns = {name: [values[index] for index in indexes] for name, values in self.rows.columns.items()}
        return Rows(columns, size, params)

    def _refusal(self, error: Exception, size: int) -> ModelError:
        own, name = self.rows.is_own, _name(self.model.version)
        what = "its own input example" if own else "a row made from its signature, as it has no usable input example"
        where = f"{what} ({size} row{'s' * (size != 1)})"
        cause = error.__cause__
        if isinstance(error, ModelOpsError) and cause is None:
            return ModelError(f"{name} cannot be served. On {where}: {error.message}", error.remedy)
        remedy = "Log a version that can predict its input example"
        if not own:
            remedy = "Log it with an input example that it can predict: input_example=frame.head(5)"
        return ModelError(f"{name} fails on {where}: {error_text(cause or error, self.rows.columns.values())}", remedy)


def _render_and_log(model: Model, rows: Rows, outcome: Outcome) -> None:
    """Make the bytes of the answer and the log's row; raises PredictionError for what they cannot hold."""
    version, spec = model.version.version, model.spec
    for infer in (False, True):
        answer = render_answer(
            outcome.output,
            endpoint=spec.name,
            version=version,
            variant="champion",
            request_id=_ID,
            client=None,
            infer=infer,
            unanswered=outcome.unanswered,
        )
        orjson.loads(answer)
    record = prediction_record(
        request_id=_ID,
        event_time=_MOMENT,
        received_at=_MOMENT,
        model_version=version,
        variant="champion",
        rows=rows.count,
        status=200,
        error_code=None,
        latency_ms=0.0,
        user_id=None,
        session_id=None,
        client_request_id=None,
        source="test",
        key_id=None,
        prediction=outcome.predictions,
        score=outcome.scores,
        features={},
    )
    columns = prediction_columns(orjson.loads(orjson.dumps(record, option=orjson.OPT_SERIALIZE_NUMPY)))
    if {len(values) for values in columns.values()} != {rows.count}:
        raise PredictionError(f"The log's row has no value for each of {rows.count} rows", "Correct the model")


def _check_probabilities(outcome: Outcome) -> None:
    """Raise PredictionError for rows of several values that do not sum to 1: several answers, and no probabilities."""
    rows = _lists(outcome)
    if not rows or len(rows[0]) == 1:
        return
    wrong = next((row for row in rows if not _is_distribution(row)), None)
    if wrong is not None:
        raise PredictionError(
            f"The model returned {len(wrong)} values per row that sum to {float(sum(wrong)):g} and not to 1",
            "Let it return a probability for each class, or one answer per row",
        )


def _check_numbers(outcome: Outcome, classes: Sequence[str] | None) -> None:
    """Raise PredictionError for a classifier's probabilities, which are not the numbers of a regression."""
    rows = _lists(outcome)
    if classes is not None and rows and len(rows[0]) == len(classes) and all(map(_is_distribution, rows)):
        raise PredictionError(
            f"The model returned probabilities of its classes {', '.join(classes)}, and the task is a regression",
            "Correct 'task' in the endpoint's YAML, or log a model that returns one number per row",
        )


def _lists(outcome: Outcome) -> list[list[Any]]:
    """Return the answered rows where each is a list of values; none where each is one value."""
    answered = [row for row in outcome.output if row is not None]
    return answered if isinstance(answered[0], list) else []


def _is_distribution(row: list[Any]) -> bool:
    return abs(float(sum(row)) - 1) <= SUM_TOLERANCE


def _check_classes(outcome: Outcome, classes: Sequence[str] | None) -> None:
    """Raise PredictionError for a class that is none of the version's."""
    if classes is None:
        return
    strange = sorted({found for found in outcome.predictions if isinstance(found, str)} - set(classes))
    if strange:
        raise PredictionError(
            f"The model returned {strange[0][:60]!r}, which is none of its classes {', '.join(classes)}",
            "Log it with all its classes: metadata={'classes': [...]}, or let it return one of them",
        )


def _same(one: Outcome | Exception, other: Outcome | Exception) -> bool:
    if isinstance(one, Exception) or isinstance(other, Exception):
        return False
    parts = ([found.output, found.predictions, found.scores] for found in (one, other))
    first, second = (orjson.dumps(part, option=orjson.OPT_SERIALIZE_NUMPY) for part in parts)
    return first == second


def _name(version: ModelVersion) -> str:
    return f"Version {version.version} of {version.model_name!r}"
