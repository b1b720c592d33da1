"""Five hours of each kind of alert rule, whose values are two steps below a threshold up to two steps above it.

A step is one row more that counts: one failed request, one labelled prediction, one drifted column; of a latency it is
one bucket of its sketch.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from modelops_pipelines.core.endpoints.explain import ExplainPolicy
from modelops_pipelines.core.endpoints.spec import EndpointSpec, Metric
from modelops_pipelines.core.metrics.latency_sketch import percentile
from modelops_pipelines.core.tables.explanations import ATTRIBUTION_DRIFT
from modelops_pipelines.core.tables.lake import CUSTOM_METRICS, DATA_QUALITY, DRIFT, ESTIMATED_QUALITY
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.metrics.quality import measure_quality
from modelops_pipelines.operations.metrics.service import measure_service
from tests.fakes.lake_rows import write
from tests.fakes.records import label_row, request_record, write_segment
from tests.support.project import Project

HOUR = timedelta(hours=1)
FIRST = datetime(2026, 3, 2, tzinfo=UTC)
HOURS = [FIRST + number * HOUR for number in range(5)]
STEPS = (-2, -1, 0, 1, 2)
ROWS = 40
FAILED = {"status": 500, "p": None, "s": None, "error": "model"}
_NUMBERS = count(1)
_BUCKET = 300
FAILURES_SQL = "SELECT count(*) FROM inference_log WHERE status >= 500 AND event_time >= $start AND event_time < $end"


@dataclass(frozen=True)
class Bench:
    """An endpoint with the five hours of a kind, the attributes of its rules, and the value of each hour."""

    spec: EndpointSpec
    attributes: Mapping[str, Any]
    values: Sequence[float]
    unit: str


def captured(project: Project, spec: EndpointSpec, records: Sequence[dict[str, Any]]) -> None:
    """Put records of requests into the lake, by the spool and an ingest, and count them."""
    write_segment(project.stores, spec.name, "predictions", f"w{next(_NUMBERS)}", records)
    assert [] == ingest(project.stores, spec, "predictions").reasons
    measure_service(project.stores, spec)


def request(spec: EndpointSpec, at: datetime, rows: int = 1, **changes: Any) -> dict[str, Any]:
    return request_record(spec.name, next(_NUMBERS), at, rows, **changes)


def _failures(project: Project, spec: EndpointSpec) -> list[int]:
    """Capture 40 requests an hour, of which 2, 3, 4, 5 and 6 fail."""
    failures = [4 + step for step in STEPS]
    for hour, failed in zip(HOURS, failures, strict=True):
        at = hour + timedelta(minutes=5)
        captured(project, spec, [request(spec, at, **(FAILED if n < failed else {})) for n in range(ROWS)])
    return failures


def error_rate(project: Project, spec: EndpointSpec) -> Bench:
    return Bench(spec, {}, [failed / ROWS for failed in _failures(project, spec)], "requests")


def availability(project: Project, spec: EndpointSpec) -> Bench:
    return Bench(spec, {}, [(ROWS - failed) / ROWS for failed in _failures(project, spec)][::-1], "requests")


def sql(project: Project, spec: EndpointSpec) -> Bench:
    failures = _failures(project, spec)
    Path("failures.sql").write_text(FAILURES_SQL)
    return Bench(spec, {"given_name": "failures", "sql": "failures.sql"}, list(map(float, failures)), "requests")


def _latencies(project: Project, spec: EndpointSpec) -> list[float]:
    """Capture 40 requests an hour, slower by one bucket of the sketch from hour to hour."""
    buckets = [_BUCKET + step for step in STEPS]
    values = [percentile({bucket: 1}, 1.0) or 0.0 for bucket in buckets]
    for hour, value in zip(HOURS, values, strict=True):
        captured(project, spec, [request(spec, hour, ms=value) for _ in range(ROWS)])
    return values


def latency_p95_ms(project: Project, spec: EndpointSpec) -> Bench:
    return Bench(spec, {}, _latencies(project, spec), "requests")


def latency(project: Project, spec: EndpointSpec) -> Bench:
    return Bench(spec, {"percentile": 99.0}, _latencies(project, spec), "requests")


def _volumes(project: Project, spec: EndpointSpec) -> list[int]:
    """Capture 8, 9, 10, 11 and 12 requests an hour; the endpoint has had traffic before."""
    captured(project, spec, [request(spec, FIRST - 30 * HOUR)])
    for hour, step in zip(HOURS, STEPS, strict=True):
        captured(project, spec, [request(spec, hour) for _ in range(10 + step)])
    return [10 + step for step in STEPS]


def volume(project: Project, spec: EndpointSpec) -> Bench:
    return Bench(spec, {}, list(map(float, _volumes(project, spec))), "requests")


def throughput(project: Project, spec: EndpointSpec) -> Bench:
    return Bench(spec, {}, [requests / 3600 for requests in _volumes(project, spec)], "requests")


def _labelled(project: Project, spec: EndpointSpec, labels: Callable[[int], list[str]]) -> None:
    """Capture 40 predictions an hour with these labels, and a request so late that the hours are mature."""
    rows = []
    for hour, step in zip(HOURS, STEPS, strict=True):
        record = request(spec, hour, ROWS)
        captured(project, spec, [record])
        rows += [label_row(record, n, label, hour + HOUR) for n, label in enumerate(labels(step))]
    captured(project, spec, [request(spec, FIRST + timedelta(days=9))])
    write_segment(project.stores, spec.name, "labels", f"w{next(_NUMBERS)}", [{"rows": rows}])
    assert [] == ingest(project.stores, spec, "labels").reasons
    measure_quality(project.stores, spec)


def quality(project: Project, spec: EndpointSpec) -> Bench:
    _labelled(project, spec, lambda step: ["1"] * (20 + step) + ["0"] * (20 - step))
    return Bench(spec, {"metric": "accuracy"}, [(20 + step) / ROWS for step in STEPS], "labelled rows")


def label_coverage(project: Project, spec: EndpointSpec) -> Bench:
    _labelled(project, spec, lambda step: ["1"] * (20 + step))
    return Bench(spec, {}, [(20 + step) / ROWS for step in STEPS], "predictions")


def estimated_quality(project: Project, spec: EndpointSpec) -> Bench:
    values = [(20 + step) / ROWS for step in STEPS]
    counted = {"predictions": ROWS, "scored": ROWS, "labelled": 5000, "model_version": "1"}
    rows = [{"window_start": hour, "auc": value, **counted} for hour, value in zip(HOURS, values, strict=True)]
    write(project.stores, spec, ESTIMATED_QUALITY, rows)
    return Bench(spec, {"metric": "auc"}, values, "rows")


def metric(project: Project, spec: EndpointSpec) -> Bench:
    values = [5.0 + step for step in STEPS]
    named = {"metric": "own", "n": ROWS, "model_version": "1"}
    rows = [{"window_start": hour, "value": value, **named} for hour, value in zip(HOURS, values, strict=True)]
    write(project.stores, spec, CUSTOM_METRICS, rows)
    measured = replace(spec, metrics=(Metric("own", function="tests.fakes.trainers:logistic"),))
    return Bench(measured, {"metric": "own"}, values, "rows")


def drift(project: Project, spec: EndpointSpec) -> Bench:
    """Write 40 columns an hour, of which 2, 3, 4, 5 and 6 have drifted."""
    counted = {"kind": "numeric", "statistic": "psi", "value": 0.1, "threshold": 0.2, "n": ROWS, "n_reference": 100}
    rows = [
        {"window_start": hour, "model_version": "1", "column": f"c{n}", "drifted": n < 4 + step, **counted}
        for hour, step in zip(HOURS, STEPS, strict=True)
        for n in range(ROWS)
    ]
    write(project.stores, spec, DRIFT, rows)
    return Bench(spec, {}, [(4 + step) / ROWS for step in STEPS], "columns")


def attribution_drift(project: Project, spec: EndpointSpec) -> Bench:
    values = [(20 + step) / ROWS for step in STEPS]
    counted = {"model_version": "1", "n": ROWS, "n_reference": 100, "noise": 0.01, "p_value": 0.0005}
    rows = [
        {"window_start": hour, "distance": value + 0.01, "excess": value, **counted}
        for hour, value in zip(HOURS, values, strict=True)
    ]
    write(project.stores, spec, ATTRIBUTION_DRIFT, rows)
    return Bench(replace(spec, explain=ExplainPolicy()), {}, values, "rows")


def data_quality(project: Project, spec: EndpointSpec) -> Bench:
    """Write a chunk of requests an hour, of which the last two are unlike the days before."""
    rows = [
        {"window_start": hour, "model_version": "1", "chunk": 0, "n": ROWS, "passed": step < 1, "value": float(step)}
        | {"first_event": hour, "last_event": hour, "reason": "x is in another unit"}
        for hour, step in zip(HOURS, STEPS, strict=True)
    ]
    write(project.stores, spec, DATA_QUALITY, rows)
    return Bench(spec, {}, [0.0] * 5, "rows")


MAKERS: dict[str, Callable[[Project, EndpointSpec], Bench]] = {
    "error_rate": error_rate,
    "availability": availability,
    "latency_p95_ms": latency_p95_ms,
    "latency": latency,
    "volume": volume,
    "throughput": throughput,
    "quality": quality,
    "label_coverage": label_coverage,
    "estimated_quality": estimated_quality,
    "metric": metric,
    "sql": sql,
    "drift": drift,
    "data_quality": data_quality,
    "attribution_drift": attribution_drift,
}
