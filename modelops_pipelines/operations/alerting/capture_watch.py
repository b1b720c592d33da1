"""Capture's health, read from the spool's folders; and its alert, which needs neither Dagster nor the gateway alone.

Whoever is up watches: each gateway worker from its heartbeat, and Dagster's sensor of alerts.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from modelops_pipelines.core.alerting.alerts import OPEN, Alert, after
from modelops_pipelines.core.capture.health import (
    CAPTURE,
    CaptureHealth,
    Reading,
    Thresholds,
    is_news,
    judge_capture,
)
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import BusyError
from modelops_pipelines.operations.alerting.raise_alerts import AlertChange, what_changed
from modelops_pipelines.store.filesystem.files import exclusive
from modelops_pipelines.store.settings import Settings
from modelops_pipelines.store.spool.backlog import backlog, disk_used
from modelops_pipelines.store.stores import Stores

THRESHOLDS = Thresholds()


def capture_health(
    settings: Settings, endpoint: str, now: datetime, thresholds: Thresholds = THRESHOLDS
) -> CaptureHealth:
    """Judge one endpoint's capture now. Reads folders and sizes only: no file, no lake, no database."""
    waits, seconds = backlog(settings.spool, endpoint), now.timestamp()
    reading = Reading(
        sealed_seconds=max(0.0, seconds - waits.sealed_at) if waits.sealed_at is not None else 0.0,
        open_seconds=max(0.0, seconds - waits.opened_at) if waits.opened_at is not None else 0.0,
        seal_seconds=settings.seal_after_seconds,
        segments=waits.segments,
        bytes=waits.bytes,
        disk_used=disk_used(settings.home),
    )
    return judge_capture(endpoint, reading, thresholds)


def watch_capture(
    stores: Stores, specs: Sequence[EndpointSpec], now: datetime, thresholds: Thresholds = THRESHOLDS
) -> list[AlertChange]:
    """Raise, count or resolve each endpoint's alert on its capture; return what changed. Call it every few seconds.

    However many watch, an endpoint has one open alert, counted at most every 5 s and resolved by two passes 5 s
    apart. While nothing is wrong this is one read of the state; while another watches, nothing at all.
    """
    found = [capture_health(stores.settings, spec.name, now, thresholds) for spec in specs]
    if not _news(_opened(stores), found, now):
        return []
    try:
        with exclusive(stores.settings.home / "locks" / "capture.alerts.lock", "the alerts on capture", seconds=0):
            changes = list(_changes(_opened(stores), found, now))  # read again: others may have written meanwhile
            stores.alerts.update([change.alert for change in changes])
    except BusyError:
        return []
    return changes


def _opened(stores: Stores) -> dict[str, Alert]:
    return {alert.endpoint: alert for alert in stores.alerts.find(None, OPEN) if alert.rule == CAPTURE}


def _news(opened: dict[str, Alert], found: Sequence[CaptureHealth], now: datetime) -> list[CaptureHealth]:
    return [health for health in found if is_news(opened.get(health.endpoint), health, now)]


def _changes(opened: dict[str, Alert], found: Sequence[CaptureHealth], now: datetime) -> Iterator[AlertChange]:
    for health in _news(opened, found, now):
        before = opened.get(health.endpoint)
        alert = after(before, health.verdict(now), health.endpoint, now)
        if alert is not None:
            yield AlertChange(alert, what_changed(before, alert))
