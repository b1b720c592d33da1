"""The asset of the shadow's answers to logged requests, compared with those that callers received."""

from typing import Any

import dagster as dg

from modelops_pipelines.assets.metadata import asset_options, json_value, key
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.lake import SHADOW_LOG
from modelops_pipelines.operations.release.trials.shadow import MAX_ROWS, compare_shadow, shadow_summary
from modelops_pipelines.resources.project import ProjectResource


class ShadowConfig(dg.Config):
    """Maximum number of rows to compare."""

    most: int = MAX_ROWS


def shadow_log_for(spec: EndpointSpec) -> dg.AssetsDefinition:
    """Return the asset of the shadow's answers."""
    options = asset_options(
        spec, SHADOW_LOG.name, kinds=["deltalake", "mlflow"], about=SHADOW_LOG.about, table=SHADOW_LOG
    )

    @dg.asset(**options, deps=[key(spec, "inference_log")])
    def shadow_log(config: ShadowConfig, modelops_project: ProjectResource) -> dg.MaterializeResult:
        with modelops_project.stores() as stores:
            compared = compare_shadow(stores, spec, config.most)
            summary = {} if compared is None else shadow_summary(stores, spec)
            total = stores.lake.rows(spec.name, SHADOW_LOG.name)
        if compared is None:
            return dg.MaterializeResult(metadata={"dagster/row_count": total, "shadow": "the endpoint has no shadow"})
        run = {f"run_{name}": value for name, value in vars(compared).items() if value is not None}
        return dg.MaterializeResult(metadata={"dagster/row_count": total, **run, **_known(summary)})

    return shadow_log


def _known(summary: dict[str, Any]) -> dict[str, Any]:
    return {name: json_value(value) for name, value in summary.items() if value is not None}
