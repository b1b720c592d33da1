"""XGBoost in UBJSON or JSON, as a Booster or as an estimator of XGBoost's scikit-learn interface."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelops_pipelines.store.registry.formats.data_format import MOST_COLUMNS, DataFormat, beginning, quoted

_BOOSTER = "xgboost.core.Booster"
_CLASSES = {
    _BOOSTER: "Booster",
    **{
        f"xgboost.sklearn.{name}": name
        for name in ("XGBClassifier", "XGBRegressor", "XGBRanker", "XGBRFClassifier", "XGBRFRegressor")
    },
}
_OF_BOOSTER = frozenset(
    {
        "approx_contribs",
        "iteration_range",
        "output_margin",
        "pred_contribs",
        "pred_interactions",
        "pred_leaf",
        "strict_shape",
        "training",
    }
)
_OF_ESTIMATOR = frozenset({"base_margin", "iteration_range", "output_margin"})
"""Parameters that MLflow passes on to the two kinds' ``predict``; it leaves out all others."""


class XGBoostModel:
    """An XGBoost model that answers as in MLflow's hands: columns by name, and the signature's parameters passed on."""

    def __init__(self, model: Any, *, is_booster: bool) -> None:
        """Take the library's model."""
        self._model, self._is_booster = model, is_booster

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Return a Booster's values, or the classes or numbers of an estimator."""
        import xgboost

        known = _OF_BOOSTER if self._is_booster else _OF_ESTIMATOR
        passed = {name: value for name, value in (params or {}).items() if name in known}
        given = xgboost.DMatrix(data) if self._is_booster else data
        return self._model.predict(given, validate_features=True, **passed)

    def get_raw_model(self) -> Any:
        """Return the library's model; a classifier's ``classes_`` are the codes 0, 1, ... that it was trained on."""
        return self._model


def _why_other(own: Mapping[Any, Any]) -> str | None:
    named = own.get("model_class", _BOOSTER)
    is_known = isinstance(named, str) and named in _CLASSES
    return None if is_known else f"its class {quoted(named)} is none of XGBoost's"


def _why_unfit(file: Path) -> str | None:
    start = beginning(file)
    if not start.startswith(b"{") or (file.suffix == ".json" and not start[1:].lstrip().startswith(b'"')):
        return f"its file {file.name} is not in XGBoost's {'JSON' if file.suffix == '.json' else 'UBJSON'} format"
    return None


def _load(own: Mapping[Any, Any], file: Path) -> XGBoostModel:
    """Return the model; the library gets bytes, because it takes a path for an address too."""
    import xgboost

    name = _CLASSES[own.get("model_class", _BOOSTER)]
    is_booster = name == "Booster"
    model = getattr(xgboost, name)()
    try:
        model.load_model(bytearray(file.read_bytes()))
    except UnicodeDecodeError as error:  # of the library's own message, which quotes the file
        raise ValueError(f"{file.name} is damaged") from error
    _check_size(model if is_booster else model.get_booster(), file)
    return XGBoostModel(model, is_booster=is_booster)


def _check_size(booster: Any, file: Path) -> None:
    """Raise ValueError when the model declares so much that an answer would take the machine's memory."""
    declared = json.loads(booster.save_config())["learner"]["learner_model_param"]
    for name in ("num_feature", "num_class", "num_target"):
        if int(declared.get(name, 0)) > MOST_COLUMNS:
            raise ValueError(f"{file.name} declares {name}={declared[name]}")


XGBOOST = DataFormat(
    name="xgboost",
    library="xgboost",
    keys=frozenset({"model_class", "model_format", "xgb_version"}),
    files=frozenset({"model.ubj", "model.json", "model.xgb"}),
    why_other=_why_other,
    why_unfit=_why_unfit,
    load=_load,
    remedy="Log it with mlflow.xgboost.log_model, without code_paths, and leave its files as they are",
)
