"""Traffic, failures and latency of any windows, as sums of the hours that ``service_metrics`` holds."""

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

_COUNTS = ("requests", "predictions", "client_errors", "server_errors", "latency_sum_ms")
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Traffic:
    """What happened over some time: counts, and requests by error code and by latency bucket."""

    requests: int = 0
    predictions: int = 0
    client_errors: int = 0
    server_errors: int = 0
    latency_sum_ms: float = 0.0
    errors: Mapping[str, int] = field(default_factory=dict)
    latency: Mapping[int, int] = field(default_factory=dict)

    @property
    def error_rate(self) -> float | None:
        """Share of the requests that we failed (5xx), 0 to 1; None without requests."""
        return self.server_errors / self.requests if self.requests else None

    @property
    def availability(self) -> float | None:
        """Share of the requests that we did not fail, 0 to 1; None without requests."""
        return None if self.error_rate is None else 1 - self.error_rate

    @property
    def latency_mean_ms(self) -> float | None:
        """Mean latency in milliseconds; None without requests."""
        return self.latency_sum_ms / self.requests if self.requests else None

    def percentile(self, share: float) -> float | None:
        """Return the latency (ms) that the share of requests stays under, within 1 %; None without requests."""
        return percentile(self.latency, share)


def summed(rows: Iterable[Row]) -> Traffic:
    """Return rows of ``service_metrics`` as one sum; their order changes nothing."""
    held = list(rows)
    errors: Counter[str] = Counter()
    for row in held:
        errors.update(orjson.loads(row["errors"] or "{}"))
    counts = {name: sum(row[name] for row in held) for name in _COUNTS}
    return Traffic(**counts, errors=dict(errors), latency=merge(_sketch(row["latency_counts"]) for row in held))


def newest_traffic(stores: Stores, spec: EndpointSpec, windows: int = 7) -> list[dict[str, Any]]:
    """Return the traffic of the endpoint's last windows, a row a window, version and variant, oldest first."""
    groups: dict[tuple[datetime, str, str], list[Row]] = {}
    for row in newest(stores, spec, SERVICE_METRICS, windows):
        key = (window_of(row["window_start"], spec.window), row["model_version"], row["variant"])
        groups.setdefault(key, []).append(row)
    return [
        {"window_start": window, "model_version": version, "variant": variant} | described(rows, LENGTH[spec.window])
        for (window, version, variant), rows in sorted(groups.items())
    ]


def described(rows: Sequence[Row], length: timedelta) -> dict[str, Any]:
    """Return rows summed, with what people ask of them; ``throughput`` is requests a second over the whole window."""
    total = summed(rows)
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
