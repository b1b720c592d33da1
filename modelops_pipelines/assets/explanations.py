"""The assets of explanations: of sampled rows of the log, and what their columns contribute window by window."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from modelops_pipelines.assets.derived import Derived, Further, Told, derived_asset
from modelops_pipelines.assets.metadata import asset_spec, markdown_table
from modelops_pipelines.assets.monitoring import MonitoredTable, Shown, monitoring_of
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.explanations import ATTRIBUTION_DRIFT, EXPLANATIONS
from modelops_pipelines.core.tables.lake import INFERENCE_LOG
from modelops_pipelines.operations.explanations.attributions import measure_attributions
from modelops_pipelines.operations.explanations.explain_log import explain_log
from modelops_pipelines.operations.explanations.views import newest_attributions
from modelops_pipelines.operations.lake.incremental import Range
from modelops_pipelines.operations.reports.attribution_charts import draw_shares
from modelops_pipelines.store.stores import Stores

STEP = "explaining"
_SHOWN = ("window_start", "model_version", "column", "rank", "mean_absolute", "mean", "share", "share_reference", "n")


def explaining_of(spec: EndpointSpec) -> dg.AssetsDefinition:
    """Return the assets of an endpoint's explanations, a step of their own: no other table waits for a model.

    One that explains on request only has the first one, which takes the reference rows.
    """
    if not spec.is_explained:
        about = f"Take the reference rows that explanations of {spec.name!r} on request need."
        return monitoring_of(spec, [explanations_for(spec)], STEP, about)
    about = f"Explain sampled rows of {spec.name!r}, and sum up what each column contributes."
    return monitoring_of(spec, [explanations_for(spec), attribution_drift_for(spec)], STEP, about)


def explanations_for(spec: EndpointSpec) -> MonitoredTable:
    """Return the asset of sampled rows' explanations."""
    asset = asset_spec(spec, EXPLANATIONS, kinds=["deltalake", "mlflow"], sources=[INFERENCE_LOG.name])

    def compute(stores: Stores, _asked: Range | None) -> Shown:
        run = explain_log(stores, spec)
        total = stores.lake.rows(spec.name, EXPLANATIONS.name)
        counts = {f"run_{name}": value for name, value in vars(run).items() if value is not None}
        return Shown({"dagster/row_count": total, **counts})

    return MonitoredTable(asset, [], compute)


def attribution_drift_for(spec: EndpointSpec) -> MonitoredTable:
    """Return the asset of the drift of columns' shares; its metadata show the columns of the newest window."""
    shown = (
        "window_start",
        "model_version",
        "n",
        "distance",
        "noise",
        "excess",
        "p_value",
        "column",
        "change",
        "reason",
    )
    further = Further(lambda _spec: [], _by_column)
    return derived_asset(spec, Derived(ATTRIBUTION_DRIFT, measure_attributions, shown, draw_shares, further=further))


def _by_column(stores: Stores, spec: EndpointSpec) -> Told:
    rows: list[dict[str, Any]] = [_named(row) for row in newest_attributions(stores, spec, 1)]
    return Told({"by_column": markdown_table(rows)}) if rows else Told()


def _named(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in _SHOWN}
