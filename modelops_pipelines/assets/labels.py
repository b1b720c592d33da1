"""The asset of labels that are read from the sources of an endpoint's YAML."""

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from modelops_pipelines.assets.metadata import asset_spec, markdown_table
from modelops_pipelines.assets.monitoring import MonitoredTable, Shown
from modelops_pipelines.core.endpoints.spec import IMPORTED_LABELS, EndpointSpec
from modelops_pipelines.core.tables.keyed_labels import KEYED_LABELS
from modelops_pipelines.core.tables.lake import INFERENCE_LOG
from modelops_pipelines.operations.lake.incremental import Range
from modelops_pipelines.store.stores import Stores

if TYPE_CHECKING:
    from modelops_pipelines.operations.improve.labels.import_labels import Imported
    from modelops_pipelines.operations.improve.labels.source_counts import SourceCounts

LABELS_MATCH = "labels_match"
RECENT = timedelta(days=7)
"""The check judges rows that were received within this time, or the label horizon where that is longer."""
_ABOUT = (
    "Passes when every source could be read, and no row of the last 7 days (or of the label horizon) is refused, "
    "ambiguous, or past its time without a match."
)


def imported_labels_for(spec: EndpointSpec) -> MonitoredTable:
    """Return the asset of the endpoint's imported labels; only endpoints with label sources have it."""
    asset = asset_spec(spec, KEYED_LABELS, kinds=["deltalake", "python"], sources=[INFERENCE_LOG.name])
    asset = asset.replace_attributes(key=dg.AssetKey([spec.name, IMPORTED_LABELS]))

    def compute(stores: Stores, _asked: Range | None) -> Shown:
        from modelops_pipelines.operations.improve.labels.import_labels import import_labels
        from modelops_pipelines.operations.improve.labels.source_counts import counts_of

        imported, matching = import_labels(stores, spec, only_due=True)
        counts = {name: one for name, one in counts_of(stores, spec).items() if one.rows}
        progress, declared = stores.label_sources.of(spec.name), {source.name for source in spec.label_sources}
        errors = {name: one.error for name, one in progress.items() if one.error and name in declared}
        recent = counts_of(stores, spec, stores.now() - max(RECENT, spec.label_horizon))
        numbers = {
            "sources_read": len(imported),
            "rows_read": sum(one.read for one in imported),
            "labels_added": sum(one.labels for one in imported) + matching.written,
            "rows_refused": sum(one.refused for one in imported),
            "files_left": sum(one.left for one in imported),
            "moved_to_a_nearer_prediction": matching.moved,
        }
        return Shown(numbers | _shown(imported, counts), [_labels_match(asset.key, recent, errors)])

    check = dg.AssetCheckSpec(LABELS_MATCH, asset=asset.key, description=_ABOUT)
    return MonitoredTable(asset, [check], compute)


def _shown(imported: "list[Imported]", counts: "Mapping[str, SourceCounts]") -> dict[str, Any]:
    """Return the counts by source, why rows are no labels, and what could not be read, as tables."""
    rows = [
        {
            "source": name,
            "matched": one.matched,
            "waiting": one.waiting,
            "ambiguous": one.ambiguous,
            "expired": one.expired,
            "refused": one.refused,
        }
        for name, one in counts.items()
    ]
    reasons = [
        {"source": name, "rows": n, "reason": reason}
        for name, one in counts.items()
        for reason, n in one.reasons.items()
    ]
    refusals = [{"source": one.source, "problem": said} for one in imported for said in (*one.faults, *one.refusals)]
    tables: dict[str, list[dict[str, Any]]] = {"by_source": rows, "unmatched_by_reason": reasons, "problems": refusals}
    return {name: markdown_table(table) for name, table in tables.items() if table}


def _labels_match(
    asset: dg.AssetKey, counts: "Mapping[str, SourceCounts]", errors: Mapping[str, str | None]
) -> dg.AssetCheckResult:
    bad = {
        "refused": sum(one.refused for one in counts.values()),
        "ambiguous": sum(one.ambiguous for one in counts.values()),
        "expired": sum(one.expired for one in counts.values()),
        "unreadable_sources": len(errors),
    }
    waiting, matched = sum(one.waiting for one in counts.values()), sum(one.matched for one in counts.values())
    about = (
        f"{matched} label(s) matched, {waiting} waiting; {bad['refused']} row(s) refused, "
        f"{bad['ambiguous']} ambiguous, {bad['expired']} past their time; "
        f"{bad['unreadable_sources']} source(s) with a fault"
    )
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=LABELS_MATCH,
        passed=not any(bad.values()),
        severity=dg.AssetCheckSeverity.WARN,
        description=about,
        metadata={**bad, "waiting": waiting, "matched": matched},
    )
