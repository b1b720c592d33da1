"""The asset of a derived table: recompute its marked windows, judge them by the alert rules, show the newest rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from modelops_pipelines.assets.metadata import (
    alerts_metadata,
    asset_spec,
    check_results,
    check_specs,
    markdown_table,
    not_judged_rules,
    recomputed_metadata,
)
from modelops_pipelines.assets.monitoring import MonitoredTable, Shown
from modelops_pipelines.core.alerting.alerts import with_states
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.columns import Table
from modelops_pipelines.core.tables.derivations import derivation_of, direct_sources
from modelops_pipelines.core.tables.lake import ESTIMATED_QUALITY, QUALITY_METRICS
from modelops_pipelines.operations.alerting.judges.judge_rules import judge_table
from modelops_pipelines.operations.alerting.rules.effective_rules import with_runtime_rules
from modelops_pipelines.operations.endpoints.missing import to_add
from modelops_pipelines.operations.lake.incremental import Range, Recomputed
from modelops_pipelines.operations.lake.queries import newest
from modelops_pipelines.operations.reports.known_values import hide_unknown, known_values
from modelops_pipelines.store.stores import Stores

_OF_CLASSES = (QUALITY_METRICS, ESTIMATED_QUALITY)
Derive = Callable[[Stores, EndpointSpec, Range | None], Recomputed]
Rows = list[dict[str, Any]]
Chart = Callable[[Stores, EndpointSpec, Rows], Mapping[str, str]]
"""Draws charts of a table's newest rows: returns Markdown by metadata name."""


@dataclass(frozen=True)
class Told:
    """What follows from a table beside its alert rules: metadata, results of more checks, and why others have none."""

    metadata: Mapping[str, Any] = field(default_factory=dict)
    checks: Sequence[dg.AssetCheckResult] = ()
    not_judged: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Further:
    """More checks of a table's asset, and what judges them."""

    specs: Callable[[EndpointSpec], Sequence[dg.AssetCheckSpec]]
    judge: Callable[[Stores, EndpointSpec], Told]


@dataclass(frozen=True)
class Derived:
    """A derived table's asset: the operation that computes it, and the columns, windows and charts that it shows."""

    table: Table
    derive: Derive
    shown: Sequence[str]
    chart: Chart | None = None
    windows: int = 7
    further: Further | None = None


def derived_asset(spec: EndpointSpec, of: Derived) -> MonitoredTable:
    """Return the asset of a derived table, with a check for each of the endpoint's rules that judge it.

    Its dependencies and the rules that judge it are declared in ``core.tables.derivations``.
    """
    table, declared = of.table, derivation_of(of.table.name)

    def compute(stores: Stores, asked: Range | None) -> Shown:
        judged_spec = with_runtime_rules(stores, spec)  # their windows are marked, and judged, with its own
        result = of.derive(stores, judged_spec, asked)
        metadata = recomputed_metadata(result, stores.lake.rows(spec.name, table.name))
        rows = newest(stores, spec, table, of.windows)
        if table == QUALITY_METRICS:
            rows = hide_unknown(rows, known_values(stores, spec, [row["model_version"] for row in rows]))
        judged = judge_table(stores, judged_spec, table)
        lacking = to_add(stores, spec, stores.deployments.desired(spec.name)) if table in _OF_CLASSES else None
        charts = of.chart(stores, spec, rows) if of.chart and rows else {}
        newest_first = sorted(rows, key=lambda row: row["window_start"], reverse=True)
        plotted = {f"latest_{v.rule}": v.value for v in judged.verdicts if v.value is not None}
        table_shown = markdown_table([with_states({name: row[name] for name in of.shown}) for row in newest_first])
        drawn = {name: dg.MetadataValue.md(content) for name, content in charts.items()}
        missing = {"to_add": lacking} if lacking else {}
        more = of.further.judge(stores, spec) if of.further else Told()
        alerts = alerts_metadata(judged.changes)
        told = {**metadata, **missing, **plotted, **more.metadata, **alerts, **drawn, "newest": table_shown}
        own = {rule.name for rule in spec.rules_of(declared)}  # a rule made at run time has no check
        checked = [verdict for verdict in judged.verdicts if verdict.rule in own]
        checks = [*check_results(spec, table.name, checked), *more.checks]
        return Shown(told, checks, not_judged_rules(checked) | dict(more.not_judged))

    asset = asset_spec(spec, table, kinds=["deltalake", "duckdb"], sources=direct_sources(declared))
    more_checks = of.further.specs(spec) if of.further else ()
    return MonitoredTable(asset, [*check_specs(spec, declared), *more_checks], compute)
