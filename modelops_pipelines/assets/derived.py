"""The asset of a derived table: recompute its marked windows, judge them by the alert rules, show the newest rows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from modelops_pipelines.assets.metadata import (
    alerts_metadata,
    asset_options,
    asset_results,
    check_results,
    check_specs,
    key,
    markdown_table,
    not_judged_rules,
    recomputed_metadata,
)
from modelops_pipelines.core.alerting.alerts import with_states
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.columns import Table
from modelops_pipelines.core.tables.derivations import derivation_of, direct_sources
from modelops_pipelines.core.tables.lake import ESTIMATED_QUALITY, QUALITY_METRICS
from modelops_pipelines.operations.alerting.judge_rules import judge_table
from modelops_pipelines.operations.endpoints.missing import to_add
from modelops_pipelines.operations.lake.incremental import Range, Recomputed
from modelops_pipelines.operations.lake.queries import newest
from modelops_pipelines.operations.reports.known_values import hide_unknown, known_values
from modelops_pipelines.resources.project import ProjectResource
from modelops_pipelines.store.stores import Stores

_OF_CLASSES = (QUALITY_METRICS, ESTIMATED_QUALITY)
Derive = Callable[[Stores, EndpointSpec, Range | None], Recomputed]
Rows = list[dict[str, Any]]
Chart = Callable[[Stores, EndpointSpec, Rows], Mapping[str, str]]
"""Draws charts of a table's newest rows: returns Markdown by metadata name."""


class Recompute(dg.Config):
    """Leave both empty to recompute the windows that changed; give both (ISO 8601) to recompute a range in one run."""

    start: str = ""
    end: str = ""

    def requested_range(self) -> Range | None:
        """Return the requested range, or None for the windows that changed."""
        if not self.start and not self.end:
            return None
        return Range(_moment("start", self.start), _moment("end", self.end))


@dataclass(frozen=True)
class Derived:
    """A derived table's asset: the operation that computes it, and the columns, windows and charts that it shows."""

    table: Table
    derive: Derive
    shown: Sequence[str]
    chart: Chart | None = None
    windows: int = 7


def derived_asset(spec: EndpointSpec, of: Derived) -> dg.AssetsDefinition:
    """Return the asset of a derived table, with a check for each of the endpoint's rules that judge it.

    Its dependencies and the rules that judge it are declared in ``core.tables.derivations``.
    """
    table, declared = of.table, derivation_of(of.table.name)

    @dg.asset(
        **asset_options(spec, table.name, kinds=["deltalake", "duckdb"], about=table.about, table=table),
        deps=[key(spec, name) for name in direct_sources(declared)],
        check_specs=check_specs(spec, declared),
    )
    def derived(config: Recompute, project: ProjectResource) -> Iterator[dg.MaterializeResult | dg.Output[None]]:
        with project.stores() as stores:
            result = of.derive(stores, spec, config.requested_range())
            metadata = recomputed_metadata(result, stores.lake.rows(spec.name, table.name))
            rows = newest(stores, spec, table, of.windows)
            if table == QUALITY_METRICS:
                rows = hide_unknown(rows, known_values(stores, spec, [row["model_version"] for row in rows]))
            judged = judge_table(stores, spec, table)
            lacking = to_add(stores, spec, stores.deployments.desired(spec.name)) if table in _OF_CLASSES else None
            charts = of.chart(stores, spec, rows) if of.chart and rows else {}
        newest_first = sorted(rows, key=lambda row: row["window_start"], reverse=True)
        plotted = {f"latest_{v.rule}": v.value for v in judged.verdicts if v.value is not None}
        table_shown = markdown_table([with_states({name: row[name] for name in of.shown}) for row in newest_first])
        drawn = {name: dg.MetadataValue.md(content) for name, content in charts.items()}
        missing = {"to_add": lacking} if lacking else {}
        told = {**metadata, **missing, **plotted, **alerts_metadata(judged.changes), **drawn, "newest": table_shown}
        checks = check_results(spec, table.name, judged.verdicts)
        yield from asset_results(key(spec, table.name), told, checks, not_judged_rules(judged.verdicts))

    return derived


def _moment(name: str, value: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        example = "Give both start and end, for example 2026-01-31T00:00:00Z"
        description = f"{name} is {value!r}, which is not an ISO 8601 time. {example}"
        raise dg.Failure(description=description, allow_retries=False) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
