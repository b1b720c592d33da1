"""Classifiers as others register them in MLflow: of every form, order and naming of classes."""

from collections.abc import Mapping, Sequence
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import infer_signature

from modelops_pipelines.store.registry.client import Registry
from tests.support.project import Project

ROWS = 240


def frame(rows: int = ROWS, seed: int = 3) -> pd.DataFrame:
    """Return rows of two features."""
    random = np.random.default_rng(seed)
    return pd.DataFrame({"x": random.normal(size=rows), "z": random.normal(size=rows)})


def places(features: pd.DataFrame, count: int) -> list[int]:
    """Return each row's true class of ``count``, by its place: clear from x, apart from some noise of z."""
    cuts = np.linspace(-0.5, 0.5, count - 1)
    return np.searchsorted(cuts, features["x"] + features["z"] / 4).tolist()


def fitted(names: Sequence[Any]) -> Any:
    """Return scikit-learn's estimator of these classes; it sorts them itself."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows = frame(2000, seed=1)
    truth = np.array([names[place] for place in places(rows, len(names))])
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, truth)


def matrix(count: int, order: Sequence[int]) -> Any:
    """Return a pyfunc that answers probabilities, its columns in an order of its own."""

    class Matrix(mlflow.pyfunc.PythonModel):  # local, so that it is pickled by value
        def predict(self, context, model_input, params=None):  # noqa: ARG002 - MLflow's own signature; hints would be taken for a signature
            centres = np.linspace(-1.0, 1.0, count)
            near = np.exp(-4 * (model_input["x"].to_numpy()[:, None] - centres[None, :]) ** 2)
            return (near / near.sum(axis=1, keepdims=True))[:, list(order)]

    return Matrix()


def score(*, of_last: bool = True) -> Any:
    """Return a pyfunc that answers one probability a row: of the class of large x, or of the other."""

    class Score(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):  # noqa: ARG002 - as above
            chance = 1 / (1 + np.exp(-4 * model_input["x"].to_numpy()))
            return chance if of_last else 1 - chance

    return Score()


def words(names: Sequence[str]) -> Any:
    """Return a pyfunc that answers the class itself."""

    class Words(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):  # noqa: ARG002 - as above
            cuts = np.linspace(-0.5, 0.5, len(names) - 1)
            return np.array(names, dtype=object)[np.searchsorted(cuts, model_input["x"])]

    return Words()


def register(
    project: Project,
    name: str,
    model: Any,
    *,
    function: str = "predict_proba",
    pickled: bool = False,
    tags: Mapping[str, str] | None = None,
    metadata: Any = None,
) -> str:
    """Register a model as somebody would without this package; return its version."""
    registry: Registry = project.stores.registry
    mlflow.set_tracking_uri(project.stores.settings.registry_uri)
    mlflow.set_registry_uri(project.stores.settings.registry_uri)
    rows = frame(5)
    with mlflow.start_run(experiment_id=registry._experiment(name)):
        if isinstance(model, mlflow.pyfunc.PythonModel):
            signature = infer_signature(rows, np.asarray(model.predict(None, rows)))
            made = mlflow.pyfunc.log_model(
                name="model",
                python_model=model,
                signature=signature,
                pip_requirements=["mlflow"],
                metadata=metadata,
                registered_model_name=name,
            )
        else:
            made = mlflow.sklearn.log_model(
                model,
                name="model",
                signature=infer_signature(rows, getattr(model, function)(rows)),
                pyfunc_predict_fn=function,
                pip_requirements=["mlflow"],
                metadata=metadata,
                serialization_format="cloudpickle" if pickled else "skops",
                registered_model_name=name,
            )
    version = str(made.registered_model_version)
    for key, value in (tags or {}).items():
        mlflow.MlflowClient().set_model_version_tag(name, version, key, value)
    return version
