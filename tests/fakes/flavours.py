"""Fourteen flavours and ways of logging: what people have in a registry, of data and of code, on the rows of ``classifiers``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mlflow
import numpy as np

from tests.fakes.classifiers import fitted
from tests.fakes.data_formats import (
    BINARY,
    KINDS,
    MANY,
    REGRESSION,
    SEX,
    THREE,
    TRAINING,
    Kind,
    codes,
    common,
    lightgbm_estimator,
    named,
    number,
)

SCRIPT = """\
import mlflow
from doubled import double

class Model(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return double(model_input["x"].to_numpy()) - model_input["z"].to_numpy()

mlflow.models.set_model(Model())
"""


def sklearn_in(form: str, function: str, names: Sequence[Any]) -> Any:
    """Return what saves scikit-learn's estimator in a format, with the function that answers."""

    def save(folder: Path, **more: Any) -> None:
        model = fitted(names)
        options = common(getattr(model, function)(TRAINING), more)
        mlflow.sklearn.save_model(model, folder, serialization_format=form, pyfunc_predict_fn=function, **options)

    return save


def pipeline_with_lightgbm(folder: Path, **more: Any) -> None:
    import lightgbm
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), lightgbm.LGBMClassifier(n_estimators=8, verbose=-1))
    model.fit(TRAINING, named(THREE))
    options = common(model.predict_proba(TRAINING), more)
    mlflow.sklearn.save_model(
        model, folder, serialization_format="cloudpickle", pyfunc_predict_fn="predict_proba", **options
    )


def statsmodels_logit(folder: Path, **more: Any) -> None:
    import statsmodels.api

    model = statsmodels.api.Logit(codes(2), TRAINING).fit(disp=0)
    mlflow.statsmodels.save_model(model, folder, **common(model.predict(TRAINING).to_numpy(), more))


def own_class(folder: Path, **more: Any) -> None:
    class Words(mlflow.pyfunc.PythonModel):  # local, so that it is pickled by value
        def predict(self, context, model_input, params=None):  # noqa: ARG002 - MLflow's own signature
            return np.array(SEX, dtype=object)[(model_input["x"] > 0).astype(int)]

    mlflow.pyfunc.save_model(folder, python_model=Words(), **common(named(SEX), more))


def from_code(folder: Path, **more: Any) -> None:
    """Save a script and the module that it imports, which MLflow runs whenever the model is loaded."""
    import sys

    code = folder.with_name(f"{folder.name}-code")
    code.mkdir()
    (code / "doubled.py").write_text("def double(values):\n    return values * 2\n")
    (code / "script.py").write_text(SCRIPT)
    sys.path.insert(0, str(code))
    try:
        mlflow.pyfunc.save_model(
            folder,
            python_model=str(code / "script.py"),
            code_paths=[str(code / "doubled.py")],
            **common(number(), more),
        )
    finally:
        sys.path.remove(str(code))
        sys.modules.pop("doubled", None)


_STATED: dict[str, Any] = {"metadata": {"classes": list(SEX)}}
DATA: Mapping[str, Kind] = {
    **{name: KINDS[name] for name in ("xgboost_booster", "xgboost_classifier", "lightgbm_booster", "catboost_classes")},
    **{name: KINDS[name] for name in ("onnx_map", "onnx_regressor")},
    "sklearn_skops": Kind(sklearn_in("skops", "predict_proba", SEX), BINARY, SEX),
    "sklearn_skops_labels": Kind(sklearn_in("skops", "predict", THREE), MANY, THREE, scored=False),
}
"""Loads without any trust."""
CODE: Mapping[str, Kind] = {
    "sklearn_pickled": Kind(sklearn_in("cloudpickle", "predict_proba", THREE), MANY, THREE),
    "sklearn_with_lightgbm": Kind(pipeline_with_lightgbm, MANY, THREE),
    "lightgbm_estimator": Kind(lightgbm_estimator, BINARY, SEX, scored=False),
    "statsmodels": Kind(statsmodels_logit, BINARY, SEX, more=_STATED),
    "pyfunc_class": Kind(own_class, BINARY, SEX, scored=False, more=_STATED),
    "pyfunc_from_code": Kind(from_code, REGRESSION),
}
"""Can execute code, so its hash is needed."""
FLAVOURS = {**DATA, **CODE}
