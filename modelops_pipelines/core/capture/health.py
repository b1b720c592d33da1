"""Whether what is captured also arrives: how long it waits, how much waits, how full the disk is. Pure judgement."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from modelops_pipelines.core.alerting.alerts import Alert, Verdict
from modelops_pipelines.core.windows import text

CAPTURE = "capture"
"""The rule's name: of its check, and of its alert."""
STEP = timedelta(seconds=5)
_MIB = 1 << 20


@dataclass(frozen=True)
class Reading:
    """One endpoint's spool and the disk under it. Ages are in seconds, 0 where nothing waits.

    ``sealed_seconds`` is how long the oldest segment has waited since it was sealed or last written; ``open_seconds``
    how long the oldest one in writing has been open; ``seal_seconds`` after how long a gateway seals it.
    """

    sealed_seconds: float
    open_seconds: float
    seal_seconds: float
    segments: int
    bytes: int
    disk_used: float


@dataclass(frozen=True)
class Thresholds:
    """From where on capture is not healthy any more."""

    lag_seconds: float = 60.0
    backlog_bytes: int = 1 << 30
    disk_used: float = 0.90


@dataclass(frozen=True)
class Check:
    """One part of the judgement; the message says what is wrong with what and what to do, or that it is well."""

    name: str
    ok: bool
    value: float
    threshold: float
    message: str


@dataclass(frozen=True)
class CaptureHealth:
    """An endpoint's capture: every check, the reading that they rest on, and the two as one verdict."""

    endpoint: str
    reading: Reading
    checks: Sequence[Check]

    @property
    def ok(self) -> bool:
        """Whether every check is."""
        return all(check.ok for check in self.checks)

    @property
    def message(self) -> str:
        """What is wrong; where nothing is, the numbers."""
        return " ".join(check.message for check in self.checks if self.ok or not check.ok)

    def verdict(self, now: datetime) -> Verdict:
        """Return the health as the verdict of an alert rule: its numbers are those of the first check that failed."""
        shown = next((check for check in self.checks if not check.ok), self.checks[0])
        return Verdict(
            rule=CAPTURE,
            kind=CAPTURE,
            severity="error",
            passed=self.ok,
            value=shown.value,
            threshold=shown.threshold,
            n=self.reading.segments,
            window=text(now),
            message=self.message,
        )


def judge_capture(endpoint: str, reading: Reading, thresholds: Thresholds) -> CaptureHealth:
    """Hold a reading against its thresholds."""
    checks = (_lag(endpoint, reading, thresholds), _backlog(endpoint, reading, thresholds), _disk(reading, thresholds))
    return CaptureHealth(endpoint, reading, checks)


def should_record(alert: Alert | None, health: CaptureHealth, now: datetime) -> bool:
    """Return whether this judgement is to be counted on the endpoint's open alert.

    Several watch the same spool, each at its own times; so a failure counts when the last is STEP ago, and each pass
    takes a STEP more.
    """
    if alert is None:
        return not health.ok
    return now - alert.last_seen_at >= STEP * (alert.passes + 1 if health.ok else 1)


def _lag(endpoint: str, reading: Reading, thresholds: Thresholds) -> Check:
    """Judge the age of what waits; what is in writing has the time until it is sealed besides."""
    stuck = reading.open_seconds - reading.seal_seconds
    value = max(reading.sealed_seconds, stuck, 0.0)
    limit = thresholds.lag_seconds
    message = (
        f"The oldest captured rows of {endpoint!r} have waited {value:.0f} s for their ingest (limit {limit:.0f} s)"
    )
    if value > limit and stuck >= reading.sealed_seconds:
        message += ": their gateway does not seal them. See its log and the disk's space"
    elif value > limit:
        message += ". Start Dagster (modelops up), or see why inference_log's last run failed"
    return Check("lag", value <= limit, value, limit, f"{message}.")


def _backlog(endpoint: str, reading: Reading, thresholds: Thresholds) -> Check:
    ok, limit = reading.bytes <= thresholds.backlog_bytes, thresholds.backlog_bytes
    size = f"{reading.bytes / _MIB:.0f} MiB in {reading.segments} segments (limit {limit / _MIB:.0f} MiB)"
    fix = "" if ok else " More is captured than ingested: see how long inference_log's runs take."
    return Check("backlog", ok, float(reading.bytes), float(limit), f"The spool of {endpoint!r} holds {size}.{fix}")


def _disk(reading: Reading, thresholds: Thresholds) -> Check:
    ok = reading.disk_used <= thresholds.disk_used
    share = f"The home's disk is {reading.disk_used:.0%} full (limit {thresholds.disk_used:.0%})."
    fix = "" if ok else " Free some or move the home: when it is full, the gateway refuses every request."
    return Check("disk", ok, reading.disk_used, thresholds.disk_used, share + fix)
