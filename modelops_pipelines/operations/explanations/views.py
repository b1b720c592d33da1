"""What people see of explanations: what each column contributes in the newest windows."""

from typing import Any

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.explanations import ATTRIBUTION_DRIFT, ATTRIBUTIONS
from modelops_pipelines.operations.lake.queries import newest
from modelops_pipelines.store.stores import Stores


def newest_attributions(stores: Stores, spec: EndpointSpec, windows: int = 7) -> list[dict[str, Any]]:
    """Return what each column contributes in the newest windows: newest window first, then the largest share."""
    rows = newest(stores, spec, ATTRIBUTIONS, windows)
    ordered = sorted(rows, key=lambda row: (row["model_version"], row["rank"]))
    return sorted(ordered, key=lambda row: row["window_start"], reverse=True)


def newest_attribution_drift(stores: Stores, spec: EndpointSpec, windows: int = 7) -> list[dict[str, Any]]:
    """Return the drift of the columns' shares in the newest windows, newest first."""
    rows = sorted(newest(stores, spec, ATTRIBUTION_DRIFT, windows), key=lambda row: row["model_version"])
    return sorted(rows, key=lambda row: row["window_start"], reverse=True)
