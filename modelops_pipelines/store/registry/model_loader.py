"""Loading a version's files. They are untrusted: what could execute code is refused before anything reads it.

MLflow's own switch is of no use here: it takes the list of trusted skops types from the model's own file, so that a
crafted model would vouch for itself. The check below reads the MLmodel file as data and decides first. What can
execute code loads only by the hash of its files; see docs/decisions/0005.
"""

import shutil
import weakref
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import yaml

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelError
from modelops_pipelines.store.registry.file_hashes import MLMODEL, copy_files, hash_files
from modelops_pipelines.store.state.release.deployments import ModelVersion

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
_EXAMPLE_FILE = "input_example.json"
_LARGEST_MLMODEL = 4 * 1024 * 1024
_FUNCTION_KEYS = frozenset({"code", "env", "loader_module", "model_path", "predict_fn", "python_version"})
_SKLEARN_KEYS = frozenset({"code", "pickled_model", "serialization_format", "sklearn_version", "skops_trusted_types"})
_ANSWERING = frozenset({"predict", "predict_proba", "predict_log_proba", "predict_joint_log_proba"})


def load_model(version: ModelVersion, spec: EndpointSpec) -> Any:
    """Return the version as MLflow's pyfunc model; ``predict`` takes a DataFrame of the signature's columns.

    The files are copied to where only this user writes, judged there, and loaded from there: what is loaded is what
    was judged. Raises ModelError when they are gone, have changed since the version was recorded, fail to load, or
    could execute code and are not accepted: by their hash in ``accept_pickles``, or, under ``allow_pickle``, because
    this project's own training made them.
    """
    folder = Path(mkdtemp(prefix="modelops-model-"))
    try:
        copy_files(Path(version.artifact_uri.removeprefix("file://")), folder)
        danger = _judge(folder, version, spec)
        model = _load(folder, version)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if danger is None:
        shutil.rmtree(folder, ignore_errors=True)
    else:  # code of its own may read its files whenever it predicts
        weakref.finalize(model, shutil.rmtree, folder, ignore_errors=True)
    return model


def why_unsafe(described: dict[str, Any]) -> str | None:
    """Return why an MLmodel file's model could execute code; None for scikit-learn in skops format of trusted types."""
    function, sklearn = _flavor(described, "python_function"), _flavor(described, "sklearn")
    if function.get("loader_module") != _SKLEARN or sklearn.get("serialization_format") != "skops":
        return "its format can execute code when it is loaded"
    if function.get("code") or sklearn.get("code"):
        return "it brings code of its own"
    example = described.get("saved_input_example_info") or {"artifact_path": _EXAMPLE_FILE}
    named = (function.get("model_path"), sklearn.get("pickled_model"), _mapping(example).get("artifact_path"))
    if "data" in function or named != (_SKOPS_FILE, _SKOPS_FILE, _EXAMPLE_FILE):
        return "it points elsewhere for its files"
    unknown = [*(set(function) - _FUNCTION_KEYS), *(set(sklearn) - _SKLEARN_KEYS)]
    if unknown:
        return f"it sets {', '.join(sorted(map(str, unknown)))}, which is not known to be harmless"
    if function.get("predict_fn", "predict") not in _ANSWERING:
        return "it answers by another method than scikit-learn's own"
    return _why_vouching(sklearn.get("skops_trusted_types"))


def describe_files(folder: Path) -> dict[str, Any]:
    """Return the MLmodel file as data; raises ModelError when it is missing, too large or unreadable."""
    path = folder / MLMODEL
    try:
        with path.open(encoding="utf-8") as opened:
            content = opened.read(_LARGEST_MLMODEL + 1)
        described = yaml.safe_load(content)
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise ModelError(
            f"{folder} holds no readable MLmodel file ({type(error).__name__})", "Log the model again"
        ) from error
    if not isinstance(described, dict) or len(content) > _LARGEST_MLMODEL:
        raise ModelError(f"The MLmodel file in {folder} is no mapping of a sensible size", "Log the model again")
    return described


def _judge(folder: Path, version: ModelVersion, spec: EndpointSpec) -> str | None:
    """Return why the files could execute code, although they are accepted; None when they cannot."""
    found, recorded = hash_files(folder), version.files_hash
    if recorded is not None and found != recorded:
        raise ModelError(
            f"{_name(version)} has changed since it was recorded: its files' hash was {recorded}, and is {found}",
            "Register the files as a new version, and deploy that one",
        )
    danger = why_unsafe(describe_files(folder))
    own = spec.allow_pickle and version.trained_here and found == recorded
    if danger is None or own or found in spec.accept_pickles:
        return danger
    foreign = ", and it was not trained here" if spec.allow_pickle else ""
    raise ModelError(
        f"{_name(version)} is refused: {danger}{foreign}",
        f"Log it with serialization_format='skops' or, if you trust who made it, add to the endpoint's YAML: "
        f"'accept_pickles: [{found}]'",
    )


def _load(folder: Path, version: ModelVersion) -> Any:
    import mlflow.pyfunc

    try:
        return mlflow.pyfunc.load_model(str(folder), suppress_warnings=True)  # the warnings read what is of no use here
    except Exception as error:  # whatever a model's own code may raise
        why = f"{type(error).__name__}: {error}"
        raise ModelError(f"{_name(version)} cannot be loaded ({why})", "Log it again") from error


def _why_vouching(types: Any) -> str | None:
    """Return why the list of types that a model asks to trust is refused, or None."""
    if types is not None and not (isinstance(types, list) and all(isinstance(name, str) for name in types)):
        return "its list of trusted types is none"
    untrusted = sorted(set(types or ()) - TRUSTED_TYPES)
    return f"it asks to trust {', '.join(untrusted)[:500]}" if untrusted else None


def _flavor(described: dict[str, Any], name: str) -> dict[Any, Any]:
    return _mapping(_mapping(described.get("flavors")).get(name))


def _mapping(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def _name(version: ModelVersion) -> str:
    return f"Version {version.version} of model {version.model_name!r}"
