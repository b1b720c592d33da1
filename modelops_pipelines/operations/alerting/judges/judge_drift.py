"""Judges rules of the kinds drift and data_quality on the stored verdicts on columns and on chunks of requests."""

from collections.abc import Sequence
from datetime import datetime

from modelops_pipelines.core.alerting.alerts import Verdict
from modelops_pipelines.core.endpoints.alert_rules import DRIFTED_SHARES, AlertRule, Condition
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.lake import DATA_QUALITY, DRIFT
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.alerting.judges.thresholds import (
    Rows,
    not_judged,
    rows_of_busiest_version,
    severity_of,
    stored_rows,
)
from modelops_pipelines.store.stores import Stores

NAMED = 5
"""Columns that a message names, at most."""


def judge_drift(stores: Stores, spec: EndpointSpec, rule: AlertRule, windows: Sequence[datetime]) -> list[Verdict]:
    """Judge each window's stored drift."""
    rows = stored_rows(stores, spec, DRIFT, windows)
    return [_drift_verdict(spec, rule, one, [r for r in rows if r["window_start"] == one]) for one in windows]


def drift_condition(spec: EndpointSpec, rule: AlertRule) -> Condition | None:
    """Return when the share of drifted columns fails; None where a single column is enough.

    ``above`` has always meant at or above here: a share of 0.5 fails ``above: 0.5``.
    """
    limit = rule.above if rule.above is not None else DRIFTED_SHARES.get(spec.drift.method)
    if rule.condition is not None and rule.above is None:
        return rule.condition
    return None if limit is None else Condition("ge", limit, limit)


def _drift_verdict(spec: EndpointSpec, rule: AlertRule, window: datetime, rows: Rows) -> Verdict:
    if not rows:
        return not_judged(rule, text(window), 0, "no reference to compare with yet")
    mine = rows_of_busiest_version(rows)
    judged = [row for row in mine if row["drifted"] is not None]
    lasting = [row for row in mine if row["drifted"] is None and row["since"] is not None]
    drifted = sorted((row for row in judged if row["drifted"]), key=_severity_rank, reverse=True)
    condition = drift_condition(spec, rule)
    limit = None if condition is None else condition.low
    if not judged:
        return not_judged(rule, text(window), mine[0]["n"], str((lasting or mine)[0]["reason"]))
    passed = _passes(len(drifted), len(judged), condition)
    if passed and lasting and not _passes(len(drifted) + len(lasting), len(judged) + len(lasting), condition):
        why = f"{lasting[0]['column']} has drifted since {text(lasting[0]['since'])[:16]}Z: {lasting[0]['reason']}"
        return not_judged(rule, text(window), mine[0]["n"], why)
    share = len(drifted) / len(judged)
    allowed = "none allowed" if limit is None else f"share {share:.2f}, limit {limit:g}"
    message = f"{len(drifted)} of {len(judged)} columns drifted ({allowed}) on {text(window)[:16]}"
    if drifted:
        message += f", {judged[0]['method'] or 'fixed'}, {judged[0]['reference'] or 'training set'}: "
        message += "; ".join(_describe_column(row) for row in drifted[:NAMED])
    grave = rule.severity is None and any(row["severity"] == "high" for row in drifted)
    severity = "error" if grave else severity_of(rule)
    return Verdict(rule.name, rule.kind, severity, passed, share, limit, mine[0]["n"], text(window), message)


def _passes(drifted: int, judged: int, condition: Condition | None) -> bool:
    return not drifted if condition is None else not condition.fails(drifted / judged)


def _describe_column(row: dict[str, object]) -> str:
    """Describe a drifted column: the statistic, its value and threshold, the column's importance, the severity."""
    value, threshold, importance = row["value"], row["threshold"], row["importance"]
    number = f" {value:.3g}" if isinstance(value, float) else ""
    limit = f" (threshold {threshold:.3g})" if isinstance(threshold, float) else ""
    weight = f", importance {importance:.2f}" if isinstance(importance, float) else ""
    channel = f" {row['channel']}" if row["channel"] not in {None, "distribution"} else f" {row['statistic']}"
    severity = f", {row['severity']}" if row["severity"] else ""
    since = f", since {text(row['since'])[:16]}Z" if isinstance(row["since"], datetime) else ""
    return f"{row['column']}{channel}{number}{limit}{weight}{severity}{since}"


def _severity_rank(row: dict[str, object]) -> tuple[int, float]:
    effect = row["effect"] if isinstance(row["effect"], float) else row["value"]
    order = ("none", "low", "medium", "high")
    severity = str(row["severity"] or "none")
    return (order.index(severity), effect if isinstance(effect, float) else 0.0)


def judge_data(stores: Stores, spec: EndpointSpec, rule: AlertRule, windows: Sequence[datetime]) -> list[Verdict]:
    """Judge each window's chunks of requests: a window fails when two chunks in a row do."""
    rows = stored_rows(stores, spec, DATA_QUALITY, windows)
    return [_data_verdict(rule, one, [r for r in rows if r["window_start"] == one]) for one in windows]


def _data_verdict(rule: AlertRule, window: datetime, rows: Rows) -> Verdict:
    if not rows:
        return not_judged(rule, text(window), 0, "no chunk of requests has been compared with the days before")
    judged = [row for row in rows if row["passed"] is not None]
    if not judged:
        return not_judged(rule, text(window), sum(row["n"] for row in rows), str(rows[0]["reason"]))
    failed = sorted((r for r in judged if not r["passed"]), key=lambda row: (row["model_version"], row["chunk"]))
    n = sum(row["n"] for row in judged)
    if not failed:
        message = f"{len(judged)} chunks of requests on {text(window)[:16]} are like the days before"
        return Verdict(rule.name, rule.kind, severity_of(rule), True, 0.0, None, n, text(window), message)
    first = failed[0]
    message = f"since {text(first['first_event'])[:19]}Z {first['reason']} ({len(failed)} of {len(judged)} chunks)"
    return Verdict(rule.name, rule.kind, severity_of(rule), False, first["value"], None, n, text(window), message)
