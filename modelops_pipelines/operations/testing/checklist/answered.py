"""What the log has of requests around the time when a version began to answer callers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.metrics.latency_sketch import merge
from modelops_pipelines.core.release.checklist import FIRST_ANSWERS, Compared, Served
from modelops_pipelines.core.release.desired_state import CHALLENGER, WHOLE
from modelops_pipelines.core.release.event_log import Placement
from modelops_pipelines.core.tables.lake import INFERENCE_LOG, REJECTS, inference_log
from modelops_pipelines.operations.testing.checklist.words import at
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.lake.rows.arrival_dates import received_between
from modelops_pipelines.store.stores import Stores

if TYPE_CHECKING:
    import duckdb

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MOST_ROWS = 1_000_000
"""With more rows than these in the files of both spans, the spans are an hour long at most, else a day."""
_THREADS = 2
"""A gateway's worker may ask, and needs the other cores."""
_NOTHING = Served()
ByVersion = Mapping[str | None, Served]


@dataclass(frozen=True)
class Spans:
    """The newest time since a version answers callers, and the time before that it is compared with."""

    before_since: datetime
    before_until: datetime
    after_since: datetime
    after_until: datetime


@dataclass(frozen=True)
class Answered:
    """Requests by version in two spans; None stands for requests that no version answered.

    ``first`` says of the first requests that the version answered, in order, whether they failed. ``callers`` is by
    version since the shares are what they are, and empty where the version has the whole traffic. ``rejected`` are
    captured predictions that could not be ingested since the version answers callers. ``up_to`` is when the newest row
    of the log was received, None without any.
    """

    spans: Spans
    before: ByVersion
    after: ByVersion
    first: Sequence[bool]
    callers: Mapping[str, int]
    rejected: int
    up_to: datetime | None

    @property
    def since(self) -> str:
        """The words for the span after."""
        return f"since {at(self.spans.after_since)}"

    def compared(self, version: str, role: str, champion: str | None) -> Compared:
        """Return what callers got since beside what they got before; of a challenger, beside the champion's answers."""
        if role == CHALLENGER:
            mine, other = self.after.get(version, _NOTHING), self.after.get(champion, _NOTHING)
            return Compared(mine, other, f"on version {version} {self.since}", f"on version {champion}")
        before = f"from {at(self.spans.before_since)} to {at(self.spans.before_until)}"
        return Compared(total(self.after), total(self.before), self.since, before)


def answered_around(stores: Stores, spec: EndpointSpec, version: str, place: Placement, now: datetime) -> Answered:
    """Return the requests that the log has around the time when the version got its place."""
    name, switch = spec.name, place.by.at
    log = inference_log(spec.task, {})
    spans = _spans(stores, name, switch, now)
    sides = (spans.before_since, spans.before_until), (spans.after_since, spans.after_until)
    days = sorted({day for side in sides for day in received_between(stores.lake, name, log.name, *side).dates})
    first_days = received_between(stores.lake, name, log.name, switch, switch + DAY).dates
    with stores.lake.query(name, [], threads=_THREADS) as connected:
        stores.lake.attach(connected, log.name, name, log, first_days)
        asked = {"version": version, "since": switch, "most": FIRST_ANSWERS}
        first = [bool(row[0]) for row in _rows(connected, "first_failures", asked)]
        stores.lake.attach(connected, log.name, name, log, days)
        rows = _rows(connected, "answered_around", vars(spans))
        shares_since = max(place.share_by.at, spans.after_since)
        asked = {"since": shares_since}
        callers = {} if place.share == WHOLE else dict(_rows(connected, "callers_by_version", asked))
        stores.lake.attach(connected, REJECTS.name, name, REJECTS)
        asked = {"stream": "predictions", "since": switch}
        [(rejected,)] = _rows(connected, "rejected_since", asked)
    up_to = stores.recent.received_up_to(name, INFERENCE_LOG.name)
    before, after = (_by_version(rows, is_after=side) for side in (False, True))
    return Answered(spans, before, after, first, callers, rejected, up_to)


def total(found: ByVersion) -> Served:
    """Return the requests of all versions together."""
    served = found.values()
    last = max((one.last for one in served if one.last is not None), default=None)
    counts = sum(one.requests for one in served), sum(one.failed for one in served)
    return Served(*counts, merge(one.latencies for one in served), last)


def _spans(stores: Stores, endpoint: str, switch: datetime, now: datetime) -> Spans:
    """Return spans of at most a day, or an hour where the log is large; that before is an hour long at least."""
    held = received_between(stores.lake, endpoint, INFERENCE_LOG.name, switch - DAY, switch).rows
    held += received_between(stores.lake, endpoint, INFERENCE_LOG.name, max(switch, now - DAY), now).rows
    longest = HOUR if held > MOST_ROWS else DAY
    begins = max(switch, now - longest)
    length = min(longest, max(HOUR, now - begins))
    return Spans(switch - length, switch, begins, now)


def _rows(connected: "duckdb.DuckDBPyConnection", query: str, asked: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = connected.execute(sql.named(query), dict(asked)).fetchall()
    return rows


def _by_version(rows: Sequence[tuple[Any, ...]], *, is_after: bool) -> ByVersion:
    return {
        version: Served(requests, failed, {int(key): count for key, count in json.loads(sketch).items()}, last)
        for side, version, requests, failed, last, sketch in rows
        if side == is_after
    }
