"""Shared by the judges of alert rules: comparing a value with a rule's threshold, and reading the rows of windows."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from math import isfinite
from typing import Any

from modelops_pipelines.core.alerting.alerts import Verdict
from modelops_pipelines.core.durations import format_duration
from modelops_pipelines.core.endpoints.alert_rules import DEFAULT_PERCENTILE, AlertRule
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.number_words import number_text
from modelops_pipelines.core.tables.columns import Table
from modelops_pipelines.core.tables.derivations import rule_kinds
from modelops_pipelines.core.windows import LENGTH, text, windows_between
from modelops_pipelines.store.stores import Stores

MOST_WINDOWS = 200
Rows = list[dict[str, Any]]


def severity_of(rule: AlertRule) -> str:
    """Return the severity of a failure of the rule: its own, or that of its kind."""
    return rule.severity or rule_kinds()[rule.kind].severity


def threshold_verdict(
    rule: AlertRule, window: datetime, value: float | None, n: int, unit: str, size: str = "hour"
) -> Verdict:
    """Return the verdict on a value of the span that ends with a window of this size; None is not judged."""
    name = text(window)
    if value is None or not isfinite(value):
        return not_judged(rule, name, n, "the metric is undefined on this window")
    condition = rule.condition
    if condition is None:
        return not_judged(rule, name, n, "the rule has no threshold")
    failed = condition.fails(value)
    compared = f"{subject_of(rule)} {number_text(value)} {'is' if failed else 'is not'} {condition.words}"
    message = f"{compared} {span_words(rule, window, size)} ({n} {unit})"
    limit = condition.limit(value)
    return Verdict(rule.name, rule.kind, severity_of(rule), not failed, value, limit, n, name, message)


def span_words(rule: AlertRule, window: datetime, size: str) -> str:
    """Return when the rows were that the rule judges: a window by its start, several by the end of the last one."""
    if rule.over is None or rule.over <= LENGTH[size]:
        return f"in the {size} from {text(window)[:16]}Z"
    return f"over {format_duration(rule.over)} to {text(window + LENGTH[size])[:16]}Z"


def subject_of(rule: AlertRule) -> str:
    """Return the words for what the rule compares."""
    if rule.kind == "estimated_quality":
        return f"estimated {rule.metric}"
    if rule.kind == "latency":
        return f"latency p{rule.percentile or DEFAULT_PERCENTILE:g} (ms)"
    subjects = {"volume": "requests", "throughput": "requests per second", "sql": rule.name}
    return subjects.get(rule.kind) or rule.metric or rule.kind


def not_judged(rule: AlertRule, window: str, n: int, why: str) -> Verdict:
    """Return the verdict "not judged", with the reason."""
    return Verdict(rule.name, rule.kind, severity_of(rule), None, None, None, n, window, f"not judged: {why}")


def mature_windows(stores: Stores, spec: EndpointSpec, windows: Sequence[datetime]) -> list[datetime]:
    """Return the windows that ended a label horizon before the watermark, and always the newest of these."""
    watermark = stores.ingest_progress.of(spec.name).watermark
    if watermark is None:
        return []
    length = LENGTH[spec.window]
    latest = watermark - spec.label_horizon - length
    mature = {window for window in windows if window <= latest}
    newest = windows_between(latest - length, latest, spec.window)
    return sorted(mature | ({newest[-1]} if newest else set()))


def trailing_windows(window: datetime, over: timedelta, size: str) -> list[datetime]:
    """Return the windows in the span ``over`` that ends with the window, rounded up to whole windows."""
    end = window + LENGTH[size]
    return windows_between(end - over, end, size)


def stored_rows(stores: Stores, spec: EndpointSpec, table: Table, windows: Sequence[datetime]) -> Rows:
    """Return a derived table's rows of these windows."""
    from modelops_pipelines.operations.lake.incremental import dates_of  # imports Arrow

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
