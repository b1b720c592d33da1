"""A model that tells what it was given, byte by byte: types, names, shapes and values."""

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


def telling() -> Any:
    """Return a pyfunc that answers each row with all that it was given of it, as text."""
    import mlflow

    def value(one: Any) -> str:
        if isinstance(one, np.ndarray):
            return f"{one.dtype}{one.tolist()}"
        return f"{type(one).__name__} {one!r}"

    class Telling(mlflow.pyfunc.PythonModel):  # local, so that it is pickled by value
        def predict(self, context, model_input, params=None):  # noqa: ARG002 - MLflow's own signature
            if isinstance(model_input, pd.DataFrame):
                columns = [(name, str(model_input[name].dtype), model_input[name].tolist()) for name in model_input]
                rows = range(len(model_input))
                return [
                    "; ".join(f"{name} {kind} {value(values[row])}" for name, kind, values in columns) for row in rows
                ]
            given = model_input if isinstance(model_input, dict) else {"": model_input}
            count = len(next(iter(given.values())))
            return [
                "; ".join(
                    f"{name} {type(part).__name__} {value(np.asarray(part[row]))}" for name, part in given.items()
                )
                for row in range(count)
            ]

    return Telling()


def saved(folder: Path, inputs: Any, example: Any = None) -> Path:
    """Save the model with this schema of inputs, and return its folder."""
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    mlflow.pyfunc.save_model(
        folder,
        python_model=telling(),
        signature=ModelSignature(inputs=inputs, outputs=Schema([ColSpec("string")])),
        pip_requirements=["mlflow"],
        **({} if example is None else {"input_example": example}),
    )
    return folder


def as_sent(value: Any) -> Any:
    """Return a value as JSON has it: bytes in base64, times in ISO 8601, arrays as lists, NaN as null."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    if value is None or value is pd.NaT or (isinstance(value, float) and np.isnan(value)):
        return None
    return value.item() if isinstance(value, np.generic) else value
