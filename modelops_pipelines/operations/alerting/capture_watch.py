"""Capture's health, read from the spool's folders; and its alert, which needs neither Dagster nor the gateway alone.

Whoever is up watches: each gateway worker from its heartbeat, and Dagster's sensor of alerts.
"""

from collections.abc import Sequence
from datetime import datetime

from modelops_pipelines.core.alerting.alerts import OPEN
from modelops_pipelines.core.capture.health import (
    CAPTURE,
    CaptureHealth,
    Reading,
    Thresholds,
    judge_capture,
    should_record,
)
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import BusyError
from modelops_pipelines.operations.alerting.raise_alerts import AlertChange, alerts_lock, apply_verdicts
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
    changes: list[AlertChange] = []
    for health in _news(stores, found, now):
        try:
            with alerts_lock(stores, health.endpoint, seconds=0):
                news = _news(stores, [health], now)  # read again: another process may have written meanwhile
                verdicts = [one.verdict(now) for one in news]
                changes += apply_verdicts(stores, health.endpoint, verdicts, now) if verdicts else []
        except BusyError:
            continue
    return changes


def _news(stores: Stores, found: Sequence[CaptureHealth], now: datetime) -> list[CaptureHealth]:
    opened = {alert.endpoint: alert for alert in stores.alerts.find(None, OPEN) if alert.kind == CAPTURE}
    return [health for health in found if should_record(opened.get(health.endpoint), health, now)]
