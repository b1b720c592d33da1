"""Rows per window: the JSON routes and the CSV files have the same columns."""

import pytest
from pydantic import BaseModel

from modelops_pipelines.gateway.routes import windows
from modelops_pipelines.operations.metrics.window_rows import TABLES

MODELS: dict[str, type[BaseModel]] = {
    "traffic": windows.TrafficInfo,
    "quality": windows.WindowQuality,
    "segments": windows.WindowQuality,
    "estimated-quality": windows.EstimatedQualityInfo,
    "custom-metrics": windows.CustomMetricInfo,
    "drift": windows.DriftInfo,
    "data-quality": windows.DataQualityInfo,
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_has_the_columns_of_its_route(name: str) -> None:
    assert sorted(MODELS[name].model_fields) == sorted(TABLES[name].columns)


def test_the_documents_name_every_table() -> None:
    assert set(TABLES) == set(windows._EXPORTED.replace(" or ", ", ").split(", "))
