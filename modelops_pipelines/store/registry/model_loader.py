"""Loading of a version's files. They are untrusted: files that could execute code are rejected before they are loaded.

MLflow's own setting does not help: it takes the list of trusted skops types from the model's own file, so a crafted
model could trust itself. The check here reads the MLmodel file and the model's file as data, before loading. A model
that can execute code, or touch what is outside of its process, loads only if the hash of its files is accepted, or a
key that is trusted has signed them; see docs/decisions/0005, 0031, 0055 and 0056. Data in another form than
scikit-learn's skops: ``formats``. Versions that answer in an environment of their own: ``environments``.
"""

import weakref
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import yaml

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelError
from modelops_pipelines.store.filesystem.scratch import Scratch, scratch_folder
from modelops_pipelines.store.registry.environments.environments import FOLDER as ENVIRONMENTS
from modelops_pipelines.store.registry.environments.environments import Environments, Tell
from modelops_pipelines.store.registry.environments.requirements import requirements_of
from modelops_pipelines.store.registry.environments.uv_commands import Asker
from modelops_pipelines.store.registry.file_hashes import MLMODEL, copy_files, hash_files
from modelops_pipelines.store.registry.formats.data_format import DataFormat
from modelops_pipelines.store.registry.formats.known_formats import format_of
from modelops_pipelines.store.registry.formats.mlmodel_flavors import flavor as _flavor
from modelops_pipelines.store.registry.formats.mlmodel_flavors import mapping as _mapping
from modelops_pipelines.store.registry.formats.mlmodel_flavors import written_out
from modelops_pipelines.store.registry.skops_files import FILE, why_outside
from modelops_pipelines.store.registry.trust.trusted_versions import (
    SIGNATURE,
    Files,
    Trusted,
    find_trust,
    signatures_beside,
)
from modelops_pipelines.store.state.release.model_versions import ModelVersion

if TYPE_CHECKING:
    from modelops_pipelines.store.registry.environments.environment_model import EnvironmentModel

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
"""Types that contain data only: those in fitted scikit-learn estimators beyond skops' own list."""

_SKLEARN = "mlflow.sklearn"
COPIES = "models"
"""The folder of the copies in a home."""
_INSTALLS = "its requirements are installed for it, and can execute code"
_MIB = 1024 * 1024
_EXAMPLE_FILE = "input_example.json"
_LARGEST_MLMODEL = 4 * 1024 * 1024
_LONGEST_CAUSE = 300
_FUNCTION_KEYS = frozenset({"code", "env", "loader_module", "model_path", "predict_fn", "python_version"})
_SKLEARN_KEYS = frozenset({"code", "pickled_model", "serialization_format", "sklearn_version", "skops_trusted_types"})
_ANSWERING = frozenset({"predict", "predict_proba", "predict_log_proba", "predict_joint_log_proba"})


@dataclass(frozen=True)
class _Unsigned:
    """Why no trusted key signed a version, and what to do: parts of a refusal, empty where no key is trusted."""

    cause: str
    remedy: str


def needs_own_process(version: ModelVersion, spec: EndpointSpec) -> bool:
    """Return whether a version answers in a process of its own: all but scikit-learn in skops format, judged safe.

    Other data is read by native code, which a crafted file may crash or worse. So do all versions of an endpoint whose
    runtime is isolated. Raises ModelError when its MLmodel file is unreadable.
    """
    require_files(version)
    if spec.is_isolated:
        return True
    described = describe_files(version.folder)
    return format_of(described) is not None or why_unsafe(described, version.folder) is not None


def needs_trust(version: ModelVersion) -> bool:
    """Return whether a version's files could execute code or touch what is outside; raises ModelError as above."""
    require_files(version)
    return why_unsafe(describe_files(version.folder), version.folder) is not None


def load_model(version: ModelVersion, spec: EndpointSpec, *, data_only: bool = False) -> Any:
    """Return the version as MLflow's pyfunc model; ``predict`` takes a DataFrame of the signature's columns.

    The files are copied to a folder that only this user can write, and checked and loaded there: so the loaded files
    are the checked ones. Raises ModelError when they are missing, have changed since the version was recorded, fail to
    load, or could execute code and are not accepted: by their hash in ``accept_pickles``, by a signature of a key in
    ``trust.signed_by``, or, with ``allow_pickle``, because this installation trained the model. ``data_only`` refuses
    files that could execute code even then.
    """
    require_files(version)
    scratch = Scratch()
    folder = scratch.path
    try:
        copy_files(version.folder, folder)
        danger = _judge(folder, version, spec)
        _require_data(version, danger if data_only else None)
        if spec.is_isolated:
            model = _load_apart(folder, version, spec)
        else:
            model = _load(folder, version, is_data=danger is None)
    except BaseException:
        scratch.remove()
        raise
    if danger is None:
        scratch.remove()
    else:  # the model's own code may read its files at prediction time
        weakref.finalize(model, scratch.remove)
    return model


def build_environment(version: ModelVersion, spec: EndpointSpec, tell: Tell) -> Path:
    """Return the environment of a version of an isolated endpoint, built first where it is not there.

    ``tell`` is called with each step of a build. Raises ModelError when it cannot be built, or the version is refused:
    what a version requires is code, so nothing is installed for one that is not trusted.
    """
    require_files(version)
    with scratch_folder() as folder:
        copy_files(version.folder, folder)
        _judge(folder, version, spec)
        asker = Asker(_name(version))
        return _environments(version).ensure(requirements_of(folder, asker.name), asker, tell)


def environment_of(version: ModelVersion, spec: EndpointSpec) -> Path | None:
    """Return the environment in which a version answers; None for one of no isolated endpoint, or that is not built."""
    if not spec.is_isolated:
        return None
    require_files(version)
    return _environments(version).find(requirements_of(version.folder, _name(version)))


def why_unsafe(described: dict[str, Any], folder: Path) -> str | None:
    """Return why a model could execute code or touch what is outside; None for a model of data that cannot.

    ``described`` is its MLmodel file, ``folder`` where its files are.
    """
    form = format_of(described)
    if form is not None:
        return form.why_unsafe(described, folder)
    return _why_undescribed(described) or why_outside(folder)


def require_files(version: ModelVersion) -> None:
    """Raise ModelError, with what to do, when a version's files are not where they were recorded."""
    if not version.folder.is_dir():
        raise ModelError(
            f"The files of version {version.version} of model {version.model_name!r} are gone (folder "
            f"{version.folder.name!r})",
            f"Deploy version {version.version} again, which fetches them from MLflow; where they are gone from there "
            "too, deploy another version, or roll back",
        )


def _why_undescribed(described: dict[str, Any]) -> str | None:
    """Return why an MLmodel file's model could execute code; None for scikit-learn in skops format, types trusted."""
    function, sklearn = _flavor(described, "python_function"), _flavor(described, "sklearn")
    if function.get("loader_module") != _SKLEARN or sklearn.get("serialization_format") != "skops":
        return "its format can execute code when it is loaded"
    if function.get("code") or sklearn.get("code"):
        return "it contains its own code"
    example = described.get("saved_input_example_info") or {"artifact_path": _EXAMPLE_FILE}
    named = (function.get("model_path"), sklearn.get("pickled_model"), _mapping(example).get("artifact_path"))
    if "data" in function or named != (FILE, FILE, _EXAMPLE_FILE):
        return "it refers to files in other places"
    unknown = [*(set(function) - _FUNCTION_KEYS), *(set(sklearn) - _SKLEARN_KEYS)]
    if unknown:
        return f"it sets {', '.join(sorted(map(str, unknown)))}, which may not be safe"
    if function.get("predict_fn", "predict") not in _ANSWERING:
        return "it predicts by a method that is not scikit-learn's"
    return _why_untrusted(sklearn.get("skops_trusted_types"))


def describe_files(folder: Path) -> dict[str, Any]:
    """Return the MLmodel file as data; raises ModelError when it is missing, too large or unreadable."""
    path = folder / MLMODEL
    try:
        with path.open(encoding="utf-8") as opened:
            content = opened.read(_LARGEST_MLMODEL + 1)
        described = yaml.safe_load(content)
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise ModelError(
            f"{folder} has no readable MLmodel file ({type(error).__name__})", "Log the model again"
        ) from error
    if not isinstance(described, dict) or len(content) > _LARGEST_MLMODEL:
        raise ModelError(f"The MLmodel file in {folder} is not a mapping, or is over 4 MiB", "Log the model again")
    if written_out(described) > _LARGEST_MLMODEL:
        raise ModelError(
            f"The MLmodel file in {folder} is over 4 MiB when its aliases are written out", "Log the model again"
        )
    return described


def _judge(folder: Path, version: ModelVersion, spec: EndpointSpec) -> str | None:
    """Return why accepted files could execute code; None when they cannot. Raises ModelError for other files.

    What an isolated version requires is installed for it: that is code, whatever its files are.
    """
    found, recorded = hash_files(folder), version.files_hash
    if recorded is not None and found != recorded:
        raise ModelError(
            f"{_name(version)} has changed since it was recorded: its files' hash was {recorded} and is now {found}",
            "Register the files as a new version and deploy that version",
        )
    described = describe_files(folder)
    harm = why_unsafe(described, folder)
    danger = harm or (_INSTALLS if spec.is_isolated else None)
    own = spec.allow_pickle and version.trained_here and found == recorded
    if danger is None or own or found in spec.accept_pickles:
        return danger
    unsigned = _why_unsigned(Files(folder, found, signatures_beside(version.folder)), version, spec)
    if unsigned is None:
        return danger
    foreign = ", and it was not trained here" if spec.allow_pickle else ""
    safe = _safe_alternative(described) if harm else "Where this environment has what it needs, remove 'runtime'; or, "
    raise ModelError(
        f"{_name(version)} is refused: {danger}{foreign}{unsigned.cause}",
        f"{unsigned.remedy}{safe}if you trust its author, add to the endpoint's YAML: 'accept_pickles: [{found}]'",
    )


def _why_unsigned(files: Files, version: ModelVersion, spec: EndpointSpec) -> "_Unsigned | None":
    """Return why no trusted key signed the files; None when one did: what it did not sign is removed from the folder.

    The model then finds no file that is not signed.
    """
    if not spec.trust.signed_by:
        return _Unsigned("", "")
    found = find_trust(files, spec.trust.signed_by, Path.cwd())
    if isinstance(found, Trusted):
        (files.folder / SIGNATURE).unlink(missing_ok=True)
        return None
    sign = f"Sign it: modelops model sign {quote(version.model_name)} {version.version} --key FILE; or: "
    return _Unsigned(f", and {found}", sign)


def _safe_alternative(described: dict[str, Any]) -> str:
    """Return how to log such a model so that it needs no trust, as the beginning of a sentence; empty if it cannot be.

    Those of ``formats`` and scikit-learn's own can: MLflow stores the models of other libraries, and of Python code, in
    forms that may execute code.
    """
    function, sklearn = _flavor(described, "python_function"), _flavor(described, "sklearn")
    form = format_of(described)
    if form is not None:
        return f"{form.remedy}; or, "
    if function.get("loader_module") != _SKLEARN:
        return "Models other than scikit-learn's are loaded by their hash only: "
    if sklearn.get("serialization_format") != "skops":
        skops = "mlflow.sklearn.log_model(..., serialization_format='skops', skops_trusted_types=[...])"
        return f"Where all its parts are scikit-learn's own, log it with {skops}; or, "
    if function.get("code") or sklearn.get("code"):
        return "Log it without code_paths; or, "
    return _safe_content(described, function, sklearn)


def _safe_content(described: dict[str, Any], function: dict[Any, Any], sklearn: dict[Any, Any]) -> str:
    """Return the same for a model in skops format that has no code of its own."""
    if function.get("predict_fn", "predict") not in _ANSWERING:
        return "Log it with pyfunc_predict_fn='predict' or 'predict_proba'; or, "
    if _why_untrusted(sklearn.get("skops_trusted_types")) is not None:
        return "Train it without these types; or, "
    if _why_undescribed(described) is None:
        return "Train it with estimators and parameters that docs/endpoints.md calls safe; or, "
    return "Log it again with mlflow.sklearn.log_model, and leave its files as they are; or, "


def _require_data(version: ModelVersion, danger: str | None) -> None:
    if danger is not None:
        raise ModelError(f"{_name(version)} changed while it was loaded: {danger}", "Deploy it again")


def _environments(version: ModelVersion) -> Environments:
    """Return the environments beside the home's copies of models, of which the version's is one."""
    copies = version.folder.parent
    return Environments(copies.parent / ENVIRONMENTS if copies.name == COPIES else None)


def _load_apart(folder: Path, version: ModelVersion, spec: EndpointSpec) -> "EnvironmentModel":
    """Load a version in its own environment, which is built first where it is not there."""
    from modelops_pipelines.store.registry.environments.environment_model import EnvironmentModel  # loads NumPy

    name, memory = _name(version), spec.limits.memory_mib
    environment = _environments(version).ensure(requirements_of(folder, name), Asker(name))
    flavors = _mapping(describe_files(folder).get("flavors"))
    return EnvironmentModel(environment, folder, flavors, name, None if memory is None else memory * _MIB)


def _load(folder: Path, version: ModelVersion, *, is_data: bool) -> Any:
    described = describe_files(folder)
    form = format_of(described) if is_data else None
    try:
        if form is not None:
            return form.answering(described, folder)
        import mlflow.pyfunc

        return mlflow.pyfunc.load_model(str(folder), suppress_warnings=True)  # its warnings are about package versions
    except (Exception, SystemExit) as error:  # a model's own code may raise anything
        raise _load_error(version, form, error) from error


def _load_error(version: ModelVersion, form: DataFormat | None, error: BaseException) -> ModelError:
    text = str(error) if form is None else str(error).strip().partition("\n")[0][:_LONGEST_CAUSE]  # C++ adds its stack
    remedy = "Load it with mlflow.pyfunc.load_model in this environment to see where, then log it again"
    if isinstance(error, ModuleNotFoundError) and error.name:
        remedy = f"Install {error.name.partition('.')[0]} where models are loaded: its requirements.txt has the version"
        if form is not None and error.name == form.library:
            remedy = f"Install it where models are loaded: pip install 'modelops_pipelines[{form.name}]'"
    return ModelError(f"{_name(version)} cannot be loaded ({type(error).__name__}: {text})", remedy)


def _why_untrusted(types: Any) -> str | None:
    """Return why the model's list of trusted types is rejected, or None."""
    if types is not None and not (isinstance(types, list) and all(isinstance(name, str) for name in types)):
        return "its list of trusted types is not a list of names"
    untrusted = sorted(set(types or ()) - TRUSTED_TYPES)
    return f"it contains untrusted types: {', '.join(untrusted)[:500]}" if untrusted else None


def _name(version: ModelVersion) -> str:
    return f"Version {version.version} of model {version.model_name!r}"
