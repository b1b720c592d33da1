"""What the spool brings: the inference log, labels and feedback of one endpoint."""

import dagster as dg

from modelops_pipelines.assets.describe import asset_options
from modelops_pipelines.core.endpoint import EndpointSpec
from modelops_pipelines.core.tables import FEEDBACK, INFERENCE_LOG, LABELS, Table
from modelops_pipelines.operations.ingest import IngestReport, ingest
from modelops_pipelines.resources.project import ProjectResource

NOTHING_REJECTED = "nothing_rejected"


def inference_log_for(spec: EndpointSpec) -> dg.AssetsDefinition:
    """Return the asset of the endpoint's log."""
    return _stream_asset(spec, "predictions", INFERENCE_LOG)


def labels_for(spec: EndpointSpec) -> dg.AssetsDefinition:
    """Return the asset of the endpoint's labels."""
    return _stream_asset(spec, "labels", LABELS)


def feedback_for(spec: EndpointSpec) -> dg.AssetsDefinition:
    """Return the asset of the endpoint's feedback."""
    return _stream_asset(spec, "feedback", FEEDBACK)


def _stream_asset(spec: EndpointSpec, stream: str, table: Table) -> dg.AssetsDefinition:
    options = asset_options(spec, table.name, kinds=["deltalake", "python"], about=table.about, table=table)
    check = dg.AssetCheckSpec(NOTHING_REJECTED, asset=options["key"], description="Every captured line became rows.")

    @dg.asset(**options, check_specs=[check])
    def stream_asset(project: ProjectResource) -> dg.MaterializeResult:
        with project.stores() as stores:
            report = ingest(stores, spec, stream)
            total = stores.lake.rows(spec.name, table.name)
        return dg.MaterializeResult(metadata=_metadata(report, total), check_results=[_check(report, options["key"])])

    return stream_asset


def _metadata(report: IngestReport, total: int) -> dict[str, int]:
    return {
        "dagster/row_count": total,
        "rows_added": report.rows,
        "rows_repeated": report.repeated,
        "rejected": report.rejected,
        "segments": report.segments,
        "windows_touched": len(report.windows),
    }


def _check(report: IngestReport, asset: dg.AssetKey) -> dg.AssetCheckResult:
    reasons = "; ".join(dict.fromkeys(report.reasons)) or "none"
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=NOTHING_REJECTED,
        passed=not report.rejected,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{report.rejected} line(s) rejected ({reasons}); they are in the table 'rejects'",
    )
