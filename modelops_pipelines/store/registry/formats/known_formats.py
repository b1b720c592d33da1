"""The formats of data-only models beside scikit-learn's skops, and which of them a version belongs to."""

from modelops_pipelines.store.registry.formats.catboost_format import CATBOOST
from modelops_pipelines.store.registry.formats.data_format import DataFormat, Described
from modelops_pipelines.store.registry.formats.lightgbm_format import LIGHTGBM
from modelops_pipelines.store.registry.formats.onnx_format import ONNX
from modelops_pipelines.store.registry.formats.xgboost_format import XGBOOST

FORMATS = (XGBOOST, LIGHTGBM, CATBOOST, ONNX)


def format_of(described: Described) -> DataFormat | None:
    """Return the format that an MLmodel file says its model has; None where it is none of these."""
    return next((form for form in FORMATS if form.fits(described)), None)
