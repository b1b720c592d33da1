"""A version's classes: read from its files as data, from the loaded model, and from what a person stated.

What a person may state: the model's metadata when it is logged, a tag of the version, and the endpoint's YAML.
``core.models.classes`` decides whether they agree.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelError
from modelops_pipelines.core.models import classes as known
from modelops_pipelines.core.models.class_names import class_name
from modelops_pipelines.core.models.output_kinds import LABELS
from modelops_pipelines.store.registry.skops_files import FILE, UNREADABLE, read_member, read_schema
from modelops_pipelines.store.state.release.model_versions import ModelVersion

if TYPE_CHECKING:
    import numpy as np

_LARGEST_ARRAY = 1024 * 1024
_INNER = ("best_estimator_", "estimator_", "estimator")
"""Attributes of scikit-learn's estimators that pass on another's classes."""
_DEEPEST = 20
_ESTIMATOR_LOADERS = frozenset({"mlflow.sklearn", "mlflow.lightgbm", "mlflow.xgboost", "mlflow.catboost"})


def with_classes(version: ModelVersion, spec: EndpointSpec, model: Any) -> ModelVersion:
    """Return the version with the classes that its record, the loaded model and the endpoint's YAML agree on.

    Raises ModelError when two of them differ, and for a positive label that is no class.
    """
    return for_endpoint(learned(version, model), spec)


def learned(version: ModelVersion, model: Any) -> ModelVersion:
    """Return the version with what its loaded pyfunc model says of its classes; raises ModelError when they differ.

    A classifier that answers by ``predict`` answers classes, whatever their type.
    """
    read = read_classes(model)
    if read is None:
        return version
    recorded = _recorded(version)
    names, source = known.agree(version.model_name, version.version, {**recorded, known.MODEL: read})
    output = LABELS if _answers_classes(model.metadata.flavors) else version.output
    return replace(version, classes=names, classes_from=source, output=output)


def for_endpoint(version: ModelVersion, spec: EndpointSpec) -> ModelVersion:
    """Return the version with its classes on an endpoint, whose YAML may state them.

    Raises ModelError when they differ from the version's own, and for a positive label that is no class.
    """
    if spec.task == "regression":
        return version
    sources = {**_recorded(version), known.YAML: list(spec.classes) or None}
    names, source = known.agree(version.model_name, version.version, sources)
    known.check_positive(version.model_name, version.version, names, spec.task, spec.positive_label)
    return replace(version, classes=names, classes_from=source)


def _recorded(version: ModelVersion) -> dict[str, list[str] | None]:
    """Return the recorded classes by their source: earlier releases took them from the metadata only."""
    return {version.classes_from or known.METADATA: version.classes}


def recorded_classes(
    described: Mapping[str, Any], folder: Path, tags: Mapping[str, str], model_name: str, version: str, *, data: bool
) -> tuple[list[str] | None, str | None, bool]:
    """Return a registered version's classes, their source, and whether it is a classifier that answers classes.

    ``described`` is the MLmodel file; ``data`` is whether its files are data only, so that the estimator may be read.
    Raises ModelError when metadata, tag and estimator differ; TypeError for metadata of another form.
    """
    read = classes_in_files(folder) if data else None
    sources = {
        known.METADATA: _in_metadata(described),
        known.TAG: tagged_classes(tags, model_name, version),
        known.FILES: read,
    }
    names, source = known.agree(model_name, version, sources)
    return names, source, read is not None and _answers_classes(described.get("flavors") or {})


def read_classes(model: Any) -> list[str] | None:
    """Return the ``classes_`` of a loaded pyfunc model's own estimator, in the order of its columns, or None."""
    import numpy as np

    try:
        found = np.asarray(model.get_raw_model().classes_)
        return _names(found)
    except Exception:  # noqa: BLE001 - a model's own code may raise anything; most kinds have no classes_
        return None


def classes_in_files(folder: Path) -> list[str] | None:
    """Return the ``classes_`` of the estimator in a skops file, or None; it is read as data, and nothing is loaded."""
    import numpy as np

    try:
        with zipfile.ZipFile(folder / FILE) as opened:
            node = _fitted(read_schema(opened), _DEEPEST)
            if node is None:
                return None
            if node["type"] == "numpy":
                content = io.BytesIO(read_member(opened, node["file"], _LARGEST_ARRAY))
                return _names(np.load(content, allow_pickle=False))
        return _names(np.array([json.loads(one["content"]) for one in node["content"]], dtype=object))
    except UNREADABLE:
        return None  # the loader judges the file; without its classes they are unknown until the model is loaded


def tagged_classes(tags: Mapping[str, str], model_name: str, version: str) -> list[str] | None:
    """Return the classes in a version's tag, or None; raises ModelError when the tag is not a JSON list of classes."""
    if known.CLASSES_TAG not in tags:
        return None
    try:
        names = _plain(json.loads(tags[known.CLASSES_TAG]))
        problem = known.list_problem(names)
    except (ValueError, TypeError, RecursionError):
        problem = "is not a JSON list of texts, numbers or booleans"
    if problem is not None:
        raise ModelError(
            f"The tag {known.CLASSES_TAG} of version {version} of model {model_name!r} {problem}",
            'Write it as ["no", "yes"], in the order of the model\'s score columns',
        )
    return names


def _in_metadata(described: Mapping[str, Any]) -> list[str] | None:
    found = (described.get("metadata") or {}).get("classes")
    return None if found is None else _plain(found)


def _plain(found: Any) -> list[str]:
    """Return a list from JSON or YAML as class names; raises TypeError for anything else."""
    if not isinstance(found, list) or not all(isinstance(value, str | int | float) for value in found):
        raise TypeError
    return [class_name(value) for value in found]


def _names(array: "np.ndarray[Any, Any]") -> list[str] | None:
    return [class_name(value) for value in array.tolist()] if array.ndim == 1 and len(array) > 1 else None


def _answers_classes(flavors: Mapping[str, Any]) -> bool:
    function = flavors.get("python_function") or {}
    return function.get("loader_module") in _ESTIMATOR_LOADERS and function.get("predict_fn", "predict") == "predict"


def _fitted(node: Any, depth: int) -> Any:
    """Return the node of ``classes_`` of an estimator, or of the one whose classes it passes on."""
    attributes = node["content"]["content"]
    if "classes_" in attributes:
        return attributes["classes_"]
    if "steps" in attributes:
        inner = attributes["steps"]["content"][-1]["content"][1]
    else:
        inner = next((attributes[name] for name in _INNER if name in attributes), None)
    return None if inner is None or not depth else _fitted(inner, depth - 1)
