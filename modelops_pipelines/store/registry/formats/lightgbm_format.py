"""LightGBM as a Booster in LightGBM's text format. Its scikit-learn interface is stored as an object, and refused."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelops_pipelines.store.registry.formats.data_format import MOST_COLUMNS, DataFormat, quoted

_BOOSTER = "lightgbm.basic.Booster"
_FIRST_LINE, _FIRST_TREE, _LAST_LINE = b"tree\n", b"\nTree=0\n", b"end of trees\n"
_COUNT = re.compile(rb"^(num_class|num_tree_per_iteration|max_feature_idx)=(.*)$", re.MULTILINE)
_SIZES = re.compile(rb"^tree_sizes=([0-9 ]*)$", re.MULTILINE)


class LightGBMModel:
    """A LightGBM Booster that answers as in MLflow's hands, which passes no parameters on."""

    def __init__(self, booster: Any) -> None:
        """Take the library's Booster."""
        self._booster = booster

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:  # noqa: ARG002 - as MLflow's own
        """Return one value a row, or one for each class."""
        return self._booster.predict(data)

    def get_raw_model(self) -> Any:
        """Return the Booster, which knows no classes."""
        return self._booster


def _why_other(own: Mapping[Any, Any]) -> str | None:
    named = own.get("model_class", _BOOSTER)
    if named == _BOOSTER:
        return None
    return f"its class {quoted(named)} is stored as an object that can execute code when it is loaded"


def _why_unfit(file: Path) -> str | None:
    content = file.read_bytes()
    if not content.startswith(_FIRST_LINE):
        return f"its file {file.name} is not in LightGBM's text format"
    head, _, _ = content.partition(_FIRST_TREE)
    for name, count in _COUNT.findall(head):
        if not count.isdigit() or int(count) > MOST_COLUMNS:
            return f"its file {file.name} declares {name.decode()}={quoted(count.decode('latin-1'))}"
    if not _holds_its_trees(content, len(head) + 1):
        return f"its file {file.name} is cut off, or its trees are not where it says"
    return None


def _holds_its_trees(content: bytes, start: int) -> bool:
    """Return whether each tree begins where the one before ends by the declared sizes, which the library relies on."""
    sizes = _SIZES.search(content, 0, start)
    if sizes is None:
        return False
    for number, size in enumerate(sizes[1].split()):
        if not content.startswith(b"Tree=%d\n" % number, start):
            return False
        start += int(size[:18])
    return content.startswith(_LAST_LINE, start)


def _load(own: Mapping[Any, Any], file: Path) -> LightGBMModel:  # noqa: ARG001 - as every format's
    import lightgbm

    return LightGBMModel(lightgbm.Booster(model_str=file.read_text(encoding="utf-8")))


LIGHTGBM = DataFormat(
    name="lightgbm",
    library="lightgbm",
    keys=frozenset({"lgb_version", "model_class", "serialization_format", "skops_trusted_types"}),
    files=frozenset({"model.lgb"}),
    why_other=_why_other,
    why_unfit=_why_unfit,
    load=_load,
    remedy=(
        "Log its Booster, which is text, and name its classes: "
        "mlflow.lightgbm.log_model(model.booster_, metadata={'classes': model.classes_.tolist()}, ...)"
    ),
)
