"""Judges how many requests a span of hours has: too few as well as too many. No traffic is what it must see.

An hour without a request has no row. So too few is judged only of an hour that is over, and whose requests are all in
the lake; too many as soon as they are there.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from modelops_pipelines.core.alerting.alerts import Verdict
from modelops_pipelines.core.endpoints.alert_rules import ARRIVAL_SLACK, AlertRule, Condition
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.release.desired_state import ACTIVE
from modelops_pipelines.core.release.event_log import DELETE, DEPLOY, START
from modelops_pipelines.core.tables.lake import SERVICE_METRICS
from modelops_pipelines.core.windows import LENGTH, hours_of, text
from modelops_pipelines.operations.alerting.judges.service import rows_by_hour, span_of, traffic_until
from modelops_pipelines.operations.alerting.judges.thresholds import MOST_WINDOWS, Rows, not_judged, threshold_verdict
from modelops_pipelines.store.spool.backlog import backlog
from modelops_pipelines.store.stores import Stores

_HOUR = LENGTH["hour"]
_STOPPING = {"stop", DELETE}
_STARTING = {START, DEPLOY}
_NEVER = "the endpoint has never had traffic"


def judge_volume(stores: Stores, spec: EndpointSpec, rule: AlertRule, windows: Sequence[datetime]) -> list[Verdict]:
    """Judge the span that ends with each hour, also with one that has no request."""
    until, first = complete_until(stores, spec, stores.now()), first_hour(stores, spec)
    hours = [hour for hour in hours_of(windows, spec.window) if hour <= stores.now()][-MOST_WINDOWS:]
    if first is None:
        return [not_judged(rule, text(hour), 0, _NEVER) for hour in hours]
    by_hour = rows_by_hour(stores, spec, rule, hours)
    pauses = _pauses(stores, spec)
    return [_verdict(rule, hour, by_hour, _why_not_few(rule, hour, first, until, pauses)) for hour in hours]


def _verdict(rule: AlertRule, hour: datetime, by_hour: Mapping[datetime, Rows], why_not_few: str | None) -> Verdict:
    requests = traffic_until(rule, hour, by_hour).requests
    seconds = len(span_of(rule, hour)) * _HOUR.total_seconds()
    value = requests / seconds if rule.kind == "throughput" else float(requests)
    if why_not_few is not None and not _too_many(rule.condition, value):
        return not_judged(rule, text(hour), requests, why_not_few)
    return threshold_verdict(rule, hour, value, requests, "requests")


def _too_many(condition: Condition | None, value: float) -> bool:
    """Return whether the count fails whatever is still added to it."""
    if condition is None or not condition.fails(value):
        return False
    return condition.grows_into_failure or (condition.operator in {"outside", "eq", "ne"} and value > condition.high)


def _why_not_few(
    rule: AlertRule, hour: datetime, first: datetime, until: datetime, pauses: Sequence[tuple[datetime, datetime]]
) -> str | None:
    """Return why the count of the span is not final, or says nothing; None where it does."""
    start, end = span_of(rule, hour)[0], hour + _HOUR
    if end > until:
        return "the hour is not over, or its requests are not all in the lake yet"
    if start < first:
        return f"the span begins before the endpoint's first request, in the hour of {text(first)[:16]}Z"
    if rule.condition is not None and rule.condition.grows_into_failure:
        return None  # too many requests are over, whatever the endpoint did since
    if any(begin < end and start < stop for begin, stop in pauses):
        return "the endpoint was stopped in this span"
    return None


def complete_until(stores: Stores, spec: EndpointSpec, now: datetime) -> datetime:
    """Return the time up to which all captured requests are in the lake, and counted.

    What waits in the spool may hold requests from as long before as a worker keeps a segment open.
    """
    settings = stores.settings
    sealed = timedelta(seconds=settings.seal_after_seconds)
    waiting = backlog(settings.spool, spec.name)
    held = [datetime.fromtimestamp(at, UTC) for at in (waiting.sealed_at, waiting.opened_at) if at is not None]
    marked = stores.touched_windows.pending(spec.name, SERVICE_METRICS.name).windows
    lag = timedelta(seconds=settings.ingest_lag_seconds)
    return min([now - sealed - lag - ARRIVAL_SLACK, *(at - sealed - ARRIVAL_SLACK for at in held), *marked])


def first_hour(stores: Stores, spec: EndpointSpec) -> datetime | None:
    """Return the first hour with a request that the lake knows; None without any."""
    dates = stores.lake.dates(spec.name, SERVICE_METRICS.name)
    for day in dates:
        with stores.lake.query(spec.name, [SERVICE_METRICS], [day]) as connected:
            [(found,)] = connected.table(SERVICE_METRICS.name).min("window_start").fetchall()
        if isinstance(found, datetime):
            return found.astimezone(UTC)
    return None


def _pauses(stores: Stores, spec: EndpointSpec) -> list[tuple[datetime, datetime]]:
    """Return the spans in which the endpoint was stopped, or deleted."""
    pauses: list[tuple[datetime, datetime]] = []
    since: datetime | None = None
    for event in stores.deployments.events(spec.name):
        if event.action in _STOPPING:
            since = since or event.at
        elif since is not None and event.action in _STARTING:
            pauses.append((since, event.at))
            since = None
    if since is not None and stores.deployments.desired(spec.name).status != ACTIVE:
        pauses.append((since, datetime.max.replace(tzinfo=UTC)))
    return pauses
