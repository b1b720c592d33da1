"""The assets on changes of the data: profiles, drift, data quality, and Evidently's drift report."""

import dagster as dg

from modelops_pipelines.assets.derived import Derived, derived_asset
from modelops_pipelines.assets.metadata import asset_options, key
from modelops_pipelines.assets.monitoring import MonitoredTable
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import EvidenceError
from modelops_pipelines.core.tables.lake import DATA_QUALITY, DRIFT, PROFILES
from modelops_pipelines.operations.drift.data_quality import check_data_quality
from modelops_pipelines.operations.drift.detect import detect_drift
from modelops_pipelines.operations.drift.profiles import profile_windows
from modelops_pipelines.operations.reports.asset_charts import draw_data, draw_drift, draw_profiles
from modelops_pipelines.operations.reports.drift_report import write_drift_report
from modelops_pipelines.resources.project import ProjectResource


def profiles_for(spec: EndpointSpec) -> MonitoredTable:
    """Return the asset of hourly column profiles; extreme values are single persons', and not shown."""
    shown = ("window_start", "model_version", "column", "kind", "n", "nulls", "other")
    return derived_asset(spec, Derived(PROFILES, profile_windows, shown, draw_profiles, windows=1))


def drift_for(spec: EndpointSpec) -> MonitoredTable:
    """Return the asset of drift verdicts against each version's reference."""
    shown = ("window_start", "column", "statistic", "value", "threshold", "drifted", "severity", "importance", "n")
    return derived_asset(spec, Derived(DRIFT, detect_drift, (*shown, "reason"), draw_drift))


def data_quality_for(spec: EndpointSpec) -> MonitoredTable:
    """Return the asset of data quality: units, ranges, categories and nulls of the newest requests."""
    chunk = ("window_start", "model_version", "chunk", "first_event", "n", "passed")
    shown = (*chunk, "column", "channel", "value", "reason")
    return derived_asset(spec, Derived(DATA_QUALITY, check_data_quality, shown, draw_data, windows=30))


def drift_report_for(spec: EndpointSpec) -> dg.AssetsDefinition:
    """Return the asset of Evidently's drift report, materialized on demand."""
    about = "Evidently's HTML drift report: the newest window against the champion's training set."

    @dg.asset(**asset_options(spec, "drift_report", kinds=["report"], about=about), deps=[key(spec, "drift")])
    def drift_report(modelops_project: ProjectResource) -> dg.MaterializeResult:
        with modelops_project.stores() as stores:
            try:
                report = write_drift_report(stores, spec)
            except EvidenceError as error:  # nothing to compare is no failure of a run that drift started
                return dg.MaterializeResult(metadata={"report": "none", "reason": f"{error.message}. {error.remedy}"})
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
