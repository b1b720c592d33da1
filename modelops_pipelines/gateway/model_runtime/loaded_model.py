"""A version in memory: it answers batches of requests, each as if it had come alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelOpsError, PredictionError
from modelops_pipelines.core.models.predictions import Answer, interpret
from modelops_pipelines.gateway.bodies.typed_columns import Columns
from modelops_pipelines.gateway.model_runtime.prediction_paths import Way
from modelops_pipelines.gateway.model_runtime.probes import padded
from modelops_pipelines.store.state.release.deployments import ModelVersion


@dataclass(frozen=True)
class Rows:
    """The rows of one request: its columns, and how many rows they have."""

    columns: Columns
    count: int


@dataclass(frozen=True)
class Outcome:
    """What the model said of one request's rows: its output as JSON has it, each row's answer and score."""

    output: list[Any]
    predictions: list[Answer]
    scores: list[float] | None

    def part(self, start: int, end: int) -> "Outcome":
        """Return the outcome of some of the rows."""
        scores = None if self.scores is None else self.scores[start:end]
        return Outcome(self.output[start:end], self.predictions[start:end], scores)


@dataclass(frozen=True)
class Model:
    """A loaded version with the way that it predicts, and how its endpoint understands its output."""

    version: ModelVersion
    way: Way
    spec: EndpointSpec

    def answer(self, requests: Sequence[Rows]) -> list[Outcome | Exception]:
        """Answer each request; where one of a batch makes the model fail, each is answered alone."""
        if len(requests) == 1:
            return [self._try(requests[0])]
        merged = self._try(_merged(requests))
        if isinstance(merged, Exception):
            return [self._try(request) for request in requests]
        ends = [0]
        for request in requests:
            ends.append(ends[-1] + request.count)
        return [merged.part(start, end) for start, end in pairwise(ends)]

    def _try(self, rows: Rows) -> Outcome | Exception:
        try:
            return self._answer(rows)
        except Exception as error:  # noqa: BLE001 - whatever it was, it belongs to this request's caller
            return error

    def _answer(self, rows: Rows) -> Outcome:
        merging = self.way.merging
        fill = merging is not None and rows.count <= merging.most
        columns = padded(rows.columns, rows.count, merging.pad) if merging and fill else rows.columns
        try:
            output = self.way.predict(columns)
            output = output[: rows.count] if fill else output
        except ModelOpsError:
            raise
        except (Exception, SystemExit) as error:  # a model's own code may raise anything; its text stays in the log
            raise PredictionError(
                f"Version {self.version.version} failed on this input", "See the gateway's log under this request id"
            ) from error
        predictions, scores = interpret(
            self.spec.task, output, rows.count, self.version.classes, self.spec.positive_label, self.version.output
        )
        return Outcome(output.tolist(), predictions, scores)


def _merged(requests: Sequence[Rows]) -> Rows:
    columns: Columns = {name: [] for name in requests[0].columns}
    for request in requests:
        for name, values in request.columns.items():
            columns[name] += values
    return Rows(columns, sum(request.count for request in requests))
