"""Live counts, what was derived per window, objectives, and the log."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from modelops_pipelines.client.answers.result import Listing, Result


@dataclass(frozen=True)
class Latency(Result):
    """Latency percentiles in milliseconds; null if there was no request."""

    p50: float | None
    p95: float | None
    p99: float | None


@dataclass(frozen=True)
class LiveMetrics(Result):
    """Live metrics of all workers over the last ``window_seconds``."""

    window_seconds: int
    requests: int
    predictions: int
    client_errors: int
    server_errors: int
    cache_hits: int
    """Requests that got the kept answer of an equal one."""
    error_rate: float | None
    requests_per_second: float
    latency_ms: Latency


@dataclass(frozen=True)
class Traffic(Result):
    """Requests of one window to one version. Rates and latencies are null without a request that has them."""

    window_start: datetime
    model_version: str
    variant: str
    requests: int
    predictions: int
    client_errors: int
    server_errors: int
    error_rate: float | None
    availability: float | None
    throughput: float
    """Requests per second over the window."""
    errors: Mapping[str, int]
    """Failed requests by error code."""
    latency_mean_ms: float | None
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    latency_p99_ms: float | None


@dataclass(frozen=True)
class WindowQuality(Result):
    """Quality of one window and version on the labels so far; metrics of other tasks are null."""

    window_start: datetime
    model_version: str
    segment: str
    """All, or a feature's name."""
    segment_value: str
    predictions: int
    labelled: int
    coverage: float
    """Labelled / predictions."""
    accuracy: float | None
    precision: float | None
    recall: float | None
    f1: float | None
    auc: float | None
    log_loss: float | None
    brier: float | None
    brier_skill: float | None
    calibration_error: float | None
    base_rate: float | None
    mae: float | None
    rmse: float | None
    bias: float | None
    r2: float | None
    reason: str | None
    """Why a metric is null."""


@dataclass(frozen=True)
class Drift(Result):
    """A column's distance from its reference in one window, with the verdict."""

    window_start: datetime
    model_version: str
    column: str
    drifted: bool | None
    """Null: not judged, and 'reason' says why."""
    since: datetime | None
    severity: str | None
    statistic: str
    value: float | None
    threshold: float | None
    effect: float | None
    """The distance in units of the smallest relevant one."""
    importance: float | None
    n: int
    method: str | None
    reference: str | None
    reason: str | None


@dataclass(frozen=True)
class EstimatedQuality(Result):
    """Quality of one window and version, estimated from scores before labels arrive."""

    window_start: datetime
    model_version: str
    predictions: int
    scored: int
    labelled: int
    """Earlier rows with score and label, which the calibration is fitted on."""
    auc: float | None
    log_loss: float | None
    brier: float | None
    accuracy: float | None
    precision: float | None
    recall: float | None
    f1: float | None
    reason: str | None
    """Why a metric is null."""


@dataclass(frozen=True)
class CustomMetric(Result):
    """The value of one of the endpoint's own metrics in one window and version."""

    window_start: datetime
    model_version: str
    metric: str
    value: float | None
    n: int
    """Answered rows it was computed on."""
    reason: str | None
    """Why there is no value."""


@dataclass(frozen=True)
class DataQuality(Result):
    """A chunk of a window's rows, compared with the days before."""

    window_start: datetime
    model_version: str
    chunk: int
    first_event: datetime
    n: int
    passed: bool | None
    """Null: not judged, and 'reason' says why."""
    column: str | None
    """The most anomalous column."""
    channel: str | None
    """Range, category, missing or constant."""
    value: float | None
    """Share of its values that are anomalous."""
    flags: str | None
    """All anomalies of the chunk, one per line: column, tab, channel."""
    reason: str | None


@dataclass(frozen=True)
class Attribution(Result):
    """What a column contributed to the explained predictions of one window and version."""

    window_start: datetime
    model_version: str
    column: str
    rank: int
    """1 for the column that contributes most."""
    n: int
    """Explained predictions."""
    mean_absolute: float
    """Mean of the contributions' absolute values, on the scale."""
    mean: float
    share: float | None
    """``mean_absolute`` / its sum over all columns."""
    share_reference: float | None
    """The share among the reference rows of the version."""
    method: str
    scale: str


@dataclass(frozen=True)
class AttributionDrift(Result):
    """How far the columns' shares in one window are from those among the version's reference rows."""

    window_start: datetime
    model_version: str
    n: int
    n_reference: int
    distance: float | None
    """From 0 to 1; null: not compared, and 'reason' says why."""
    noise: float | None
    """The distance that 1 of 1,000 random divisions of these rows exceeds."""
    excess: float | None
    """Distance - noise, 0 where it is less."""
    p_value: float | None
    column: str | None
    """The column whose share changed most."""
    change: float | None
    """By how much its share changed."""
    reference: str | None
    reason: str | None


@dataclass(frozen=True)
class Slo(Result):
    """An objective and its error budget. Numbers are null without events: the objective is absent then, not met."""

    slo: str
    objective: float
    """The share of events that must be good."""
    over_days: float
    events: int
    """Requests, or judged windows of quality, in the period."""
    bad: int
    good: float | None
    """Share of good events."""
    budget: float | None
    """How many of the events may be bad."""
    left: float | None
    """Share of the budget that is left; below 0 when it is overspent."""
    burn_rate: float | None
    """How many times as many events were bad as the objective allows."""
    state: str
    gone_in: str | None
    """When the budget is gone at the present rate, such as 9 h."""
    reason: str | None
    """Why there are no numbers."""


@dataclass(frozen=True)
class HealthPart(Result):
    """A part of the health score; ``points`` is null without evidence."""

    name: str
    points: float | None
    reason: str
    weight: float
    cap: float
    """The most that the score can be when the part has no points."""


@dataclass(frozen=True)
class HealthScore(Result):
    """An endpoint's health from 0 to 100; null, with the reason, when there is no evidence."""

    score: float | None
    reason: str
    limited_by: str | None
    """The part that the score is limited by."""
    parts: tuple[HealthPart, ...]


@dataclass(frozen=True)
class LogRow(Result):
    """A row of the log, answered or failed, with the columns of the table ``inference_log``."""

    prediction_id: str
    request_id: str
    row_index: int
    event_time: datetime
    received_at: datetime
    model_version: str | None
    variant: str | None
    prediction: str | float | None
    score: float | None
    latency_ms: float | None
    status: int
    error_code: str | None
    user_id: str | None
    session_id: str | None
    client_request_id: str | None
    source: str
    key_id: str | None
    sampled: bool | None
    truncated: bool | None
    payload_hash: str | None
    request_params: str | None
    """The request's parameters as JSON; null without any."""
    cache_hit: bool | None
    """Whether the answer was kept from an equal request; null in rows of earlier releases."""
    features: Mapping[str, bool | int | float | str | None] | None
    """Null when the features were not captured."""


@dataclass(frozen=True)
class RecentLogs(Listing[LogRow]):
    """Rows of the log, newest first. Rows received after ``ingested_up_to`` are from the gateway's spool."""

    since: datetime | None = None
    """The earliest event time searched."""
    ingested_up_to: datetime | None = None
    """When the newest row in the lake was received; None before the first ingest."""
