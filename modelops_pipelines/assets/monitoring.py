"""What is derived from the log: traffic, profiles, drift, quality; each with the checks of its alert rules."""

from collections.abc import Callable
from datetime import UTC, datetime

import dagster as dg

from modelops_pipelines.assets.describe import (
    asset_options,
    check_results,
    check_specs,
    key,
    markdown_table,
    recomputed_metadata,
)
from modelops_pipelines.core.endpoint import EndpointSpec
from modelops_pipelines.core.tables import DRIFT, PROFILES, QUALITY_METRICS, SERVICE_METRICS, Table
from modelops_pipelines.operations.drift_report import write_drift_report
from modelops_pipelines.operations.judging import judge_rules
from modelops_pipelines.operations.measure import measure_quality, measure_service
from modelops_pipelines.operations.profiling import detect_drift, profile_windows
from modelops_pipelines.operations.recompute import Range, Recomputed
from modelops_pipelines.operations.shows import newest
from modelops_pipelines.resources.project import ProjectResource
from modelops_pipelines.store.stores import Stores

Derive = Callable[[Stores, EndpointSpec, Range | None], Recomputed]


class Recompute(dg.Config):
    """Leave both empty to compute what changed; give both (ISO 8601) to compute a range again, in one run."""

    start: str = ""
    end: str = ""

    def asked(self) -> Range | None:
        """Return the range asked for, or None."""
        if not self.start and not self.end:
            return None
        return Range(_moment("start", self.start), _moment("end", self.end))


def service_metrics_for(spec: EndpointSpec) -> dg.AssetsDefinition:
    """Return the asset of traffic, failures and latency."""
    shown = ("window_start", "model_version", "variant", "requests", "predictions", "client_errors", "server_errors")
    return _derived(spec, SERVICE_METRICS, ["inference_log"], measure_service, ["error_rate", "latency_p95_ms"], shown)


def profiles_for(spec: EndpointSpec) -> dg.AssetsDefinition:
    """Return the asset of mergeable column profiles."""
    shown = ("window_start", "model_version", "column", "kind", "n", "nulls")
    return _derived(spec, PROFILES, ["inference_log"], profile_windows, [], shown)


def drift_for(spec: EndpointSpec) -> dg.AssetsDefinition:
    """Return the asset of drift against each version's reference."""
    shown = ("window_start", "column", "statistic", "value", "threshold", "drifted", "n", "reason")
    return _derived(spec, DRIFT, ["profiles"], detect_drift, ["drift"], shown)


def quality_metrics_for(spec: EndpointSpec) -> dg.AssetsDefinition:
    """Return the asset of quality on the labels that arrived."""
    shown = ("window_start", "model_version", "predictions", "labelled", "coverage", *_QUALITY[spec.task], "reason")
    upstream = ["labels", "feedback"]  # which wait for inference_log
    return _derived(spec, QUALITY_METRICS, upstream, measure_quality, ["quality"], shown)


def drift_report_for(spec: EndpointSpec) -> dg.AssetsDefinition:
    """Return the asset of Evidently's report, made on demand."""
    about = "Evidently's drift report of the newest window against the champion's training set, for people."

    @dg.asset(**asset_options(spec, "drift_report", kinds=["report"], about=about), deps=[key(spec, "drift")])
    def drift_report(project: ProjectResource) -> dg.MaterializeResult:
        with project.stores() as stores:
            report = write_drift_report(stores, spec)
            url = f"{stores.settings.gateway_url}/endpoints/{spec.name}/reports/{report.path.name}"
        return dg.MaterializeResult(
            metadata={
                "report": dg.MetadataValue.url(url),
                "file": dg.MetadataValue.path(str(report.path)),
                "rows": report.rows,
                "reference_rows": report.reference_rows,
                "left_out": report.left_out,
            }
        )

    return drift_report


def _derived(
    spec: EndpointSpec, table: Table, upstream: list[str], derive: Derive, kinds: list[str], shown: tuple[str, ...]
) -> dg.AssetsDefinition:
    @dg.asset(
        **asset_options(spec, table.name, kinds=["deltalake", "duckdb"], about=table.about, table=table),
        deps=[key(spec, name) for name in upstream],
        check_specs=check_specs(spec, table.name, kinds),
    )
    def derived(config: Recompute, project: ProjectResource) -> dg.MaterializeResult:
        with project.stores() as stores:
            result = derive(stores, spec, config.asked())
            metadata = recomputed_metadata(result, stores.lake.rows(spec.name, table.name))
            rows = newest(stores, spec, table)
            verdicts = judge_rules(stores, spec, kinds, result.windows)
        newest_first = sorted(rows, key=lambda row: row["window_start"], reverse=True)
        newest_rows = [{name: row[name] for name in shown} for row in newest_first]
        plotted = {f"latest_{v.rule}": v.value for v in verdicts if v.value is not None}
        return dg.MaterializeResult(
            metadata={**metadata, **plotted, "newest": markdown_table(newest_rows)},
            check_results=check_results(spec, table.name, verdicts),
        )

    return derived


_QUALITY = {
    "binary_classification": ("accuracy", "auc", "log_loss", "brier", "brier_skill"),
    "multiclass": ("accuracy",),
    "regression": ("mae", "rmse", "bias"),
}


def _moment(name: str, given: str) -> datetime:
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        description = f"{name} is {given!r}, no time in ISO 8601. Give both start and end, as 2026-01-31T00:00:00Z"
        raise dg.Failure(description=description, allow_retries=False) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
