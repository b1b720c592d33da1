"""A loaded model version: predicts batches of requests, each with the same result as if it had been sent alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import CrashError, NotReadyError, PredictionError
from modelops_pipelines.core.foreign_text import is_ours, type_name
from modelops_pipelines.core.models.input_forms import InputForm
from modelops_pipelines.core.models.output_forms import as_rows, unanswered_rows
from modelops_pipelines.core.models.predictions import Answer, interpret
from modelops_pipelines.core.models.typed_columns import Columns
from modelops_pipelines.operations.model_runtime.parameters import Parameters
from modelops_pipelines.operations.model_runtime.prediction_paths import PredictionPath
from modelops_pipelines.operations.model_runtime.probes import pad_rows
from modelops_pipelines.operations.model_runtime.rows_under_way import RowsUnderWay
from modelops_pipelines.store.registry.formats.contributions import Exact, Unfit
from modelops_pipelines.store.state.release.model_versions import ModelVersion


class Mark(Protocol):
    """Where the request is marked as under way, for the case that the worker ends."""

    def enter(self) -> None:
        """Note that the model is about to see the request."""

    def leave(self) -> None:
        """Note that the model has answered."""


@dataclass(frozen=True)
class Rows:
    """The rows of one request: its columns, their number of rows, and the request's parameters, if it has any.

    A request with parameters is never merged with others: nothing was tried with these. Nor is one that is ``partial``,
    which leaves out an optional column. ``digest`` is the hash of the
    request's body, ``mark`` where it is marked as under way.
    """

    columns: Columns
    count: int
    params: Mapping[str, Any] | None = None
    digest: str | None = None
    mark: Mark | None = None
    partial: bool = False

    @property
    def is_apart(self) -> bool:
        """Whether the request is predicted alone, in the model's own way."""
        return self.partial or self.params is not None


@dataclass(frozen=True)
class Outcome:
    """The model's result for one request: its output for the JSON response, and each row's prediction and score.

    A prediction is None where the version's classes are unknown. ``unanswered`` are the rows for which the model gave
    NaN or an infinite number: output, prediction and score are None.
    """

    output: list[Any]
    predictions: list[Answer | None]
    scores: Sequence[float | None] | None
    unanswered: tuple[int, ...] = ()

    def part(self, start: int, end: int) -> "Outcome":
        """Return the outcome of the rows from ``start`` to before ``end``."""
        scores = None if self.scores is None else self.scores[start:end]
        unanswered = tuple(row - start for row in self.unanswered if start <= row < end)
        return Outcome(self.output[start:end], self.predictions[start:end], scores, unanswered)


@dataclass(frozen=True)
class Model:
    """A loaded version, its prediction path, and the endpoint's configuration, which defines how output is read.

    ``classes_fault`` says why the classes are unknown although they were stated, ``unproven`` why a version that served
    before did not prove itself, ``bytes`` how much memory it takes. ``form`` is that of its inputs, ``outputs`` the
    names of the values that a regression answers for each row.
    """

    version: ModelVersion
    path: PredictionPath
    spec: EndpointSpec
    parameters: Parameters = field(default_factory=Parameters)
    classes_fault: str | None = None
    unproven: str | None = None
    bytes: int = 0
    form: InputForm = field(default_factory=InputForm)
    outputs: Sequence[str] | None = None

    def answer(self, requests: Sequence[Rows]) -> list[Outcome | Exception]:
        """Return each request's outcome or error; if the model fails on the batch, predict each request alone.

        Where the version's process ended, each has that error: no row is tried again that may have been the cause.
        """
        if len(requests) == 1:
            return [self._settled(self._try(requests[0]))]
        merged = self._try(_merge(requests))
        if isinstance(merged, CrashError | NotReadyError):
            return [merged] * len(requests)
        if isinstance(merged, Exception):
            return [self._settled(self._try(request)) for request in requests]
        ends = [0]
        for request in requests:
            ends.append(ends[-1] + request.count)
        return [self._settled(merged.part(start, end)) for start, end in pairwise(ends)]

    def explain(self, columns: Columns, reference: Columns | None) -> Exact | Unfit:
        """Return the exact contributions of rows, or why the version has none; raises PredictionError, CrashError."""
        try:
            with RowsUnderWay(columns):
                return self.path.explain(columns, reference)
        except (Exception, SystemExit) as error:  # as for an answer
            if is_ours(error):
                raise
            raise PredictionError(
                f"Version {self.version.version} failed when its contributions were asked for ({type_name(error)})",
                "Set 'explain: {method: permutation}' in the endpoint's YAML, which asks for answers only",
            ) from error

    def _settled(self, outcome: Outcome | Exception) -> Outcome | Exception:
        """Return the outcome, or an error where not one of its rows has an answer."""
        if isinstance(outcome, Exception) or len(outcome.unanswered) < len(outcome.output):
            return outcome
        return PredictionError(
            f"Version {self.version.version} returned NaN or an infinite number for every row of this input",
            "Correct the model: let it answer each row that its signature allows with a finite number",
        )

    def _try(self, rows: Rows) -> Outcome | Exception:
        try:
            return self._answer(rows)
        except Exception as error:  # noqa: BLE001 - any error becomes this request's outcome
            return error

    def _answer(self, rows: Rows) -> Outcome:
        try:
            with RowsUnderWay(rows.columns):
                output = as_rows(self._predict(rows), rows.count, self.outputs or self.version.classes)
        except (Exception, SystemExit) as error:  # a model's code may raise anything; its text stays in the log
            if is_ours(error):
                raise
            raise PredictionError(
                f"Version {self.version.version} failed on this input", "See the gateway's log for this request id"
            ) from error
        unanswered = unanswered_rows(output)
        if unanswered:
            return self._partial(output, unanswered)
        return Outcome(self._named(output.tolist()), *self._interpret(output))

    def _partial(self, output: NDArray[Any], unanswered: tuple[int, ...]) -> Outcome:
        """Return the outcome of an output with rows that hold no answer: a row does not fail the others."""
        kept = np.delete(output, unanswered, axis=0)
        predictions, scores = self._interpret(kept) if len(kept) else ([], None)
        rows = set(range(len(output))) - set(unanswered)

        def spread(values: Sequence[Any]) -> list[Any]:
            found = dict(zip(sorted(rows), values, strict=True))
            return [found.get(row) for row in range(len(output))]

        spread_scores = None if scores is None else spread(scores)
        return Outcome(spread(self._named(kept.tolist())), spread(predictions), spread_scores, unanswered)

    def _named(self, rows: list[Any]) -> list[Any]:
        """Return each row's values by their names, where the signature names several."""
        names = self.outputs
        if names is None or not rows or not isinstance(rows[0], list) or len(rows[0]) != len(names):
            return rows
        return [dict(zip(names, row, strict=True)) for row in rows]

    def _interpret(self, output: NDArray[Any]) -> tuple[list[Answer | None], list[float] | None]:
        version, spec = self.version, self.spec
        names = self.outputs if spec.task == "regression" else version.classes
        return interpret(spec.task, output, len(output), names, spec.positive_label, version.output, spec.output)

    def _predict(self, rows: Rows) -> Any:
        """Return the output for the rows: padded as the path's probe found, or by MLflow with the request's params."""
        if rows.params is not None:
            return self.path.predict_with(rows.columns, rows.params)
        merging = self.path.merging
        if merging is None or rows.partial or rows.count > merging.most:
            return self.path.predict(rows.columns)
        return self.path.predict(pad_rows(rows.columns, rows.count, merging.pad))[: rows.count]


def _merge(requests: Sequence[Rows]) -> Rows:
    columns: Columns = {name: [] for name in requests[0].columns}
    for request in requests:
        for name, values in request.columns.items():
            columns[name] += values
    return Rows(columns, sum(request.count for request in requests))
