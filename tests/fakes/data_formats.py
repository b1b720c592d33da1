"""Models of other libraries as MLflow's own flavours save them: small, fitted on the rows of ``classifiers``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import infer_signature

from tests.fakes.classifiers import frame, places
from tests.support.project import Project

SEX, THREE = ("female", "male"), ("low", "mid", "tall")
TRAINING = frame(600, seed=1)
Save = Callable[..., None]


def codes(count: int) -> Any:
    return np.array(places(TRAINING, count))


def named(names: Sequence[Any]) -> Any:
    return np.array(names)[codes(len(names))]


def number() -> Any:
    return TRAINING["x"] * 2 - TRAINING["z"]


def xgboost_booster(folder: Path, **more: Any) -> None:
    import xgboost

    booster = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(TRAINING, codes(2)), 8)
    mlflow.xgboost.save_model(booster, folder, **common(booster.predict(xgboost.DMatrix(TRAINING)), more))


def xgboost_classifier(folder: Path, **more: Any) -> None:
    """Save a classifier that stopped early, whose answers are of its best iteration, in JSON."""
    import xgboost

    model = xgboost.XGBClassifier(n_estimators=40, learning_rate=0.9, early_stopping_rounds=2)
    model.fit(TRAINING, codes(3), eval_set=[(frame(90, seed=8), places(frame(90, seed=8), 3))], verbose=False)
    assert model.best_iteration < 39
    mlflow.xgboost.save_model(model, folder, **common(model.predict(TRAINING), {"model_format": "json", **more}))


def xgboost_regressor(folder: Path, **more: Any) -> None:
    import xgboost

    model = xgboost.XGBRegressor(n_estimators=8).fit(TRAINING, number())
    mlflow.xgboost.save_model(model, folder, **common(model.predict(TRAINING), more))


def lightgbm_booster(folder: Path, **more: Any) -> None:
    import lightgbm

    booster = lightgbm.LGBMClassifier(n_estimators=8, verbose=-1).fit(TRAINING, named(SEX)).booster_
    mlflow.lightgbm.save_model(booster, folder, **common(booster.predict(TRAINING), more))


def lightgbm_classes(folder: Path, **more: Any) -> None:
    import lightgbm

    booster = lightgbm.LGBMClassifier(n_estimators=8, verbose=-1).fit(TRAINING, named(THREE)).booster_
    mlflow.lightgbm.save_model(booster, folder, **common(booster.predict(TRAINING), more))


def lightgbm_estimator(folder: Path, **more: Any) -> None:
    import lightgbm

    model = lightgbm.LGBMClassifier(n_estimators=8, verbose=-1).fit(TRAINING, named(SEX))
    mlflow.lightgbm.save_model(model, folder, **common(model.predict(TRAINING), more))


def catboost_classifier(folder: Path, names: Sequence[Any] = SEX, **more: Any) -> None:
    import catboost

    model = catboost.CatBoostClassifier(**_CATBOOST).fit(TRAINING, named(names))
    mlflow.catboost.save_model(model, folder, **common(np.ravel(model.predict(TRAINING)), more))


def catboost_classes(folder: Path, **more: Any) -> None:
    catboost_classifier(folder, THREE, **more)


def catboost_regressor(folder: Path, **more: Any) -> None:
    import catboost

    model = catboost.CatBoostRegressor(**_CATBOOST).fit(TRAINING, number())
    mlflow.catboost.save_model(model, folder, **common(model.predict(TRAINING), more))


def onnx_of(model: Any, *, zipmap: bool = True, columns: bool = False) -> Any:
    """Return a fitted scikit-learn model in ONNX: a matrix as its input, or an input for each column."""
    import skl2onnx
    from skl2onnx.common.data_types import FloatTensorType

    inputs = [(name, FloatTensorType([None, 1])) for name in TRAINING] if columns else None
    whole = None if columns else TRAINING.to_numpy(np.float32)[:1]
    options = {id(model): {"zipmap": zipmap}} if hasattr(model, "classes_") else None
    if columns:
        return skl2onnx.convert_sklearn(model, initial_types=inputs, options=options)
    return skl2onnx.to_onnx(model, whole, options=options)


def save_onnx(onnx: Any, folder: Path, output: Any, **more: Any) -> None:
    one_thread = {"intra_op_num_threads": 1}
    mlflow.onnx.save_model(onnx, folder, **common(output, {"onnx_session_options": one_thread, **more}))


def logistic(names: Sequence[Any]) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression().fit(TRAINING.to_numpy(), named(names))


def onnx_map(folder: Path, **more: Any) -> None:
    model = logistic(THREE)
    save_onnx(onnx_of(model), folder, model.predict_proba(TRAINING.to_numpy()), **more)


def onnx_matrix(folder: Path, **more: Any) -> None:
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(8, random_state=1).fit(TRAINING.to_numpy(), named(SEX))
    save_onnx(onnx_of(model, zipmap=False), folder, model.predict_proba(TRAINING.to_numpy()), **more)


def onnx_columns(folder: Path, **more: Any) -> None:
    """Save a model with an input of its own for each column, in another order than the signature's."""
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    scaled = ColumnTransformer([("z", StandardScaler(), ["z"]), ("x", StandardScaler(), ["x"])])
    model = make_pipeline(scaled, LinearRegression()).fit(TRAINING, number())
    save_onnx(onnx_of(model, columns=True), folder, model.predict(TRAINING), **more)


def onnx_regressor(folder: Path, **more: Any) -> None:
    from sklearn.neural_network import MLPRegressor

    model = MLPRegressor(hidden_layer_sizes=(40,), max_iter=20, random_state=1).fit(TRAINING.to_numpy(), number())
    save_onnx(onnx_of(model), folder, model.predict(TRAINING.to_numpy()), **more)


def onnx_beside(folder: Path) -> None:
    """Save a model that multiplies by numbers kept in a file beside it, as MLflow does with tensors of a KiB and more."""
    from onnx import TensorProto, helper, numpy_helper

    weights = numpy_helper.from_array(np.linspace(-1, 1, 600, dtype=np.float32).reshape(2, 300), "weights")
    mean = helper.make_node("ReduceMean", ["many"], ["answer"], axes=[1], keepdims=1)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["rows", "weights"], ["many"]), mean],
        "beside",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, [None, 1])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    save_onnx(model, folder, number())


def common(output: Any, more: Mapping[str, Any]) -> dict[str, Any]:
    """Return what every model is saved with: the rows as its example, without having MLflow ask the model again."""
    rows = TRAINING.head(5)
    return {"signature": infer_signature(rows, output), "pip_requirements": ["mlflow"], **more}


def example_in(folder: Path) -> None:
    """Have a saved model's folder hold an input example, as ``log_model`` writes it."""
    import yaml
    from mlflow.models import Model
    from mlflow.models.utils import _save_example

    described = Model.load(str(folder))
    _save_example(described, TRAINING.head(5), str(folder))
    (folder / "MLmodel").write_text(yaml.safe_dump(described.to_dict()))


def register_folder(project: Project, name: str, folder: Path) -> str:
    """Register a saved model as anybody may; return the version."""
    registry = project.stores.registry
    registry._ensure_model(name)
    return str(registry._client.create_model_version(name, folder.as_uri(), None).version)


_CATBOOST: dict[str, Any] = {"iterations": 8, "verbose": 0, "allow_writing_files": False, "train_dir": gettempdir()}


@dataclass(frozen=True)
class Kind:
    """A way of saving a model; ``classes`` in the order of its columns, ``scored`` where it answers probabilities."""

    save: Save
    task: str
    classes: Sequence[str] | None = None
    scored: bool = True
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def labels(self) -> list[Any]:
        """What is sent as the truth of each of the test's rows."""
        rows = frame()
        if self.task == "regression":
            return [float(value) for value in rows["x"] * 2 - rows["z"]]
        names = self.classes or ("0", "1")
        return [names[place] for place in places(rows, len(names))]


def _stated(names: Sequence[str]) -> dict[str, Any]:
    return {"metadata": {"classes": list(names)}}


BINARY, MANY, REGRESSION = "binary_classification", "multiclass", "regression"
KINDS: Mapping[str, Kind] = {
    "xgboost_booster": Kind(xgboost_booster, BINARY, SEX, more=_stated(SEX)),
    "xgboost_unknown": Kind(xgboost_booster, BINARY),
    "xgboost_classifier": Kind(xgboost_classifier, MANY, THREE, scored=False, more=_stated(THREE)),
    "xgboost_regressor": Kind(xgboost_regressor, REGRESSION),
    "lightgbm_booster": Kind(lightgbm_booster, BINARY, SEX, more=_stated(SEX)),
    "lightgbm_classes": Kind(lightgbm_classes, MANY, THREE, more=_stated(THREE)),
    "catboost_classifier": Kind(catboost_classifier, BINARY, SEX, scored=False),
    "catboost_classes": Kind(catboost_classes, MANY, THREE, scored=False),
    "catboost_regressor": Kind(catboost_regressor, REGRESSION),
    "onnx_map": Kind(onnx_map, MANY, THREE),
    "onnx_matrix": Kind(onnx_matrix, BINARY, SEX),
    "onnx_columns": Kind(onnx_columns, REGRESSION),
    "onnx_regressor": Kind(onnx_regressor, REGRESSION),
}


def answers_of(folder: Path, rows: pd.DataFrame) -> Any:
    """Return the answers of MLflow's own loader; where it has none that fits the rows, those of onnxruntime itself.

    MLflow answers a map of probabilities as a column of dicts, and fails on a label beside a matrix.
    """
    described = mlflow.models.Model.load(str(folder))
    if "onnx" not in described.flavors:
        return mlflow.pyfunc.load_model(str(folder)).predict(rows)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
    inputs = session.get_inputs()
    if len(inputs) > 1:
        feed = {one.name: rows[[one.name]].to_numpy(np.float32) for one in inputs}
        return session.run(None, feed)[0]
    answered = mlflow.pyfunc.load_model(str(folder)).predict(rows) if len(session.get_outputs()) == 1 else None
    if answered is not None:
        return answered.to_numpy()
    found = session.run(None, {inputs[0].name: rows.to_numpy(np.float32)})[1]
    return found if isinstance(found, np.ndarray) else np.array([list(row.values()) for row in found], np.float32)
