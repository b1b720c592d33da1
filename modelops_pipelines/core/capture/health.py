"""Health of capture: ingest lag, spool backlog and disk usage, compared with thresholds. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from modelops_pipelines.core.alerting.alerts import Alert, Verdict
from modelops_pipelines.core.windows import text

CAPTURE = "capture"
"""The name of the rule, of its check and of its alert."""
STEP = timedelta(seconds=5)
REFUSED = "capture_refused"
"""The name of the alert on requests that were not answered because they could not be captured; its kind is CAPTURE."""
CALM = timedelta(seconds=30)
"""A pass in a row is recorded so long after the last refusal, or the pass before."""
_MIB = 1 << 20


@dataclass(frozen=True)
class Reading:
    """One endpoint's spool and its disk. Ages are in seconds, 0 without a segment.

    ``sealed_seconds`` is the age of the oldest sealed segment since its last write; ``open_seconds`` the age of the
    oldest open segment; ``seal_seconds`` the age at which a gateway seals a segment; ``join_seconds`` how long a sealed
    one waits for others to join its ingest.
    """

    sealed_seconds: float
    open_seconds: float
    seal_seconds: float
    segments: int
    bytes: int
    disk_used: float
    join_seconds: float = 0.0


@dataclass(frozen=True)
class Thresholds:
    """The limits of healthy capture."""

    lag_seconds: float = 60.0
    backlog_bytes: int = 1 << 30
    disk_used: float = 0.90


@dataclass(frozen=True)
class Check:
    """One check of the health; the message has the numbers and, when it failed, the remedy."""

    name: str
    ok: bool
    value: float
    threshold: float
    message: str


@dataclass(frozen=True)
class CaptureHealth:
    """The health of an endpoint's capture: all checks, and the reading that they judge."""

    endpoint: str
    reading: Reading
    checks: Sequence[Check]

    @property
    def ok(self) -> bool:
        """Whether all checks pass."""
        return all(check.ok for check in self.checks)

    @property
    def message(self) -> str:
        """The messages of the failed checks; of all checks if none failed."""
        return " ".join(check.message for check in self.checks if self.ok or not check.ok)

    def verdict(self, now: datetime) -> Verdict:
        """Return the health as a verdict of an alert rule, with the numbers of the first failed check."""
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
    """Compare a reading with the thresholds."""
    checks = (_lag(endpoint, reading, thresholds), _backlog(endpoint, reading, thresholds), _disk(reading, thresholds))
    return CaptureHealth(endpoint, reading, checks)


def should_record(alert: Alert | None, health: CaptureHealth, now: datetime) -> bool:
    """Return whether to record this result on the endpoint's alert.

    Several processes check the same spool at different times. So a failure is recorded STEP after the previous one, and
    each pass in a row STEP later. An alert that was seen in the future was seen before the clock was set back.
    """
    if alert is None:
        return not health.ok
    return abs(now - alert.last_seen_at) >= STEP * (alert.passes + 1 if health.ok else 1)


def refusal_verdict(endpoint: str, count: int, why: str, now: datetime) -> Verdict:
    """Return the verdict on requests that a worker refused since it last looked."""
    message = (
        f"{count} request(s) to {endpoint!r} were refused (503) because their capture failed: the spool cannot be "
        f"written ({why}). Free space on the disk of MODELOPS_HOME or repair it."
    )
    return Verdict(REFUSED, CAPTURE, "error", False, float(count), 0.0, count, text(now), message)


def calm_verdict(endpoint: str, now: datetime) -> Verdict:
    """Return the verdict of a worker that refused nothing."""
    return Verdict(REFUSED, CAPTURE, "error", True, 0.0, 0.0, 0, text(now), f"No request to {endpoint!r} is refused")


def is_refusal_due(alert: Alert | None, verdict: Verdict, now: datetime) -> bool:
    """Return whether to record a worker's verdict on refusals: a worker that refuses none does not speak for others."""
    if alert is None:
        return verdict.passed is False
    return abs(now - alert.last_seen_at) >= (CALM * (alert.passes + 1) if verdict.passed else STEP)


def _lag(endpoint: str, reading: Reading, thresholds: Thresholds) -> Check:
    """Judge the ingest lag; an open segment has ``seal_seconds`` more."""
    stuck = reading.open_seconds - reading.seal_seconds
    value = max(reading.sealed_seconds, stuck, 0.0)
    limit = thresholds.lag_seconds + reading.join_seconds
    message = f"Ingest lag of {endpoint!r}: the oldest captured rows have waited {value:.0f} s (limit {limit:.0f} s)"
    if value > limit and stuck >= reading.sealed_seconds:
        message += ". The gateway does not seal its segment: see its log, and free disk space"
    elif value > limit:
        message += ". Start Dagster (modelops up), or see why the last run of inference_log failed"
    return Check("lag", value <= limit, value, limit, f"{message}.")


def _backlog(endpoint: str, reading: Reading, thresholds: Thresholds) -> Check:
    ok, limit = reading.bytes <= thresholds.backlog_bytes, thresholds.backlog_bytes
    size = f"{reading.bytes / _MIB:.0f} MiB in {reading.segments} segments (limit {limit / _MIB:.0f} MiB)"
    fix = "" if ok else " Capture is faster than ingest: see how long the runs of inference_log take."
    return Check("backlog", ok, float(reading.bytes), float(limit), f"The spool of {endpoint!r} holds {size}.{fix}")


def _disk(reading: Reading, thresholds: Thresholds) -> Check:
    ok = reading.disk_used <= thresholds.disk_used
    share = f"The disk of MODELOPS_HOME is {reading.disk_used:.0%} full (limit {thresholds.disk_used:.0%})."
    fix = "" if ok else " Free disk space, or move MODELOPS_HOME: the gateway rejects requests when the disk is full."
    return Check("disk", ok, reading.disk_used, thresholds.disk_used, share + fix)
