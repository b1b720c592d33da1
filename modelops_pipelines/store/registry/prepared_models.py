"""A trained model before it is logged: its format and signature, or the reason why no endpoint could serve it."""

import io
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelops_pipelines.core.errors import ModelError
from modelops_pipelines.core.models.class_names import class_name
from modelops_pipelines.store.registry.model_loader import TRUSTED_TYPES
from modelops_pipelines.store.registry.signatures import inputs_of
from modelops_pipelines.store.registry.skops_files import judge

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.models import ModelSignature

_UNSTORABLE = (TypeError, AttributeError, pickle.PicklingError)
_PACKAGES = ("mlflow", "scikit-learn", "skops", "numpy", "pandas")


@dataclass(frozen=True)
class PreparedModel:
    """A model that can be logged. ``inputs`` are its signature's columns with their types."""

    inputs: Mapping[str, str]
    is_estimator: bool
    arguments: Mapping[str, Any]

    def log(self) -> Any:
        """Log the model in the active run; return what MLflow says of it.

        Raises ModelError for a model that cannot be stored in a file.
        """
        import mlflow

        logger = mlflow.sklearn.log_model if self.is_estimator else mlflow.pyfunc.log_model
        try:
            return logger(name="model", **self.arguments)
        except (mlflow.MlflowException, TypeError, pickle.PicklingError) as error:
            if isinstance(error, mlflow.MlflowException) and not isinstance(error.__cause__, _UNSTORABLE):
                raise
            raise ModelError(
                f"The trained model cannot be stored in a file ({type(error).__name__})",
                "Return a model without open files, locks or connections",
            ) from error


@dataclass(frozen=True)
class SavedModel:
    """A model that MLflow has saved elsewhere, in a folder. ``inputs`` are its signature's columns with their types."""

    inputs: Mapping[str, str]
    folder: Path

    def log(self) -> Any:
        """Log the folder's files as a model of the active run; return what MLflow says of it."""
        import mlflow
        from mlflow.entities import LoggedModelOutput, LoggedModelStatus

        client, run = mlflow.MlflowClient(), mlflow.active_run()
        made = client.create_logged_model(run.info.experiment_id, name="model", source_run_id=run.info.run_id)
        client.log_model_artifacts(made.model_id, str(self.folder))
        logged = client.finalize_logged_model(made.model_id, LoggedModelStatus.READY)
        client.log_outputs(run.info.run_id, [LoggedModelOutput(made.model_id, step=0)])
        return logged


def prepare(model: Any, frame: "pd.DataFrame", task: str, *, allow_pickle: bool) -> PreparedModel:
    """Return the model as it will be logged; nothing is written.

    Raises ModelError when it cannot be stored in a format that the endpoint accepts, or has an input of another type.
    """
    example = frame.head(5)
    is_estimator = hasattr(model, "get_params")
    arguments = _of_estimator(model, example, task, allow_pickle=allow_pickle) if is_estimator else None
    arguments = arguments or _of_python_code(model, example, allow_pickle=allow_pickle)
    described = {"signature": {"inputs": arguments["signature"].to_dict()["inputs"]}}
    inputs = inputs_of(described, f"of type {type(model).__name__}")
    return PreparedModel(inputs, is_estimator, {"input_example": example, **arguments})


def _of_python_code(model: Any, example: "pd.DataFrame", *, allow_pickle: bool) -> dict[str, Any]:
    if not allow_pickle:
        raise ModelError(
            f"The trainer returned a {type(model).__name__}, which only pickle can store",
            "Return a scikit-learn estimator, or set 'allow_pickle: true' in the endpoint's YAML",
        )
    signature = _signature(example, model.predict(None, example))
    return {"python_model": model, "signature": signature, "pip_requirements": ["mlflow"]}


def _of_estimator(model: Any, example: "pd.DataFrame", task: str, *, allow_pickle: bool) -> dict[str, Any]:
    function = "predict_proba" if task != "regression" and hasattr(model, "predict_proba") else "predict"
    classes = [class_name(value) for value in model.classes_.tolist()] if hasattr(model, "classes_") else None
    return {
        "sk_model": model,
        "signature": _signature(example, getattr(model, function)(example)),
        "pyfunc_predict_fn": function,
        "metadata": {"classes": classes},
        "pip_requirements": [f"{package}=={version(package)}" for package in _PACKAGES],
        **_format(model, allow_pickle=allow_pickle),
    }


def _signature(example: "pd.DataFrame", output: Any) -> "ModelSignature":
    from mlflow.models import infer_signature

    return infer_signature(example, output)


def _format(model: Any, *, allow_pickle: bool) -> dict[str, Any]:
    import skops.io

    stored = skops.io.dumps(model)
    foreign = sorted(set(unknown := skops.io.get_untrusted_types(data=stored)) - TRUSTED_TYPES)
    reason = f"it contains types that skops does not trust: {', '.join(foreign)}" if foreign else None
    reason = reason or judge(io.BytesIO(stored))
    if not foreign and (reason is None or allow_pickle):
        return {"serialization_format": "skops", "skops_trusted_types": sorted(unknown)}
    if allow_pickle:
        return {"serialization_format": "cloudpickle"}
    raise ModelError(
        f"The trained model cannot be stored as data only: {reason}",
        "Train it with estimators and parameters that docs/endpoints.md calls safe, "
        "or set 'allow_pickle: true' in the endpoint's YAML",
    )
