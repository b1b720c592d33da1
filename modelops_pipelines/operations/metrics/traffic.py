"""Traffic, failures and latency of any windows, sum_traffic from the hours in ``service_metrics``."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.metrics.latency_sketch import merge, percentile
from modelops_pipelines.core.tables.lake import SERVICE_METRICS
from modelops_pipelines.core.windows import LENGTH, window_of
from modelops_pipelines.operations.lake.queries import newest
from modelops_pipelines.store.stores import Stores

_COUNTS = ("requests", "predictions", "client_errors", "server_errors", "latency_sum_ms", "unanswered")
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Traffic:
    """The traffic of a period: counts, and requests by error code and by latency bucket.

    ``unanswered`` are rows of answered requests for which the model gave NaN or an infinite number.
    """

    requests: int = 0
    predictions: int = 0
    client_errors: int = 0
    server_errors: int = 0
    latency_sum_ms: float = 0.0
    unanswered: int = 0
    errors: Mapping[str, int] = field(default_factory=dict)
    latency: Mapping[int, int] = field(default_factory=dict)

    @property
    def error_rate(self) -> float | None:
        """Share of the requests that failed with a server error (5xx), 0 to 1; None without requests."""
        return self.server_errors / self.requests if self.requests else None

    @property
    def availability(self) -> float | None:
        """Share of the requests without a server error, 0 to 1; None without requests."""
        return (self.requests - self.server_errors) / self.requests if self.requests else None

    @property
    def latency_mean_ms(self) -> float | None:
        """Mean latency in milliseconds; None without requests."""
        return self.latency_sum_ms / self.requests if self.requests else None

    def percentile(self, share: float) -> float | None:
        """Return the latency percentile (ms) of a share such as 0.95, within 1 %; None without requests."""
        return percentile(self.latency, share)


def sum_traffic(rows: Iterable[Row]) -> Traffic:
    """Return the sum of rows of ``service_metrics``, in any order."""
    held = list(rows)
    errors: Counter[str] = Counter()
    for row in held:
        errors.update(orjson.loads(row["errors"] or "{}"))
    counts = {name: sum(row.get(name) or 0 for row in held) for name in _COUNTS}  # earlier rows have no ``unanswered``
    return Traffic(**counts, errors=dict(errors), latency=merge(_sketch(row["latency_counts"]) for row in held))


def total_traffic(parts: Iterable[Traffic]) -> Traffic:
    """Return the sum of what ``sum_traffic`` has returned for parts of a period, without reading rows again."""
    held = list(parts)
    errors: Counter[str] = Counter()
    for part in held:
        errors.update(part.errors)
    counts = {name: sum(getattr(part, name) for part in held) for name in _COUNTS}
    return Traffic(**counts, errors=dict(errors), latency=merge(part.latency for part in held))


def newest_traffic(stores: Stores, spec: EndpointSpec, windows: int = 7) -> list[dict[str, Any]]:
    """Return the traffic of the endpoint's last windows, one row per window, version and variant, oldest first."""
    groups: dict[tuple[datetime, str, str], list[Row]] = {}
    for row in newest(stores, spec, SERVICE_METRICS, windows):
        key = (window_of(row["window_start"], spec.window), row["model_version"], row["variant"])
        groups.setdefault(key, []).append(row)
    return [
        {"window_start": window, "model_version": version, "variant": variant}
        | describe_traffic(rows, LENGTH[spec.window])
        for (window, version, variant), rows in sorted(groups.items())
    ]


def describe_traffic(rows: Sequence[Row], length: timedelta) -> dict[str, Any]:
    """Return the sum of rows with rates and percentiles; ``throughput`` is requests per second over the window."""
    total = sum_traffic(rows)
    return {
        **{name: getattr(total, name) for name in _COUNTS if name != "latency_sum_ms"},
        "error_rate": total.error_rate,
        "availability": total.availability,
        "throughput": total.requests / length.total_seconds(),
        "errors": dict(sorted(total.errors.items())),
        "latency_mean_ms": total.latency_mean_ms,
        **{f"latency_p{share}_ms": total.percentile(share / 100) for share in (50, 95, 99)},
    }


def _sketch(kept: str | None) -> dict[int, int]:
    return {int(bucket): count for bucket, count in orjson.loads(kept or "{}").items()}
