"""Loading a version's files. They are untrusted: what could execute code is refused before anything reads it.

MLflow's own switch is of no use here: it takes the list of trusted skops types from the model's own file, so that a
crafted model would vouch for itself. The check below reads the MLmodel file as data and decides first.
"""

from pathlib import Path
from typing import Any

import yaml

from modelops_pipelines.core.errors import ModelError

TRUSTED_TYPES = frozenset(
    {
        "numpy.dtype",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.compose._column_transformer._RemainderColsList",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.metrics._dist_metrics.EuclideanDistance64",
        "sklearn.neighbors._ball_tree.BallTree",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        "sklearn.tree._tree.Tree",
        "sklearn.utils._bunch.Bunch",
    }
)
"""Types that hold data and call nothing: what fitted scikit-learn estimators hold beyond skops' own list."""

_SKLEARN = "mlflow.sklearn"
_SKOPS_FILE = "model.skops"


def load_model(artifact_uri: str, *, allow_pickle: bool) -> Any:
    """Return the version as MLflow's pyfunc model; ``predict`` takes a DataFrame of the signature's columns.

    Raises ModelError when the files are gone, when loading fails, or when they could execute code and the endpoint
    does not accept that (``allow_pickle``).
    """
    folder = Path(artifact_uri.removeprefix("file://"))
    if not allow_pickle:
        refuse_unsafe(folder)
    import mlflow.pyfunc

    try:
        model = mlflow.pyfunc.load_model(str(folder))
    except Exception as error:  # whatever a model's own code may raise
        raise ModelError(
            f"The model in {folder} cannot be loaded ({type(error).__name__}: {error})", "Log it again"
        ) from error
    return model


def refuse_unsafe(folder: Path) -> None:
    """Raise ModelError unless the files are a scikit-learn model in skops format with trusted types only."""
    described = describe_files(folder)
    flavors = described.get("flavors") or {}
    function, sklearn = flavors.get("python_function") or {}, flavors.get("sklearn") or {}
    if function.get("loader_module") != _SKLEARN or sklearn.get("serialization_format") != "skops":
        raise _unsafe(folder, "its format can execute code when it is loaded")
    if function.get("code") or sklearn.get("code"):
        raise _unsafe(folder, "it brings code of its own")
    if "data" in function or {function.get("model_path"), sklearn.get("pickled_model")} != {_SKOPS_FILE}:
        raise _unsafe(folder, "it points elsewhere for its files")
    untrusted = set(sklearn.get("skops_trusted_types") or ()) - TRUSTED_TYPES
    if untrusted:
        raise _unsafe(folder, f"it asks to trust {', '.join(sorted(untrusted))}")


def describe_files(folder: Path) -> dict[str, Any]:
    """Return the MLmodel file as data; raises ModelError when it is missing or unreadable."""
    try:
        described = yaml.safe_load((folder / "MLmodel").read_text())
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ModelError(
            f"{folder} holds no readable MLmodel file ({type(error).__name__})", "Log the model again"
        ) from error
    if not isinstance(described, dict):
        raise ModelError(f"The MLmodel file in {folder} is not a mapping", "Log the model again")
    return described


def _unsafe(folder: Path, why: str) -> ModelError:
    return ModelError(
        f"The model in {folder} is refused: {why}",
        "Log it with serialization_format='skops', or accept it by 'allow_pickle: true' in the endpoint's YAML",
    )
