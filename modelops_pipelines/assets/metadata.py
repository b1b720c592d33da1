"""Keys, options, check results and metadata that all assets share."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import cache
from typing import Any

import dagster as dg
import orjson

from modelops_pipelines.core.alerting.alerts import Verdict, worst
from modelops_pipelines.core.durations import format_duration
from modelops_pipelines.core.endpoints.alert_rules import AlertRule
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.escaping import markdown
from modelops_pipelines.core.tables.columns import Column, Table
from modelops_pipelines.core.tables.derivations import Derivation
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.alerting.judges.judge_drift import drift_condition
from modelops_pipelines.operations.alerting.life.raise_alerts import AlertChange
from modelops_pipelines.operations.lake.incremental import Recomputed

SHOWN_ROWS = 30


def asset_options(
    spec: EndpointSpec, name: str, *, kinds: Sequence[str], about: str, table: Table | None = None
) -> dict[str, Any]:
    """Return the options that all assets of an endpoint share."""
    metadata: dict[str, Any] = {}
    if table is not None:
        metadata["dagster/column_schema"] = _schema(table)
        metadata["dagster/table_name"] = f"{spec.name}.{table.name}"
    return {
        "key": key(spec, name),
        "group_name": spec.name,
        "description": about,
        "owners": list(spec.owners),
        "kinds": set(kinds),
        "tags": {"endpoint": spec.name, **dict.fromkeys(spec.tags, "")},
        "metadata": metadata,
    }


def asset_spec(spec: EndpointSpec, table: Table, *, kinds: Sequence[str], sources: Sequence[str]) -> dg.AssetSpec:
    """Return the asset of a table that is computed from the endpoint's tables of these names."""
    options = asset_options(spec, table.name, kinds=kinds, about=table.about, table=table)
    return dg.AssetSpec(**options, deps=[key(spec, name) for name in sources])


def key(spec: EndpointSpec, name: str) -> dg.AssetKey:
    """Return an asset's key: the endpoint, then the table."""
    return dg.AssetKey([spec.name, name])


def recomputed_metadata(result: Recomputed, total: int) -> dict[str, Any]:
    """Return what a run recomputed as metadata."""
    return {
        "dagster/row_count": total,
        "windows": len(result.windows),
        "rows_written": result.rows,
        "from": text(result.windows[0]) if result.windows else "nothing changed",
        "to": text(result.windows[-1]) if result.windows else "nothing changed",
    }


def check_specs(spec: EndpointSpec, derivation: Derivation) -> list[dg.AssetCheckSpec]:
    """Return a check for each of the endpoint's alert rules that judge a derived table."""
    asset = key(spec, derivation.name)
    return [dg.AssetCheckSpec(r.name, asset=asset, description=_rule_text(spec, r)) for r in spec.rules_of(derivation)]


def alerts_metadata(changes: Sequence[AlertChange]) -> dict[str, str]:
    """Return the alerts that a run opened, updated or resolved; empty without any."""
    shown = [f"{change.change}: {change.alert.rule}: {change.alert.message}" for change in changes]
    return {"alerts": "\n".join(shown)} if shown else {}


def check_results(spec: EndpointSpec, asset: str, verdicts: Sequence[Verdict]) -> list[dg.AssetCheckResult]:
    """Return a check's result for each rule that was judged: it fails when a window failed.

    A rule that was not judged gets no result: Dagster then shows the check as skipped, which is neither passed nor
    failed, and its health keeps the last result. ``not_judged_rules`` tells why.
    """
    return [_check_result(spec, asset, mine) for mine in _by_rule(verdicts) if worst(mine).passed is not None]


def asset_results(
    asset: dg.AssetKey,
    metadata: Mapping[str, Any],
    checks: Sequence[dg.AssetCheckResult],
    not_judged: Mapping[str, str],
    data_version: dg.DataVersion | None = None,
) -> Iterator[dg.MaterializeResult | dg.Output[None]]:
    """Yield an asset's materialization with the results of its checks; ``not_judged`` has the reasons of the others.

    A check that was not judged yields the bare output that its step must have: Dagster shows it as skipped.
    """
    told = {**metadata, **not_judged_metadata(not_judged)}
    yield dg.MaterializeResult(metadata=told, check_results=checks, data_version=data_version)
    for name in not_judged:
        yield dg.Output(None, output_name=dg.AssetCheckSpec(name, asset=asset).get_python_identifier())


def not_judged_metadata(not_judged: Mapping[str, str]) -> dict[str, Any]:
    """Return the reasons of checks that were not judged as metadata of their asset; nothing without any."""
    rows = [{"check": name, "reason": reason} for name, reason in not_judged.items()]
    return {"not_judged": markdown_table(rows)} if rows else {}


def not_judged_rules(verdicts: Sequence[Verdict]) -> dict[str, str]:
    """Return why each rule without a judged window was not judged."""
    return {mine[0].rule: worst(mine).message for mine in _by_rule(verdicts) if worst(mine).passed is None}


def _by_rule(verdicts: Sequence[Verdict]) -> list[list[Verdict]]:
    rules = dict.fromkeys(verdict.rule for verdict in verdicts)
    return [[verdict for verdict in verdicts if verdict.rule == rule] for rule in rules]


def _check_result(spec: EndpointSpec, asset: str, verdicts: list[Verdict]) -> dg.AssetCheckResult:
    """Return the result of a rule that was judged on a window at least."""
    shown = worst(verdicts)
    severity = dg.AssetCheckSeverity.ERROR if shown.severity == "error" else dg.AssetCheckSeverity.WARN
    known = {name: value for name, value in asdict(shown).items() if value is not None}
    judged = [verdict for verdict in verdicts if verdict.passed is not None]
    failed = sum(not verdict.passed for verdict in judged)
    skipped = len(verdicts) - len(judged)
    counts = f"{failed} of {len(judged)} windows failed" + (f", {skipped} not judged" if skipped else "")
    return dg.AssetCheckResult(
        asset_key=key(spec, asset),
        check_name=shown.rule,
        passed=bool(shown.passed),
        severity=severity,
        description=f"{shown.message} [{counts}]",
        metadata={**known, "verdicts": dg.MetadataValue.json([asdict(verdict) for verdict in verdicts])},
    )


def markdown_table(rows: Sequence[Mapping[str, Any]]) -> dg.MarkdownMetadataValue:
    """Return rows as a Markdown table, at most SHOWN_ROWS of them."""
    if not rows:
        return dg.MetadataValue.md("no rows")
    names = list(rows[0])
    lines = [
        [markdown(name) for name in names],
        ["---"] * len(names),
        *[[_cell(row[name]) for name in names] for row in rows[:SHOWN_ROWS]],
    ]
    more = len(rows) - SHOWN_ROWS
    note = ["", f"{more} more rows are in the table"] if more > 0 else []
    return dg.MetadataValue.md("\n".join([*("| " + " | ".join(line) + " |" for line in lines), *note]))


def json_value(value: object) -> Any:
    """Return a value as JSON for metadata."""
    return orjson.loads(orjson.dumps(value, default=str))


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, datetime):
        return text(value)[:16]
    return "" if value is None else markdown(str(value))


@cache
def _schema(table: Table) -> dg.TableSchema:
    """Return a table's columns for Dagster: the same for all endpoints."""
    return dg.TableSchema(
        [
            dg.TableColumn(
                column.name,
                column.type,
                description=_about(column),
                constraints=dg.TableColumnConstraints(nullable=column.nullable),
            )
            for column in table.columns
        ]
    )


def _about(column: Column) -> str:
    return f"{column.about} ({column.unit})" if column.unit and column.unit not in column.about else column.about


def _rule_text(spec: EndpointSpec, rule: AlertRule) -> str:
    span = f" over {format_duration(rule.over)}" if rule.over else ""
    condition = drift_condition(spec, rule) if rule.kind == "drift" else rule.condition
    if rule.kind == "data_quality":
        limit = "when two consecutive chunks of requests differ from the days before"
    elif condition is None:
        limit = "when its query finds a culprit" if rule.kind == "sql" else "when any column drifted"
    else:
        limit = condition.words
    return f"{rule.metric or rule.name}{span}: fails {limit}"
