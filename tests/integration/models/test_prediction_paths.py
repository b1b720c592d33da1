"""The prediction path of a version: a fast one if a probe proves it equal, and batches only if the bits are the same."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.models import infer_signature

from modelops_pipelines import TrainingContext
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import PredictionError
from modelops_pipelines.core.models.output_kinds import PROBABILITIES
from modelops_pipelines.gateway.model_runtime.batching import Batcher
from modelops_pipelines.operations.model_runtime.loaded_model import Model, Outcome, Rows
from modelops_pipelines.operations.model_runtime.prediction_paths import PredictionPath, choose_path
from modelops_pipelines.operations.model_runtime.probes import pad_rows
from tests.fakes import model_kinds as kinds
from tests.support.request_forms import columns_of

NUMBERS = kinds.numbers(300, seed=1)
MIXED = kinds.mixed(300, seed=1)
SPEC = EndpointSpec("ways", "ways", "binary_classification", kinds.LABEL)
pytestmark = pytest.mark.filterwarnings(
    "ignore:X does not have valid feature names", "ignore:Stochastic Optimizer", "ignore:.*Add type hints"
)
TYPES = {"float64": "float", "object": "text", "float32": "float", "int32": "int"}
Answer = Callable[[pd.DataFrame], Any]


def logged(folder: Path, model: Any, frame: pd.DataFrame, *, example: bool = True) -> Path:
    """Save a model as MLflow logs it; a function becomes a pyfunc of our own."""
    rows = frame.head(5)
    common: dict[str, Any] = {"input_example": rows} if example else {}
    if isinstance(model, mlflow.pyfunc.PythonModel):
        signature = infer_signature(rows, np.asarray(model.predict(None, rows)))
        mlflow.pyfunc.save_model(folder, python_model=model, signature=signature, pip_requirements=["mlflow"], **common)
    else:
        mlflow.sklearn.save_model(
            model,
            folder,
            signature=infer_signature(rows, model.predict_proba(rows)),
            pyfunc_predict_fn="predict_proba",
            serialization_format="cloudpickle",
            pip_requirements=["mlflow"],
            **common,
        )
    return folder


def path_of(folder: Path, frame: pd.DataFrame, *, row_wise: bool = True) -> PredictionPath:
    return choose_path(mlflow.pyfunc.load_model(str(folder)), folder, _inputs(frame), row_wise=row_wise)


def trained(trainer: Any, frame: pd.DataFrame) -> Any:
    context = TrainingContext("ways", "binary_classification", kinds.LABEL, tuple(frame.columns))
    return trainer(kinds.training(frame), context)


def function(answer: Answer) -> Any:
    """Return a pyfunc that answers by this function."""

    class Function(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):  # noqa: ARG002 - MLflow's own signature; hints would be taken for a signature
            return answer(model_input)

    return Function()


def network(frame: Any, context: Any) -> Any:
    """Fit a small neural network, whose layers the library multiplies in another order from some size on."""
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    layers = MLPClassifier((50, 20), max_iter=5, random_state=context.seed)
    return make_pipeline(StandardScaler(), layers).fit(frame[list(context.features)], frame[context.label])


@pytest.mark.parametrize(
    ("trainer", "frame", "path"),
    [(kinds.logistic, NUMBERS, "array"), (kinds.forest, NUMBERS, "array"), (kinds.by_name, MIXED, "frame")],
)
def test_scikit_learns_models_are_served_past_mlflows_checks_and_merged(
    tmp_path: Path, trainer: Any, frame: pd.DataFrame, path: str
) -> None:
    chosen = path_of(logged(tmp_path / "model", trained(trainer, frame), frame), frame)
    assert (path, True) == (chosen.name, chosen.merging is not None)


def test_a_model_that_picks_its_columns_by_name_is_never_given_an_array(tmp_path: Path) -> None:
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    labelled = kinds.training(NUMBERS)
    columns = ColumnTransformer([("two", "passthrough", ["points", "age"])])
    model = make_pipeline(columns, LogisticRegression()).fit(NUMBERS, labelled[kinds.LABEL])
    chosen = path_of(logged(tmp_path / "model", model, NUMBERS), NUMBERS)
    assert (chosen.name, chosen.merging is not None) == ("frame", True)


def _ranks(rows: pd.DataFrame) -> Any:
    return rows["age"].rank() / 1e6


def _distances_from_the_mean(rows: pd.DataFrame) -> Any:
    return 1 / (1 + np.exp(rows["age"].mean() - rows["age"]))


def _nulls_as_the_mean_of_the_others(rows: pd.DataFrame) -> Any:
    return 1 / (1 + np.exp(-rows["age"].fillna(rows["age"].mean())))


def _number_of_rows(rows: pd.DataFrame) -> Any:
    return np.full(len(rows), 1 / len(rows))


def _chance(rows: pd.DataFrame) -> Any:
    return np.random.default_rng().random(len(rows))


@pytest.mark.parametrize(
    "answer",
    [_ranks, _distances_from_the_mean, _nulls_as_the_mean_of_the_others, _number_of_rows, _chance],
    ids=lambda answer: answer.__name__,
)
def test_a_model_whose_answer_is_not_of_the_row_alone_is_never_merged(tmp_path: Path, answer: Answer) -> None:
    chosen = path_of(logged(tmp_path / "model", function(answer), NUMBERS), NUMBERS)
    assert ("mlflow", None) == (chosen.name, chosen.merging)


def test_a_model_that_its_endpoint_says_is_not_row_wise_is_never_merged(tmp_path: Path) -> None:
    chosen = path_of(logged(tmp_path / "model", trained(kinds.logistic, NUMBERS), NUMBERS), NUMBERS, row_wise=False)
    assert ("array", None) == (chosen.name, chosen.merging)


def test_a_model_with_text_and_no_example_is_served_as_mlflow_does(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chosen = path_of(logged(tmp_path / "model", trained(kinds.by_name, MIXED), MIXED, example=False), MIXED)
    assert ("mlflow", None, None) == (chosen.name, chosen.merging, chosen.milliseconds)
    assert "log it with an input example" in caplog.text


def test_a_model_of_numbers_without_an_example_is_tried_on_random_ones(tmp_path: Path) -> None:
    folder = logged(tmp_path / "model", trained(kinds.logistic, NUMBERS), NUMBERS, example=False)
    chosen = path_of(folder, NUMBERS)
    assert ("array", True) == (chosen.name, chosen.merging is not None)


def test_a_model_that_refuses_what_it_is_tried_on_is_served_as_mlflow_does(tmp_path: Path) -> None:
    def fussy(rows: pd.DataFrame) -> Any:
        if len(rows) > 5:
            raise ValueError
        return np.zeros(len(rows))

    chosen = path_of(logged(tmp_path / "model", function(fussy), NUMBERS), NUMBERS)
    assert ("mlflow", None) == (chosen.name, chosen.merging)


@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_a_model_that_declares_numbers_of_32_bits_gets_them(tmp_path: Path, dtype: str) -> None:
    frame = NUMBERS[["age", "income"]].astype(dtype)

    def kind_of(rows: pd.DataFrame) -> Any:
        return np.full(len(rows), float(set(map(str, rows.dtypes)) == {dtype}))

    folder = logged(tmp_path / "model", function(kind_of), frame)
    chosen = path_of(folder, frame)
    assert [1.0, 1.0] == chosen.predict(columns_of(frame.head(2))).tolist()
    assert chosen.merging is not None


@pytest.mark.parametrize("trainer", [kinds.logistic, network])
def test_merging_changes_no_bit_of_any_answer(tmp_path: Path, trainer: Any) -> None:
    folder = logged(tmp_path / "model", trained(trainer, NUMBERS), NUMBERS)
    model = _model(path_of(folder, NUMBERS))
    assert model.path.merging is not None
    alone, together = [], []
    for seed, sizes in enumerate(_sizes_up_to(model.path.merging.most)):
        requests = [_rows(kinds.numbers(size, seed=100 * seed + place)) for place, size in enumerate(sizes)]
        alone += [_output(model.answer([request])[0]) for request in requests]
        together += [_output(outcome) for outcome in model.answer(requests)]
    assert alone == together


def test_a_request_larger_than_any_batch_is_answered_as_mlflow_answers_it(tmp_path: Path) -> None:
    folder = logged(tmp_path / "model", trained(network, NUMBERS), NUMBERS)
    frame = kinds.numbers(5001, seed=2)
    expected = mlflow.pyfunc.load_model(str(folder)).predict(frame)
    assert expected.tolist() == _output(_model(path_of(folder, NUMBERS)).answer([_rows(frame)])[0])


def test_a_bad_request_fails_alone_in_a_batch_with_good_ones(tmp_path: Path) -> None:
    model = _model(path_of(logged(tmp_path / "model", trained(kinds.logistic, NUMBERS), NUMBERS), NUMBERS))
    good = [_rows(kinds.numbers(3, seed)) for seed in range(8)]
    bad = _rows(kinds.numbers(3, seed=8).assign(age=np.nan))
    outcomes = asyncio.run(_queued(model, [*good[:4], bad, *good[4:]]))
    error = outcomes.pop(4)
    assert (PredictionError, "Version 7 failed on this input") == (type(error), getattr(error, "message", None))
    assert [_output(model.answer([request])[0]) for request in good] == [_output(outcome) for outcome in outcomes]


def test_a_model_that_ends_the_process_fails_the_request_and_no_more(tmp_path: Path) -> None:
    def leaves(rows: pd.DataFrame) -> Any:
        if (rows["age"] == 0).any():
            raise SystemExit(1)
        return np.zeros(len(rows))

    model = _model(path_of(logged(tmp_path / "model", function(leaves), NUMBERS), NUMBERS))
    outcomes = asyncio.run(_queued(model, [_rows(NUMBERS.head(2).assign(age=0.0)), _rows(NUMBERS.head(2))]))
    assert (PredictionError, Outcome) == (type(outcomes[0]), type(outcomes[1]))


@given(st.integers(1, 300), st.integers(1, 16))
def test_a_filled_up_batch_is_its_rows_and_then_the_last_one_again(rows: int, pad: int) -> None:
    columns = {"number": list(range(rows)), "text": [str(row) for row in range(rows)]}
    filled = pad_rows(columns, rows, pad)
    more = -rows % pad
    assert filled == {name: values + [values[-1]] * more for name, values in columns.items()}
    assert len(filled["number"]) % pad == 0
    assert (more < pad, len(columns["number"])) == (True, rows)


async def _queued(model: Model, requests: list[Rows]) -> list[Outcome | BaseException]:
    batcher = Batcher(model)
    return list(await asyncio.gather(*(batcher.submit(rows) for rows in requests), return_exceptions=True))


def _model(path: PredictionPath) -> Model:
    return Model(kinds.version_of("ways", "7", PROBABILITIES), path, SPEC)


def _rows(frame: pd.DataFrame) -> Rows:
    return Rows(columns_of(frame), len(frame))


def _output(outcome: Any) -> list[Any]:
    assert isinstance(outcome, Outcome), outcome
    return outcome.output


def _sizes_up_to(most: int) -> list[list[int]]:
    """Return the sizes of requests of batches: many small ones, few large ones, full to the brim."""
    return [[1] * 16, [1, 2, 3, 5, 7, 11], [most // 3, most // 5, 1, most // 4], [most - 1, 1], [most // 2, most // 2]]


def _inputs(frame: pd.DataFrame) -> dict[str, str]:
    return {name: TYPES[str(dtype)] for name, dtype in frame.dtypes.items()}
