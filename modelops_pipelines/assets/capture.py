"""The assets that ingest the spool: the inference log, labels and feedback of one endpoint."""

import dagster as dg

from modelops_pipelines.assets.metadata import asset_spec
from modelops_pipelines.assets.monitoring import MonitoredTable, Shown
from modelops_pipelines.core.capture.health import CAPTURE, CaptureHealth
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.columns import Table
from modelops_pipelines.core.tables.lake import FEEDBACK, INFERENCE_LOG, LABELS
from modelops_pipelines.operations.alerting.watches.capture_watch import capture_health
from modelops_pipelines.operations.capture.ingest import IngestReport, ingest
from modelops_pipelines.operations.capture.join_checks import Joined, join_with_log
from modelops_pipelines.operations.improve.labels.match_keyed import match_keyed
from modelops_pipelines.operations.lake.incremental import Range
from modelops_pipelines.store.stores import Stores

NOTHING_REJECTED, JOINS_THE_LOG = "nothing_rejected", "joins_the_log"


def inference_log_for(spec: EndpointSpec) -> MonitoredTable:
    """Return the asset of the endpoint's inference log."""
    return _stream_table(spec, "predictions", INFERENCE_LOG)


def labels_for(spec: EndpointSpec) -> MonitoredTable:
    """Return the asset of the endpoint's labels."""
    return _stream_table(spec, "labels", LABELS)


def feedback_for(spec: EndpointSpec) -> MonitoredTable:
    """Return the asset of the endpoint's feedback."""
    return _stream_table(spec, "feedback", FEEDBACK)


def _stream_table(spec: EndpointSpec, stream: str, table: Table) -> MonitoredTable:
    responses = stream != "predictions"
    asset = asset_spec(spec, table, kinds=["deltalake", "python"], sources=[INFERENCE_LOG.name] if responses else [])

    def compute(stores: Stores, _asked: Range | None) -> Shown:
        report = ingest(stores, spec, stream)
        if stream == "labels":
            match_keyed(stores, spec)
        joined = join_with_log(stores, spec, stream, report.windows) if responses else None
        health = capture_health(stores.settings, spec.name, stores.now())
        total = stores.lake.rows(spec.name, table.name)
        judged = [
            _nothing_rejected(report, asset.key),
            _joins(joined, asset.key) if joined else _capture(health, asset.key),
        ]
        checks = [check for check in judged if check is not None]
        return Shown(_metadata(report, total), checks, _not_judged(report, joined))

    checks = [dg.AssetCheckSpec(name, asset=asset.key, description=about) for name, about in _checks(responses)]
    return MonitoredTable(asset, checks, compute)


def _checks(responses: bool) -> list[tuple[str, str]]:  # noqa: FBT001 - a private helper
    rejected = (NOTHING_REJECTED, "Passes when no captured record was rejected in the ingest.")
    joins = (JOINS_THE_LOG, "Passes when each row joins exactly one answered prediction in the log.")
    capture = (CAPTURE, "Passes when ingest lag, spool backlog and disk usage are within their limits.")
    return [rejected, joins if responses else capture]


def _metadata(report: IngestReport, total: int) -> dict[str, int]:
    return {
        "dagster/row_count": total,
        "rows_added": report.rows,
        "rows_repeated": report.repeated,
        "rejected": report.rejected,
        "segments": report.segments,
        "windows_touched": len(report.windows),
    }


def _not_judged(report: IngestReport, joined: Joined | None) -> dict[str, str]:
    """Return why each check that has nothing to judge in this run was not judged."""
    none_read = {} if _records(report) else {NOTHING_REJECTED: "not judged: this run read 0 records"}
    none_joined = joined is not None and not joined.responses
    return none_read | ({JOINS_THE_LOG: "not judged: 0 predictions with a label or feedback"} if none_joined else {})


def _records(report: IngestReport) -> int:
    return report.rows + report.repeated + report.rejected


def _nothing_rejected(report: IngestReport, asset: dg.AssetKey) -> dg.AssetCheckResult | None:
    if not _records(report):
        return None
    reasons = "; ".join(dict.fromkeys(report.reasons)) or "none"
    about = f"{report.rejected} record(s) rejected ({reasons}); see the table 'rejects'"
    return _warning(NOTHING_REJECTED, asset, passed=not report.rejected, about=about)


def _joins(joined: Joined, asset: dg.AssetKey) -> dg.AssetCheckResult | None:
    if not joined.responses:
        return None
    about = (
        f"{joined.unmatched} of {joined.responses} predictions with a label or feedback are not in the log, or not yet"
    )
    return _warning(JOINS_THE_LOG, asset, passed=not joined.unmatched, about=about)


def _capture(health: CaptureHealth, asset: dg.AssetKey) -> dg.AssetCheckResult:
    """Show the health after this ingest. Its alert is raised elsewhere, so that it works without ingests too."""
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=CAPTURE,
        passed=health.ok,
        severity=dg.AssetCheckSeverity.ERROR,
        description=health.message,
        metadata={check.name: check.value for check in health.checks},
    )


def _warning(name: str, asset: dg.AssetKey, *, passed: bool, about: str) -> dg.AssetCheckResult:
    severity = dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(asset_key=asset, check_name=name, passed=passed, severity=severity, description=about)
