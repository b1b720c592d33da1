"""An endpoint's hours of ``service_metrics``, kept in memory: objectives are judged every few seconds."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from weakref import WeakKeyDictionary

import orjson

from modelops_pipelines.core.alerting.objectives.burn_rates import Counts
from modelops_pipelines.core.endpoints.spec import EndpointSpec, Slo
from modelops_pipelines.core.endpoints.validation.slos import LATENCY
from modelops_pipelines.core.metrics.latency_sketch import count_within, merge
from modelops_pipelines.core.tables.lake import SERVICE_METRICS
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.stores import Stores

LOOK_AGAIN = timedelta(minutes=1)
"""How long the hours count as known before the table's version is looked at again."""
READ_WHOLE = timedelta(hours=1)
"""Late rows change old hours: in between only the last two days of a changed table are read."""
_COLUMNS = ("window_start", "requests", "server_errors", "latency_counts")
_RECENT_DAYS = 2


@dataclass(frozen=True)
class ServedHour:
    """The requests of an hour, of all versions."""

    requests: int = 0
    server_errors: int = 0
    latencies: Mapping[int, int] = field(default_factory=dict)


@dataclass
class Kept:
    """What is kept of an endpoint: its hours, the events of each objective, and the last look at live counts."""

    hours: dict[datetime, ServedHour] = field(default_factory=dict)
    events: dict[Slo, Mapping[datetime, Counts]] = field(default_factory=dict)
    version: int | None = None
    looked_at: datetime | None = None
    whole_at: datetime | None = None
    days: int = 0
    judged: datetime | None = None


_KEPT: "WeakKeyDictionary[Stores, dict[str, Kept]]" = WeakKeyDictionary()
_LOCK = threading.Lock()


def kept_of(stores: Stores, endpoint: str) -> Kept:
    """Return what this process keeps of an endpoint; empty at first."""
    with _LOCK:
        return _KEPT.setdefault(stores, {}).setdefault(endpoint, Kept())


def events_of(stores: Stores, spec: EndpointSpec, slo: Slo, now: datetime) -> Mapping[datetime, Counts]:
    """Return the requests of each hour and the bad ones among them, at most LOOK_AGAIN old."""
    kept = kept_of(stores, spec.name)
    _refresh(stores, spec, kept, now)
    if slo not in kept.events:
        kept.events[slo] = {
            hour: counts_of(slo, one.requests, one.server_errors, one.latencies) for hour, one in kept.hours.items()
        }
    return kept.events[slo]


def served_hours(stores: Stores, spec: EndpointSpec, now: datetime) -> Mapping[datetime, ServedHour]:
    """Return the requests of the hours of the last two days at least, at most LOOK_AGAIN old."""
    kept = kept_of(stores, spec.name)
    _refresh(stores, spec, kept, now)
    return kept.hours


def counts_of(slo: Slo, requests: int, server_errors: int, latencies: Mapping[int, int]) -> Counts:
    """Return requests, and those that are bad for the objective."""
    if slo.kind == LATENCY:
        return Counts(requests, requests - count_within(latencies, float(slo.under_ms or 0)))
    return Counts(requests, server_errors)


def _refresh(stores: Stores, spec: EndpointSpec, kept: Kept, now: datetime) -> None:
    """Read the hours again when the table has changed; look at its version at most every LOOK_AGAIN."""
    from modelops_pipelines.store.lake.table_versions import newest_version

    days = max((slo.over.days + 2 for slo in spec.slos), default=_RECENT_DAYS)
    is_known = kept.looked_at is not None and abs(now - kept.looked_at) < LOOK_AGAIN and kept.days == days
    if is_known:
        return
    version = newest_version(stores.lake.path(spec.name, SERVICE_METRICS.name))
    if version != kept.version or kept.days != days:
        is_whole = kept.whole_at is None or abs(now - kept.whole_at) >= READ_WHOLE or kept.days != days
        since = now.astimezone(UTC).date() - timedelta(days=days if is_whole else _RECENT_DAYS)
        found = {} if version is None else _read(stores, spec, since, now.astimezone(UTC).date())
        kept.hours = found if is_whole else {h: one for h, one in kept.hours.items() if h.date() < since} | found
        kept.events, kept.version, kept.days = {}, version, days
        kept.whole_at = now if is_whole else kept.whole_at
    kept.looked_at = now


def _read(stores: Stores, spec: EndpointSpec, since: date, until: date) -> dict[datetime, ServedHour]:
    days = [since + timedelta(days=n) for n in range((until - since).days + 2)]
    with stores.lake.query(spec.name, [SERVICE_METRICS], days) as connected:
        table = connected.table(SERVICE_METRICS.name).project(sql.columns_of(SERVICE_METRICS, _COLUMNS))
        rows = table.fetchall()
    found: dict[datetime, ServedHour] = {}
    for start, requests, server_errors, sketch in rows:
        hour, before = start.astimezone(UTC), found.get(start.astimezone(UTC), ServedHour())
        latencies = {int(key): count for key, count in orjson.loads(sketch or "{}").items()}
        sums = (before.requests + requests, before.server_errors + server_errors)
        found[hour] = ServedHour(*sums, merge([before.latencies, latencies]))
    return found
