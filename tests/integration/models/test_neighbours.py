"""A row's answer depends on nothing that other callers send at the same moment, whatever the model does with a batch."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from mlflow.models import infer_signature

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.gateway.model_runtime.batching import Batcher
from modelops_pipelines.operations.model_runtime.loaded_model import Model, Outcome, Rows
from modelops_pipelines.operations.model_runtime.proof import prepare
from tests.fakes import batch_encoders as encoders
from tests.fakes import model_kinds as kinds
from tests.support.request_forms import columns_of

SPEC = EndpointSpec("neighbours", "neighbours", "regression", "price")
INPUTS = {"city": "text", "visits": "int", "size": "float", "member": "bool", "seen": "timestamp"}
pytestmark = pytest.mark.filterwarnings("ignore:.*Add type hints", "ignore:.*Inferred schema contains integer")


@pytest.mark.parametrize("rows", [1, 6], ids=["one row in the example", "six rows in the example"])
@pytest.mark.parametrize("name", encoders.BY_THE_BATCH)
def test_a_model_that_encodes_by_the_batch_answers_beside_others_as_alone(tmp_path: Path, name: str, rows: int) -> None:
    model = _model(tmp_path, encoders.BY_THE_BATCH[name], rows)
    assert model.path.merging is None
    for seed in range(5):
        requests = [_rows(frame) for frame in encoders.requests(seed)]
        alone = [_output(model.answer([request])[0]) for request in requests]
        assert alone == [_output(outcome) for outcome in asyncio.run(_queued(model, requests))]


@pytest.mark.parametrize("rows", [1, 6], ids=["one row in the example", "six rows in the example"])
def test_a_model_that_answers_by_the_row_is_merged(tmp_path: Path, rows: int) -> None:
    model = _model(tmp_path, encoders.by_the_row, rows)
    assert model.path.merging is not None
    requests = [_rows(frame) for frame in encoders.requests(seed=1)]
    alone = [_output(model.answer([request])[0]) for request in requests]
    assert alone == [_output(outcome) for outcome in model.answer(requests)]


def test_a_model_that_raises_for_unknown_text_is_merged_when_its_example_has_several_known_ones(tmp_path: Path) -> None:
    assert _model(tmp_path / "several", encoders.of_known_cities, 6).path.merging is not None
    assert _model(tmp_path / "one", encoders.of_known_cities, 1).path.merging is None


def _model(folder: Path, answer: encoders.Answer, rows: int) -> Model:
    """Log a model that answers so with an example of so many rows, and make it ready to serve."""
    example = encoders.example(rows)

    class Encoder(mlflow.pyfunc.PythonModel):  # local, so that it is pickled by value
        def predict(self, context, model_input, params=None):  # noqa: ARG002 - MLflow's own signature
            return answer(model_input)

    mlflow.pyfunc.save_model(
        folder / "model",
        python_model=Encoder(),
        signature=infer_signature(example, pd.Series([0.5])),
        input_example=example,
        pip_requirements=["mlflow"],
    )
    loaded: Any = mlflow.pyfunc.load_model(str(folder / "model"))
    version = replace(kinds.version_of("neighbours", "1", "scores"), inputs=INPUTS)
    return prepare(loaded, version, SPEC, folder / "model")


def _rows(frame: pd.DataFrame) -> Rows:
    return Rows(columns_of(frame), len(frame))


async def _queued(model: Model, requests: list[Rows]) -> list[Outcome | BaseException]:
    batcher = Batcher(model)
    return list(await asyncio.gather(*(batcher.submit(rows) for rows in requests), return_exceptions=True))


def _output(outcome: Any) -> list[Any]:
    assert isinstance(outcome, Outcome), outcome
    return outcome.output
