"""A row that the model answers with NaN or infinity has no answer, is counted, and fails no other row or request."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pytest

from modelops_pipelines.core.capture.spool_records import NOT_FINITE, prediction_columns
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import PredictionError
from modelops_pipelines.core.models.output_forms import as_rows
from modelops_pipelines.core.models.output_kinds import SCORES
from modelops_pipelines.operations.model_runtime.answers import render_answer
from modelops_pipelines.operations.model_runtime.loaded_model import Model, Outcome, Rows
from modelops_pipelines.operations.model_runtime.prediction_paths import PredictionPath
from modelops_pipelines.operations.model_runtime.probes import Merging
from tests.fakes import model_kinds as kinds
from tests.fakes.records import START, request_record

ROWS = 5
NUMBERS = [0.25, 0.5, 0.75, 0.125, 1.0]
FORMS: dict[str, tuple[str, Callable[[list[float]], Any]]] = {
    "numbers": ("regression", np.array),
    "a column": ("regression", lambda values: np.array(values).reshape(-1, 1)),
    "objects": ("regression", lambda values: np.array(values, dtype=object)),
    "32 bits": ("regression", lambda values: np.array(values, dtype=np.float32)),
    "a list": ("regression", list),
    "scores": ("binary_classification", np.array),
    "probabilities": ("binary_classification", lambda values: np.array([[1 - value, value] for value in values])),
    "three classes": ("multiclass", lambda values: np.array([[1 - v, v / 2, v / 2] for v in values])),
}
STRANGE = [math.nan, math.inf, -math.inf]


def model_of(form: str) -> Model:
    """Return a model that answers the number of each row in this form."""
    task, wrap = FORMS[form]
    classes = {"binary_classification": ["0", "1"], "multiclass": ["a", "b", "c"]}.get(task)
    version = replace(kinds.version_of("any", "1", SCORES if form == "scores" else "unknown"), classes=classes)

    def predict(columns: Any) -> Any:
        with np.errstate(invalid="ignore"):
            return as_rows(wrap(columns["v"]), len(columns["v"]), classes)

    path = PredictionPath(predict, "mlflow", Merging(100, 1), None)
    return Model(version, path, EndpointSpec("any", "any", task, "label"))  # type: ignore[arg-type] # a task's name


def request(values: list[float]) -> Rows:
    return Rows({"v": values}, len(values))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("strange", STRANGE)
@pytest.mark.parametrize("lost", [[0], [4], [1, 3], [0, 1, 2, 3]])
def test_the_other_rows_have_the_answers_that_they_have_alone(form: str, strange: float, lost: list[int]) -> None:
    model = model_of(form)
    values = [strange if row in lost else value for row, value in enumerate(NUMBERS)]
    [found] = model.answer([request(values)])
    [whole] = model.answer([request(NUMBERS)])
    assert isinstance(found, Outcome)
    assert isinstance(whole, Outcome)
    assert tuple(lost) == found.unanswered
    for part in ("output", "predictions", "scores"):
        expected, given = getattr(whole, part), getattr(found, part)
        if expected is not None:
            assert [None if row in lost else value for row, value in enumerate(expected)] == given


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("strange", STRANGE)
def test_a_request_without_any_answer_fails_and_no_other_beside_it(form: str, strange: float) -> None:
    model = model_of(form)
    requests = [request([0.5]), request([strange, strange]), request([strange, 0.25])]
    answered, failed, partly = model.answer(requests)
    assert isinstance(answered, Outcome)
    assert () == answered.unanswered
    assert isinstance(failed, PredictionError)
    assert "NaN or an infinite number for every row" in failed.message
    assert isinstance(partly, Outcome)
    assert (0,) == partly.unanswered
    [alone] = model.answer([request([strange])])
    assert isinstance(alone, PredictionError)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("path", ["invocations", "infer"])
def test_the_answer_says_which_rows_have_none(form: str, path: str) -> None:
    infer = path == "infer"
    [found] = model_of(form).answer([request([math.nan, 0.5, math.inf])])
    assert isinstance(found, Outcome)
    said = {"endpoint": "e", "version": "1", "variant": "champion", "request_id": "r", "client": None}
    body = json.loads(render_answer(found.output, **said, infer=infer, unanswered=found.unanswered))
    assert [0, 2] == (body["parameters"] if infer else body)["unanswered"]
    if infer:
        [tensor] = body["outputs"]
        assert "FP64" == tensor["datatype"]
        assert math.prod(tensor["shape"]) == len(tensor["data"])
    else:
        assert [None, False, None] == [value if value is None else False for value in body["predictions"]]


def test_the_log_has_a_code_for_the_rows_without_an_answer() -> None:
    record = request_record("any", 1, START, 3, p=[1.0, None, 2.0], s=None, lost=[1])
    columns = prediction_columns(orjson.loads(orjson.dumps(record)))
    assert [None, NOT_FINITE, None] == columns["error_code"]
    assert [200, 200, 200] == columns["status"]
