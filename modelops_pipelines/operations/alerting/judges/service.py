"""Judges errors, availability and latency over a span of hours, from the hours in ``service_metrics``."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from modelops_pipelines.core.alerting.alerts import Verdict
from modelops_pipelines.core.endpoints.alert_rules import DEFAULT_PERCENTILE, SERVICE_ALERT_OVER, AlertRule
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.lake import SERVICE_METRICS
from modelops_pipelines.core.windows import hours_of, text
from modelops_pipelines.operations.alerting.judges.thresholds import (
    MOST_WINDOWS,
    Rows,
    not_judged,
    stored_rows,
    threshold_verdict,
    trailing_windows,
)
from modelops_pipelines.operations.metrics.traffic import Traffic, sum_traffic
from modelops_pipelines.store.stores import Stores

MINIMUM_REQUESTS = 20


def judge_service(stores: Stores, spec: EndpointSpec, rule: AlertRule, windows: Sequence[datetime]) -> list[Verdict]:
    """Judge the span that ends with each hour that has requests, whatever the endpoint's window is."""
    hours = hours_of(windows, spec.window)
    by_hour = rows_by_hour(stores, spec, rule, hours)
    judged = [hour for hour in hours if hour in by_hour][-MOST_WINDOWS:]
    return [_service_verdict(rule, hour, traffic_until(rule, hour, by_hour)) for hour in judged]


def rows_by_hour(
    stores: Stores, spec: EndpointSpec, rule: AlertRule, hours: Sequence[datetime]
) -> Mapping[datetime, Rows]:
    """Return the rows of ``service_metrics`` of the spans that end with these hours, by hour."""
    needed = {one for hour in hours for one in span_of(rule, hour)}
    by_hour: dict[datetime, Rows] = {}
    for row in stored_rows(stores, spec, SERVICE_METRICS, sorted(needed)):
        by_hour.setdefault(row["window_start"], []).append(row)
    return by_hour


def span_of(rule: AlertRule, hour: datetime) -> list[datetime]:
    """Return the hours of the rule's span that ends with this hour."""
    return trailing_windows(hour, rule.over or SERVICE_ALERT_OVER, "hour")


def traffic_until(rule: AlertRule, hour: datetime, by_hour: Mapping[datetime, Rows]) -> Traffic:
    """Return the traffic of the rule's span that ends with this hour."""
    return sum_traffic(row for one in span_of(rule, hour) for row in by_hour.get(one, []))


def _service_verdict(rule: AlertRule, hour: datetime, total: Traffic) -> Verdict:
    minimum = rule.minimum or MINIMUM_REQUESTS
    if total.requests < minimum:
        why = f"{total.requests} requests; a verdict needs {minimum}"
        return not_judged(rule, text(hour), total.requests, why)
    return threshold_verdict(rule, hour, _value(rule, total), total.requests, "requests")


def _value(rule: AlertRule, total: Traffic) -> float | None:
    if rule.kind == "error_rate":
        return total.error_rate
    if rule.kind == "availability":
        return total.availability
    return total.percentile((rule.percentile or DEFAULT_PERCENTILE) / 100)
