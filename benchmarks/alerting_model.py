"""A model that answers by x, and fails or dawdles when a row asks it to."""

import time
from typing import Any

GOOD, FAILS, DAWDLES = 0.0, 1.0, 2.0
"""Values of the feature ``mood``: what the model does."""
SLOW_SECONDS = 0.4


def train(frame: Any, context: Any) -> Any:  # noqa: ARG001 - the signature of trainers
    """Return the model; nothing is learnt."""
    import mlflow
    import numpy as np

    class Moody(mlflow.pyfunc.PythonModel):  # local, so that it is pickled by value
        def predict(self, context, model_input, params=None):  # noqa: ARG002 - MLflow's own signature
            mood = model_input["mood"].to_numpy(dtype=float)
            if (mood == FAILS).any():
                raise ValueError("broken")
            if (mood == DAWDLES).any():
                time.sleep(SLOW_SECONDS)
            return 1 / (1 + np.exp(-model_input["x"].to_numpy(dtype=float)))

    return Moody()
