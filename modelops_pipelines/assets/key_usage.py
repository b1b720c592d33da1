"""The asset of requests per API key, with a check against a recount of the log."""

from collections.abc import Iterator

import dagster as dg

from modelops_pipelines.assets.derived import Recompute
from modelops_pipelines.assets.metadata import asset_options, asset_results, key, markdown_table, recomputed_metadata
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.derivations import derivation_of, direct_sources
from modelops_pipelines.core.tables.lake import KEY_USAGE
from modelops_pipelines.operations.governance.key_usage import Gap, measure_usage, usage_gaps
from modelops_pipelines.operations.lake.queries import newest
from modelops_pipelines.resources.project import ProjectResource

COMPLETE = "key_usage_complete"
SHOWN_GAPS = 10
_SHOWN = ("window_start", "key_id", "requests", "predictions", "client_errors", "server_errors", "last_used_at")


def key_usage_for(spec: EndpointSpec) -> dg.AssetsDefinition:
    """Return the asset of requests per API key."""
    about = "Passes when each key's request count equals a recount of the log."
    options = asset_options(spec, KEY_USAGE.name, kinds=["deltalake", "duckdb"], about=KEY_USAGE.about, table=KEY_USAGE)
    complete = dg.AssetCheckSpec(COMPLETE, asset=options["key"], description=about)

    @dg.asset(
        **options,
        deps=[key(spec, name) for name in direct_sources(derivation_of(KEY_USAGE.name))],
        check_specs=[complete],
    )
    def key_usage(config: Recompute, project: ProjectResource) -> Iterator[dg.MaterializeResult | dg.Output[None]]:
        with project.stores() as stores:
            result = measure_usage(stores, spec, config.requested_range())
            metadata = recomputed_metadata(result, stores.lake.rows(spec.name, KEY_USAGE.name))
            rows = newest(stores, spec, KEY_USAGE)
            gaps = usage_gaps(stores, spec)
        newest_first = sorted(rows, key=lambda row: row["window_start"], reverse=True)
        shown = markdown_table([{name: row[name] for name in _SHOWN} for row in newest_first])
        judged = bool(rows or gaps)
        unjudged = {} if judged else {COMPLETE: "not judged: 0 requests are in the log"}
        checks = [_complete(gaps, options)] if judged else []
        yield from asset_results(options["key"], {**metadata, "newest": shown}, checks, unjudged)

    return key_usage


def _complete(gaps: list[Gap], options: dict[str, dg.AssetKey]) -> dg.AssetCheckResult:
    details = "; ".join(f"{gap.key_id}: {gap.counted} counted, {gap.recounted} in the log" for gap in gaps[:SHOWN_GAPS])
    about = (
        f"{len(gaps)} key(s) differ: {details}. Materialize it for a range (start, end)" if gaps else "all counts agree"
    )
    return dg.AssetCheckResult(
        asset_key=options["key"],
        check_name=COMPLETE,
        passed=not gaps,
        severity=dg.AssetCheckSeverity.ERROR,
        description=about,
        metadata={"keys_that_differ": len(gaps)},
    )
