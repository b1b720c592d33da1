"""The asset of requests per API key, with a check against a recount of the log."""

import dagster as dg

from modelops_pipelines.assets.metadata import asset_spec, markdown_table, recomputed_metadata
from modelops_pipelines.assets.monitoring import MonitoredTable, Shown
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.derivations import derivation_of, direct_sources
from modelops_pipelines.core.tables.lake import KEY_USAGE
from modelops_pipelines.operations.governance.key_usage import Gap, measure_usage, usage_gaps
from modelops_pipelines.operations.lake.incremental import Range
from modelops_pipelines.operations.lake.queries import newest
from modelops_pipelines.store.stores import Stores

COMPLETE = "key_usage_complete"
SHOWN_GAPS = 10
_SHOWN = ("window_start", "key_id", "requests", "predictions", "client_errors", "server_errors", "last_used_at")


def key_usage_for(spec: EndpointSpec) -> MonitoredTable:
    """Return the asset of requests per API key."""
    sources = direct_sources(derivation_of(KEY_USAGE.name))
    asset = asset_spec(spec, KEY_USAGE, kinds=["deltalake", "duckdb"], sources=sources)

    def compute(stores: Stores, asked: Range | None) -> Shown:
        result = measure_usage(stores, spec, asked)
        metadata = recomputed_metadata(result, stores.lake.rows(spec.name, KEY_USAGE.name))
        rows = newest(stores, spec, KEY_USAGE)
        gaps = usage_gaps(stores, spec)
        newest_first = sorted(rows, key=lambda row: row["window_start"], reverse=True)
        shown = markdown_table([{name: row[name] for name in _SHOWN} for row in newest_first])
        judged = bool(rows or gaps)
        unjudged = {} if judged else {COMPLETE: "not judged: 0 requests are in the log"}
        return Shown({**metadata, "newest": shown}, [_complete(gaps, asset.key)] if judged else [], unjudged)

    about = "Passes when each key's request count equals a recount of the log."
    return MonitoredTable(asset, [dg.AssetCheckSpec(COMPLETE, asset=asset.key, description=about)], compute)


def _complete(gaps: list[Gap], asset: dg.AssetKey) -> dg.AssetCheckResult:
    details = "; ".join(f"{gap.key_id}: {gap.counted} counted, {gap.recounted} in the log" for gap in gaps[:SHOWN_GAPS])
    about = (
        f"{len(gaps)} key(s) differ: {details}. Materialize it for a range (start, end)" if gaps else "all counts agree"
    )
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=COMPLETE,
        passed=not gaps,
        severity=dg.AssetCheckSeverity.ERROR,
        description=about,
        metadata={"keys_that_differ": len(gaps)},
    )
