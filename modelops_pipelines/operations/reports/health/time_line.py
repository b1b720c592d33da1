"""Changes and their effect in one picture: the main numbers over time, with releases and alerts as marks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from modelops_pipelines.core.alerting.alerts import AlertEvent
from modelops_pipelines.core.alerting.events import OPENED, REOPENED, RESOLVED_EVENT
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.release.event_log import REPLACE_FRAME, Event
from modelops_pipelines.core.windows import LENGTH
from modelops_pipelines.operations.reports.charts import over_time
from modelops_pipelines.operations.reports.health.facts import Measured
from modelops_pipelines.operations.reports.health.sections import ByWindow
from modelops_pipelines.operations.reports.marks import OPENED as ALERT_OPENED
from modelops_pipelines.operations.reports.marks import RELEASE, Mark
from modelops_pipelines.operations.reports.marks import RESOLVED as ALERT_RESOLVED
from modelops_pipelines.operations.reports.summaries import HEADLINE
from modelops_pipelines.operations.reports.time_series import all_windows, busiest, line
from modelops_pipelines.store.stores import Stores

MOST_MARKS = 40
"""Marks that are drawn and listed: the newest."""
_ALL = 100
_KINDS = {OPENED: ALERT_OPENED, REOPENED: ALERT_OPENED, RESOLVED_EVENT: ALERT_RESOLVED}


@dataclass(frozen=True)
class TimeLine:
    """Charts on the same axis of time, the marks on them, newest first, and how many earlier ones there are."""

    charts: Sequence[str]
    marks: Sequence[Mark]
    more: int


def marks_of(stores: Stores, spec: EndpointSpec, by_window: ByWindow) -> list[Mark]:
    """Return what happened since the first window, and as long after the last one as they cover, newest first."""
    windows = all_windows(spec, by_window)
    start, end = windows[0], windows[-1] + LENGTH[spec.window]
    until = end + (end - start)
    releases = (_release(event) for event in stores.deployments.events(spec.name) if event.action != REPLACE_FRAME)
    alerts = (_alert(one) for one in stores.alert_events.of_endpoint(spec.name, start) if one.event in _KINDS)
    return sorted(_within([*releases, *alerts], start, until), key=lambda mark: mark.at, reverse=True)


def draw_time_line(spec: EndpointSpec, measured: Measured, marks: Sequence[Mark]) -> TimeLine:
    """Draw the headline metric, the error rate and the latency in the same windows, with the newest of the marks."""
    newest = marks[:MOST_MARKS]
    return TimeLine(_charts(spec, measured, newest), newest, len(marks) - len(newest))


def _within(found: Iterable[Mark], start: datetime, until: datetime) -> list[Mark]:
    return [mark for mark in found if start <= mark.at <= until]


def _release(event: Event) -> Mark:
    share = f", {event.share} % of the traffic" if event.share < _ALL else ""
    return Mark(event.at, RELEASE, f"{event.action} version {event.to_version}{share} by {event.actor}")


def _alert(event: AlertEvent) -> Mark:
    by = f" by {event.actor}" if event.actor else ""
    return Mark(event.at, _KINDS[event.event], f"{event.rule} {event.event}{by}")


def _charts(spec: EndpointSpec, measured: Measured, found: Sequence[Mark]) -> list[str]:
    traffic, name = measured.by_window, HEADLINE[spec.task]
    windows = all_windows(spec, traffic)
    labelled, expected = (line(busiest(rows), name, windows) for rows in (measured.quality, measured.estimated))
    also = {"estimated before labels": expected} if any(value is not None for _, value in expected) else None
    errors = [(at, traffic[at].error_rate if at in traffic else None) for at in windows]
    p95 = [(at, traffic[at].percentile(0.95) if at in traffic else None) for at in windows]
    limits = spec.thresholds("quality", name), spec.thresholds("error_rate"), spec.thresholds("latency_p95_ms")
    title = name if spec.task == "multiclass" else name.upper()
    return [
        over_time(labelled, None, title, limits[0], name="from labels", also=also, marks=found),
        over_time(errors, None, "Error rate (5xx)", limits[1], form="share", marks=found),
        over_time(p95, None, "Latency, p95", limits[2], form="ms", marks=found),
    ]
