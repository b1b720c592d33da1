"""A loaded model version: predicts batches of requests, each with the same result as if it had been sent alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelOpsError, PredictionError
from modelops_pipelines.core.models.predictions import Answer, interpret
from modelops_pipelines.gateway.bodies.typed_columns import Columns
from modelops_pipelines.gateway.model_runtime.prediction_paths import PredictionPath
from modelops_pipelines.gateway.model_runtime.probes import pad_rows
from modelops_pipelines.store.state.release.deployments import ModelVersion


@dataclass(frozen=True)
class Rows:
    """The rows of one request: its columns and their number of rows."""

    columns: Columns
    count: int


@dataclass(frozen=True)
class Outcome:
    """The model's result for one request: its output for the JSON response, and each row's prediction and score.

    A prediction is None where the version's classes are unknown.
    """

    output: list[Any]
    predictions: list[Answer | None]
    scores: list[float] | None

    def part(self, start: int, end: int) -> "Outcome":
        """Return the outcome of the rows from ``start`` to before ``end``."""
        scores = None if self.scores is None else self.scores[start:end]
        return Outcome(self.output[start:end], self.predictions[start:end], scores)


@dataclass(frozen=True)
class Model:
    """A loaded version, its prediction path, and the endpoint's configuration, which defines how output is read.

    ``classes_fault`` says why the classes are unknown although they were stated.
    """

    version: ModelVersion
    path: PredictionPath
    spec: EndpointSpec
    classes_fault: str | None = None

    def answer(self, requests: Sequence[Rows]) -> list[Outcome | Exception]:
        """Return each request's outcome or error; if the model fails on the batch, predict each request alone."""
        if len(requests) == 1:
            return [self._try(requests[0])]
        merged = self._try(_merge(requests))
        if isinstance(merged, Exception):
            return [self._try(request) for request in requests]
        ends = [0]
        for request in requests:
            ends.append(ends[-1] + request.count)
        return [merged.part(start, end) for start, end in pairwise(ends)]

    def _try(self, rows: Rows) -> Outcome | Exception:
        try:
            return self._answer(rows)
        except Exception as error:  # noqa: BLE001 - any error becomes this request's outcome
            return error

    def _answer(self, rows: Rows) -> Outcome:
        merging = self.path.merging
        pads = merging is not None and rows.count <= merging.most
        columns = pad_rows(rows.columns, rows.count, merging.pad) if merging and pads else rows.columns
        try:
            output = self.path.predict(columns)
            output = output[: rows.count] if pads else output
        except ModelOpsError:
            raise
        except (Exception, SystemExit) as error:  # a model's code may raise anything; its text stays in the log
            raise PredictionError(
                f"Version {self.version.version} failed on this input", "See the gateway's log for this request id"
            ) from error
        predictions, scores = interpret(
            self.spec.task, output, rows.count, self.version.classes, self.spec.positive_label, self.version.output
        )
        return Outcome(output.tolist(), predictions, scores)


def _merge(requests: Sequence[Rows]) -> Rows:
    columns: Columns = {name: [] for name in requests[0].columns}
    for request in requests:
        for name, values in request.columns.items():
            columns[name] += values
    return Rows(columns, sum(request.count for request in requests))
