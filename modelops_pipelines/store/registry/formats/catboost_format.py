"""CatBoost in its binary format (cbm), as one of CatBoost's own model classes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelops_pipelines.store.registry.formats.data_format import DataFormat, beginning, quoted

_CLASSES = frozenset({"CatBoost", "CatBoostClassifier", "CatBoostRanker", "CatBoostRegressor"})
_FORMAT, _MAGIC = "cbm", b"CBM1"
_HEAD = len(_MAGIC) + 4
"""Bytes before the model: the mark of the format, and the model's size."""


class CatBoostModel:
    """A CatBoost model that answers as in MLflow's hands, which passes no parameters on."""

    def __init__(self, model: Any) -> None:
        """Take the library's model."""
        self._model = model

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:  # noqa: ARG002 - as MLflow's own
        """Return a classifier's classes, else numbers."""
        return self._model.predict(data)

    def get_raw_model(self) -> Any:
        """Return the library's model, whose ``classes_`` are those of the labels it was trained on."""
        return self._model


def _why_other(own: Mapping[Any, Any]) -> str | None:
    named, stored = own.get("model_type"), own.get("save_format", _FORMAT)
    if not isinstance(named, str) or named not in _CLASSES:
        return f"its class {quoted(named)} is none of CatBoost's"
    if stored != _FORMAT:
        return f"it is stored in the format {quoted(stored)}, not in {_FORMAT}"
    return None


def _why_unfit(file: Path) -> str | None:
    start = beginning(file, _HEAD)
    if len(start) < _HEAD or not start.startswith(_MAGIC):
        return f"its file {file.name} is not in CatBoost's format {_FORMAT}"
    if int.from_bytes(start[len(_MAGIC) :], "little") > file.stat().st_size - _HEAD:
        return f"its file {file.name} is cut off: it declares more than it holds"
    return None


def _load(own: Mapping[Any, Any], file: Path) -> CatBoostModel:
    import catboost

    model = getattr(catboost, str(own["model_type"]))()
    model.load_model(str(file), _FORMAT)
    return CatBoostModel(model)


CATBOOST = DataFormat(
    name="catboost",
    library="catboost",
    keys=frozenset({"catboost_version", "model_type", "save_format"}),
    files=frozenset({"model.cb"}),
    why_other=_why_other,
    why_unfit=_why_unfit,
    load=_load,
    remedy="Log it with mlflow.catboost.log_model, without 'format' and code_paths, and leave its files as they are",
)
