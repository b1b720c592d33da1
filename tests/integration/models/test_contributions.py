"""What a version's columns contribute to its answers: as its library says, as a linear model's formula, or by asking it.

Each model is saved by MLflow's own flavour and loaded as a version is.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.models import infer_signature

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.explanations.explained import Explanation
from modelops_pipelines.operations.model_runtime.explanations.explaining import explain_at_once
from modelops_pipelines.operations.model_runtime.loaded_model import Model, Outcome, Rows
from modelops_pipelines.operations.model_runtime.model_inputs import form_of_files
from modelops_pipelines.operations.model_runtime.prediction_paths import mlflow_path
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from tests.fakes import classifiers as made
from tests.fakes.data_formats import KINDS, TRAINING, Kind, number
from tests.support.request_forms import columns_of

ROWS = made.frame(12, seed=5)
REFERENCE = columns_of(TRAINING.head(64))
TREES = ("xgboost_booster", "xgboost_classifier", "xgboost_regressor", "lightgbm_booster", "lightgbm_classes")
CATBOOST = ("catboost_classifier", "catboost_classes", "catboost_regressor")
pytestmark = pytest.mark.filterwarnings("ignore:X does not have valid feature names", "ignore:.*Add type hints")


def model_of(
    folder: Path,
    task: str,
    classes: Any = None,
    positive: str = "male",
    output: str = "unknown",
    chosen: str | None = None,
) -> Model:
    loaded = mlflow.pyfunc.load_model(str(folder))
    inputs = dict.fromkeys(("x", "z"), "float")
    spec = EndpointSpec("shared", "shared", task, "outcome", positive_label=positive, output=chosen)  # type: ignore[arg-type]
    named = list(classes) if classes else None
    version = ModelVersion("shared", "1", str(folder), inputs, named, None, None, datetime.now(UTC), output)
    path = mlflow_path(loaded, folder, inputs, named)
    return Model(version, path, spec, form=form_of_files(folder))


def explained(model: Model, method: str = "auto", rows: pd.DataFrame = ROWS, reference: Any = REFERENCE) -> Any:
    given = Rows(columns_of(rows), len(rows))
    [outcome] = model.answer([given])
    assert isinstance(outcome, Outcome)
    return explain_at_once(model, given, outcome, reference, method), outcome


def matrix_of(found: list[Explanation]) -> Any:
    assert [None] * len(found) == [one.reason for one in found]
    return np.array([list((one.contributions or {}).values()) for one in found])


def library_s_own(name: str, folder: Path) -> Any:
    """Return the library's contributions, by the call that its documentation names, of shape (rows, outputs, 3)."""
    raw = mlflow.pyfunc.load_model(str(folder)).get_raw_model()
    if name.startswith("xgboost"):
        import xgboost

        booster = raw if isinstance(raw, xgboost.Booster) else raw.get_booster()
        limits = (0, raw.best_iteration + 1) if name == "xgboost_classifier" else (0, 0)
        matrix = xgboost.DMatrix(ROWS)
        return booster.predict(matrix, pred_contribs=True, iteration_range=limits).reshape(len(ROWS), -1, 3)
    if name.startswith("lightgbm"):
        return raw.predict(ROWS, pred_contrib=True).reshape(len(ROWS), -1, 3)
    import catboost

    return raw.get_feature_importance(catboost.Pool(ROWS), type="ShapValues").reshape(len(ROWS), -1, 3)


@pytest.mark.parametrize("name", [*TREES, *CATBOOST])
def test_trees_have_the_contributions_of_their_own_library_and_they_add_up_to_the_answer(
    name: str, tmp_path: Path
) -> None:
    kind: Kind = KINDS[name]
    kind.save(tmp_path / "model", **kind.more)
    model = model_of(tmp_path / "model", kind.task, kind.classes)
    found, outcome = explained(model, reference=None)  # trees need no reference rows
    theirs = library_s_own(name, tmp_path / "model")
    places = theirs.sum(axis=2).argmax(axis=1) if theirs.shape[1] > 1 else np.zeros(len(ROWS), int)
    mine = theirs[np.arange(len(ROWS)), places]
    assert np.allclose(matrix_of(found), mine[:, :-1], atol=1e-9)
    assert np.allclose([one.base_value for one in found], mine[:, -1])
    assert {"tree"} == {one.method for one in found}
    totals = np.array([one.value for one in found])
    if kind.task == "regression":
        assert {"prediction"} == {one.scale for one in found}
        assert np.allclose(totals, outcome.predictions, rtol=1e-4, atol=1e-4)
    elif kind.task == "binary_classification":
        assert {("log-odds", "male")} == {(one.scale, one.of_class) for one in found}
        if outcome.scores is not None:
            assert np.allclose(1 / (1 + np.exp(-totals)), outcome.scores, atol=1e-4)
    else:
        assert {"margin"} == {one.scale for one in found}
        assert [one.of_class for one in found] == outcome.predictions


def test_the_contributions_are_those_of_the_positive_class_wherever_it_stands(tmp_path: Path) -> None:
    kind = KINDS["xgboost_booster"]
    kind.save(tmp_path / "model", **kind.more)
    male, _ = explained(model_of(tmp_path / "model", kind.task, kind.classes, positive="male"))
    female, _ = explained(model_of(tmp_path / "model", kind.task, kind.classes, positive="female"))
    assert np.allclose(matrix_of(male), -matrix_of(female))
    assert {"female"} == {one.of_class for one in female}


def linear(kind: str) -> Any:
    from sklearn import linear_model
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if kind == "PoissonRegressor":
        return linear_model.PoissonRegressor().fit(TRAINING, np.exp(number() / 4))
    target = np.array(["female", "male"])[(TRAINING["x"] + TRAINING["z"] / 4 > 0).astype(int)]
    made_of = {
        "Ridge": (linear_model.Ridge(), number()),
        "LogisticRegression": (linear_model.LogisticRegression(), target),
    }
    estimator, truth = made_of[kind]
    return make_pipeline(StandardScaler(), estimator).fit(TRAINING, truth)


def saved(folder: Path, model: Any, function: str = "predict") -> Path:
    answered = getattr(model, function)(TRAINING)
    mlflow.sklearn.save_model(
        model,
        folder,
        signature=infer_signature(TRAINING.head(5), answered),
        pyfunc_predict_fn=function,
        serialization_format="cloudpickle",
        pip_requirements=["mlflow"],
    )
    return folder


@pytest.mark.parametrize(
    ("kind", "task", "scale", "function"),
    [
        ("Ridge", "regression", "prediction", "predict"),
        ("LogisticRegression", "binary_classification", "log-odds", "predict_proba"),
        ("PoissonRegressor", "regression", "log", "predict"),
    ],
)
def test_a_linear_model_is_explained_by_its_coefficients_on_its_link_s_scale(
    kind: str, task: str, scale: str, function: str, tmp_path: Path
) -> None:
    fitted = linear(kind)
    folder = saved(tmp_path / "model", fitted, function)
    classes = ("female", "male") if task != "regression" else None
    found, outcome = explained(model_of(folder, task, classes))
    last = fitted[-1] if hasattr(fitted, "steps") else fitted
    transform = fitted[:-1].transform if hasattr(fitted, "steps") else np.asarray
    means = np.asarray(transform(TRAINING.head(64))).mean(axis=0)
    assert np.allclose(matrix_of(found), np.ravel(last.coef_) * (np.asarray(transform(ROWS)) - means))
    assert {("linear", scale)} == {(one.method, one.scale) for one in found}
    totals = np.array([one.value for one in found])
    inverse = {"prediction": totals, "log-odds": 1 / (1 + np.exp(-totals)), "log": np.exp(totals)}[scale]
    answered = outcome.predictions if outcome.scores is None else outcome.scores
    assert np.allclose(inverse, answered)
    assert [None] * len(found) == [one.errors for one in found]


def test_permutations_of_a_linear_model_are_its_exact_formula(tmp_path: Path) -> None:
    folder = saved(tmp_path / "model", linear("Ridge"))
    model = model_of(folder, "regression")
    few = {name: values[:32] for name, values in REFERENCE.items()}
    exact, _ = explained(model, "linear", reference=few)
    asked, _ = explained(model, "permutation", reference=few)
    assert np.allclose(matrix_of(exact), matrix_of(asked))
    assert {"permutation"} == {one.method for one in asked}
    assert all(one.errors is not None for one in asked)


def test_permutations_of_a_forest_add_up_to_its_score_and_are_the_same_at_every_call(tmp_path: Path) -> None:
    from sklearn.ensemble import RandomForestClassifier

    target = np.array(["female", "male"])[(TRAINING["x"] > 0).astype(int)]
    forest = RandomForestClassifier(5, max_depth=3, random_state=1).fit(TRAINING, target)
    model = model_of(saved(tmp_path / "model", forest, "predict_proba"), "binary_classification", ("female", "male"))
    found, outcome = explained(model)
    assert np.allclose([one.value for one in found], outcome.scores)
    assert {("permutation", "probability", "male")} == {(one.method, one.scale, one.of_class) for one in found}
    again, _ = explained(model, rows=ROWS.iloc[::-1].reset_index(drop=True))
    assert [one.contributions for one in again[::-1]] == [one.contributions for one in found]


def test_permutations_of_several_classes_explain_the_probability_of_the_likeliest(tmp_path: Path) -> None:
    kind = KINDS["lightgbm_classes"]
    kind.save(tmp_path / "model", **kind.more)
    found, outcome = explained(model_of(tmp_path / "model", kind.task, kind.classes), "permutation")
    assert [one.of_class for one in found] == outcome.predictions
    assert np.allclose([one.value for one in found], outcome.scores)


def test_a_method_that_does_not_fit_is_no_explanation_but_a_reason(tmp_path: Path) -> None:
    folder = saved(tmp_path / "ridge", linear("Ridge"))
    model = model_of(folder, "regression")
    reasons = {one.reason for one in explained(model, "tree")[0]}
    assert {"Version 1 has no explanation by 'tree': its own method is linear"} == reasons
    few = {name: values[:7] for name, values in REFERENCE.items()}
    [reason] = {one.reason for one in explained(model, "permutation", reference=few)[0]}
    assert "permutations need 8 reference rows, and version 1 has 7" in str(reason)
    [reason] = {one.reason for one in explained(model, "linear", reference=None)[0]}
    assert "version 1 has none yet: they are taken from its training set" in str(reason)


def test_classes_without_probabilities_have_nothing_that_adds_up(tmp_path: Path) -> None:
    from sklearn.tree import DecisionTreeClassifier

    target = np.array(["female", "male"])[(TRAINING["x"] > 0).astype(int)]
    folder = saved(tmp_path / "model", DecisionTreeClassifier(max_depth=2).fit(TRAINING, target))
    model = model_of(folder, "binary_classification", ("female", "male"), output="classes")
    [reason] = {one.reason for one in explained(model)[0]}
    assert reason == "it answers classes without probabilities, of which nothing can be added up"


def test_contributions_that_do_not_add_up_to_the_answer_are_not_told(tmp_path: Path) -> None:
    kind = KINDS["xgboost_regressor"]
    kind.save(tmp_path / "model", **kind.more)
    model = model_of(tmp_path / "model", kind.task)
    given = Rows(columns_of(ROWS), len(ROWS))
    [outcome] = model.answer([given])
    assert isinstance(outcome, Outcome)
    wrong = Outcome(outcome.output, [float(value) + 0.1 for value in outcome.predictions if value], None)  # type: ignore[arg-type]
    found = explain_at_once(model, given, wrong, None, "auto")
    assert all("which is not what it answers" in str(one.reason) for one in found)
    assert {None} == {one.contributions for one in found}


@pytest.mark.parametrize("library", ["sklearn", "xgboost"])
def test_of_a_library_s_several_outputs_the_chosen_one_is_explained_exactly(tmp_path: Path, library: str) -> None:
    target = np.stack([number(), -3 * TRAINING["z"]], axis=1)
    if library == "sklearn":
        from sklearn.linear_model import Ridge

        folder = saved(tmp_path / "ridge", Ridge().fit(TRAINING, target))
    else:
        import xgboost

        raw = xgboost.XGBRegressor(n_estimators=5).fit(TRAINING, target)
        folder = tmp_path / "trees"
        signature = infer_signature(TRAINING, target)
        mlflow.xgboost.save_model(raw, folder, signature=signature, pip_requirements=["mlflow"])
    for place in (0, 1):
        found, outcome = explained(model_of(folder, "regression", chosen=str(place)))
        assert {"linear" if library == "sklearn" else "tree"} == {one.method for one in found}
        matrix_of(found)
        assert np.allclose([one.value for one in found], [row[place] for row in outcome.output], atol=1e-4)
    [reason] = {one.reason for one in explained(model_of(folder, "regression"))[0]}
    assert "'output' in the endpoint's YAML does not say which is the prediction" in str(reason)
