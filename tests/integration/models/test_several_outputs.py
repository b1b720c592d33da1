"""A model of several numbers a row is answered whole, as MLflow answers it; none of them is made the prediction."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from mlflow.models import ModelSignature, infer_signature
from mlflow.types import ColSpec, Schema

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelError
from modelops_pipelines.operations.model_runtime.answers import render_answer
from modelops_pipelines.operations.model_runtime.loaded_model import Model, Outcome, Rows
from modelops_pipelines.operations.model_runtime.proof import prepare
from modelops_pipelines.operations.models.sandbox import predict_in_sandbox
from modelops_pipelines.store.registry.file_hashes import hash_files
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from tests.support.request_forms import columns_of

SPEC = EndpointSpec("several", "several", "regression", "price", allow_pickle=True)
FRAME = pd.DataFrame({"x": [0.125, 0.75, 0.5]})
pytestmark = pytest.mark.filterwarnings("ignore:.*Add type hints", "ignore:Any type hint")
ANSWERS: dict[str, Callable[[Any], Any]] = {
    "a DataFrame": lambda x: pd.DataFrame({"low": x, "high": 2 * x}),
    "a DataFrame of several types": lambda x: pd.DataFrame({"count": range(len(x)), "word": ["w"] * len(x), "x": x}),
    "a dict": lambda x: {"low": x, "high": 2 * x},
    "targets": lambda x: np.stack([x, 2 * x, 3 * x], axis=1),
    "an embedding": lambda x: np.repeat(x[:, None], 64, axis=1).astype(np.float32),
}


def saved(folder: Path, answer: Any, *, named: bool = True) -> ModelVersion:
    class Answering(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):  # noqa: ARG002 - MLflow's own signature
            return answer(model_input["x"].to_numpy())

    signature = infer_signature(FRAME, answer(FRAME["x"].to_numpy()))
    if not named:
        signature = ModelSignature(signature.inputs, Schema([ColSpec("double")]))
    mlflow.pyfunc.save_model(
        folder, python_model=Answering(), signature=signature, pip_requirements=["mlflow"], input_example=FRAME
    )
    return ModelVersion("several", "1", str(folder), {"x": "float"}, None, None, None, datetime.now(UTC))


def served(version: ModelVersion) -> Model:
    return prepare(mlflow.pyfunc.load_model(version.artifact_uri), version, SPEC, version.folder)


def by_mlflow(version: ModelVersion) -> list[Any]:
    """Return MLflow's answer row by row, as its server writes it; a dict of arrays as its rows."""
    found = mlflow.pyfunc.load_model(version.artifact_uri).predict(FRAME)
    if isinstance(found, dict):
        found = pd.DataFrame(found)
    return found.to_dict(orient="records") if isinstance(found, pd.DataFrame) else found.tolist()


def rendered(outcome: Outcome, *, infer: bool) -> Any:
    answer = render_answer(
        outcome.output, endpoint="e", version="1", variant="champion", request_id="r", client=None, infer=infer
    )
    return json.loads(answer)


@pytest.mark.parametrize("name", ANSWERS)
def test_the_answer_holds_all_values_and_the_log_no_prediction(tmp_path: Path, name: str) -> None:
    version = saved(tmp_path / "model", ANSWERS[name])
    [outcome] = served(version).answer([Rows(columns_of(FRAME), len(FRAME))])
    assert isinstance(outcome, Outcome)
    expected = by_mlflow(version)
    assert expected == outcome.output
    assert ([None] * 3, None) == (outcome.predictions, outcome.scores)
    assert json.loads(json.dumps(expected)) == rendered(outcome, infer=False)["predictions"]
    tensors = {one["name"]: one for one in rendered(outcome, infer=True)["outputs"]}
    if isinstance(expected[0], dict):
        assert {key: [row[key] for row in expected] for key in expected[0]} == {
            key: one["data"] for key, one in tensors.items()
        }
    else:
        assert [3, len(expected[0])] == tensors["predictions"]["shape"]


def test_a_version_apart_answers_without_a_prediction_as_well(tmp_path: Path) -> None:
    version = saved(tmp_path / "model", ANSWERS["a DataFrame"])
    trusting = replace(SPEC, accept_pickles=(hash_files(version.folder),))
    found = predict_in_sandbox(version, trusting, pa.table({"x": FRAME["x"].tolist()}))
    assert ([None] * 3, [None] * 3, [None] * 3) == (list(found.predictions), list(found.scores), list(found.errors))


@pytest.mark.parametrize(
    ("name", "output", "factor"),
    [("a DataFrame", "high", 2), ("a DataFrame of several types", "x", 1), ("a dict", "low", 1), ("targets", "2", 3)],
)
def test_an_output_that_the_endpoint_names_is_the_prediction(
    tmp_path: Path, name: str, output: str, factor: int
) -> None:
    version = saved(tmp_path / "model", ANSWERS[name])
    naming = replace(SPEC, output=output, accept_pickles=(hash_files(version.folder),))
    model = prepare(mlflow.pyfunc.load_model(version.artifact_uri), version, naming, version.folder)
    [outcome] = model.answer([Rows(columns_of(FRAME), len(FRAME))])
    assert isinstance(outcome, Outcome)
    expected = (FRAME["x"] * factor).tolist()
    assert expected == outcome.predictions
    assert by_mlflow(version) == outcome.output
    apart = predict_in_sandbox(version, naming, pa.table({"x": FRAME["x"].tolist()}))
    assert expected == list(apart.predictions)


@pytest.mark.parametrize(("name", "output"), [("a DataFrame", "hihg"), ("a DataFrame of several types", "word")])
def test_an_output_that_is_not_there_or_no_number_is_refused_at_the_deploy(
    tmp_path: Path, name: str, output: str
) -> None:
    version = saved(tmp_path / "model", ANSWERS[name])
    with pytest.raises(ModelError, match="cannot be served") as refused:
        prepare(mlflow.pyfunc.load_model(version.artifact_uri), version, replace(SPEC, output=output), version.folder)
    assert refused.value.remedy


def test_columns_that_the_signature_does_not_name_are_refused_with_what_to_log(tmp_path: Path) -> None:
    version = saved(tmp_path / "model", ANSWERS["a DataFrame"], named=False)
    with pytest.raises(ModelError, match="a DataFrame with the columns low, high") as refused:
        served(version)
    assert "signature=infer_signature(inputs, predictions)" in refused.value.remedy


@pytest.mark.parametrize("steps", [1, 7])
def test_a_forecast_of_other_rows_than_were_sent_is_refused(tmp_path: Path, steps: int) -> None:
    version = saved(tmp_path / "model", lambda x: np.arange(float(len(x) + steps)))
    with pytest.raises(ModelError, match="for 1 row") as refused:
        served(version)
    assert refused.value.remedy
