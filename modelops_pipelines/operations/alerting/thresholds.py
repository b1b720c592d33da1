"""Shared by the judges of alert rules: comparing a value with a rule's threshold, and reading the rows of windows."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from modelops_pipelines.core.alerting.alerts import Verdict
from modelops_pipelines.core.durations import format_duration
from modelops_pipelines.core.endpoints.spec import AlertRule, EndpointSpec
from modelops_pipelines.core.tables.columns import Table
from modelops_pipelines.core.tables.derivations import rule_kinds
from modelops_pipelines.core.windows import LENGTH, windows_between
from modelops_pipelines.operations.lake.incremental import dates_of
from modelops_pipelines.store.stores import Stores

Rows = list[dict[str, Any]]


def severity_of(rule: AlertRule) -> str:
    """Return the severity of a failure of the rule, by its kind."""
    return rule_kinds()[rule.kind].severity


def threshold_verdict(rule: AlertRule, window: str, value: float | None, n: int, unit: str) -> Verdict:
    """Return the verdict on a value; a value of None is not judged."""
    above, below = rule.above, rule.below
    if value is None:
        return not_judged(rule, window, n, "the metric is undefined on this window")
    too_high, too_low = above is not None and value > above, below is not None and value < below
    limit = above if above is not None else below
    relation = "above" if above is not None else "below"
    word = "is" if too_high or too_low else "is not"
    over = f" over {format_duration(rule.over)}" if rule.over else ""
    name = f"estimated {rule.metric}" if rule.kind == "estimated_quality" else rule.metric or rule.kind
    message = f"{name} {value:.4g} {word} {relation} {limit:g}{over} to {window[:16]} ({n} {unit})"
    return Verdict(rule.name, rule.kind, severity_of(rule), not (too_high or too_low), value, limit, n, window, message)


def not_judged(rule: AlertRule, window: str, n: int, why: str) -> Verdict:
    """Return the verdict "not judged", with the reason."""
    return Verdict(rule.name, rule.kind, severity_of(rule), None, None, None, n, window, f"not judged: {why}")


def trailing_windows(window: datetime, over: timedelta, size: str) -> list[datetime]:
    """Return the windows in the span ``over`` that ends with the window, rounded up to whole windows."""
    end = window + LENGTH[size]
    return windows_between(end - over, end, size)


def stored_rows(stores: Stores, spec: EndpointSpec, table: Table, windows: Sequence[datetime]) -> Rows:
    """Return a derived table's rows of these windows."""
    wanted = set(windows)
    if not wanted:
        return []
    with stores.lake.query(spec.name, [table], dates_of(sorted(wanted))) as connected:
        rows: Rows = connected.table(table.name).to_arrow_table().to_pylist()
    return [row for row in rows if row["window_start"] in wanted]


def rows_of_busiest_version(rows: Rows, count: str = "n") -> Rows:
    """Return the rows of the version with the most answered rows, counted in the window itself where that is known."""

    def answered(row: dict[str, Any]) -> int:
        own: int | None = row.get("n_window")
        return row[count] if own is None else own

    busiest = max(rows, key=answered)["model_version"]
    return [row for row in rows if row["model_version"] == busiest]
