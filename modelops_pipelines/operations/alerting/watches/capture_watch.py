"""Capture's health, read from the spool's folders, and its alert, which depends on no single process.

Each gateway worker watches from its heartbeat, and so does Dagster's alert sensor: one of them is enough.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from modelops_pipelines.core.alerting.alerts import OPEN
from modelops_pipelines.core.capture.health import (
    CAPTURE,
    REFUSED,
    CaptureHealth,
    Reading,
    Thresholds,
    calm_verdict,
    is_refusal_due,
    judge_capture,
    refusal_verdict,
    should_record,
)
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.operations.alerting.apart import Apart
from modelops_pipelines.operations.alerting.life.raise_alerts import AlertChange, alerts_lock, apply_verdicts
from modelops_pipelines.store.settings import Settings
from modelops_pipelines.store.spool.backlog import backlog, disk_used
from modelops_pipelines.store.stores import Stores

THRESHOLDS = Thresholds()
_READING, _WATCH, _REFUSALS = (
    Apart("The reading of the spool"),
    Apart("The watch of the capture"),
    Apart("The watch of refusals"),
)


def capture_health(
    settings: Settings,
    endpoint: str,
    now: datetime,
    thresholds: Thresholds = THRESHOLDS,
    used: float | None = None,
) -> CaptureHealth:
    """Judge one endpoint's capture now. Reads folders and sizes only: no file, no lake, no database.

    ``used`` is how full the disk is (0 to 1), for who judges many endpoints; None: it is read here.
    """
    pending, seconds = backlog(settings.spool, endpoint), now.timestamp()
    reading = Reading(
        sealed_seconds=max(0.0, seconds - pending.sealed_at) if pending.sealed_at is not None else 0.0,
        open_seconds=max(0.0, seconds - pending.opened_at) if pending.opened_at is not None else 0.0,
        seal_seconds=settings.seal_after_seconds,
        segments=pending.segments,
        bytes=pending.bytes,
        disk_used=disk_used(settings.home) if used is None else used,
        join_seconds=settings.ingest_lag_seconds,
    )
    return judge_capture(endpoint, reading, thresholds)


def watch_capture(
    stores: Stores, specs: Sequence[EndpointSpec], now: datetime, thresholds: Thresholds = THRESHOLDS
) -> list[AlertChange]:
    """Raise, count or resolve each endpoint's alert on its capture; return what changed. Call it every few seconds.

    However many processes watch, an endpoint has one open alert, counted at most every 5 s and resolved by two passes
    5 s apart. A call costs one read of the state while capture is healthy; it skips an endpoint whose alerts another
    process is changing.
    """
    used = disk_used(stores.settings.home) if specs else None
    found: list[CaptureHealth] = []
    for spec in specs:
        with _READING.alone(spec.name):
            found.append(capture_health(stores.settings, spec.name, now, thresholds, used))
    changes: list[AlertChange] = []
    for health in _due_changes(stores, found, now):
        with _WATCH.alone(health.endpoint), alerts_lock(stores, health.endpoint, seconds=0):
            changed = _due_changes(stores, [health], now)  # read again: another process may have changed it
            verdicts = [health.verdict(now) for health in changed]
            changes += apply_verdicts(stores, health.endpoint, verdicts, now) if verdicts else []
    return changes


def _due_changes(stores: Stores, found: Sequence[CaptureHealth], now: datetime) -> list[CaptureHealth]:
    opened = {alert.endpoint: alert for alert in stores.alerts.find(None, OPEN) if alert.rule == CAPTURE}
    return [health for health in found if should_record(opened.get(health.endpoint), health, now)]


def watch_refusals(stores: Stores, refused: Mapping[str, tuple[int, str]], now: datetime) -> list[AlertChange]:
    """Raise an endpoint's alert on refused requests, and resolve it when no worker has refused any for a while.

    ``refused`` are one worker's requests since its last call that were not answered because they could not be captured:
    how many, and why. Every worker calls this every few seconds; a call costs one read of the state. What is reported
    while another process changes the endpoint's alerts is reported by the next refusal.
    """
    opened = {alert.endpoint: alert for alert in stores.alerts.find(None, OPEN) if alert.rule == REFUSED}
    verdicts = {name: refusal_verdict(name, count, why, now) for name, (count, why) in refused.items()}
    verdicts |= {name: calm_verdict(name, now) for name in opened.keys() - refused.keys()}
    changes: list[AlertChange] = []
    for name, verdict in verdicts.items():
        if is_refusal_due(opened.get(name), verdict, now):
            with _REFUSALS.alone(name), alerts_lock(stores, name, seconds=0):
                known = next((one for one in stores.alerts.find(name, OPEN) if one.rule == REFUSED), None)
                if is_refusal_due(known, verdict, now):  # another worker may have reported meanwhile
                    changes += apply_verdicts(stores, name, [verdict], now)
    return changes
