"""Metrics of the last minutes, in memory: what this worker has answered since it started."""

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from modelops_pipelines.core.latency import bucket, merge, percentile

KEEP_SECONDS = 3600
_CLIENT, _SERVER = 400, 500


@dataclass
class _Second:
    second: int
    requests: int = 0
    rows: int = 0
    client_errors: int = 0
    server_errors: int = 0
    latencies: dict[int, int] = field(default_factory=dict)


class LiveMetrics:
    """One endpoint's counts by second, for at most an hour."""

    def __init__(self) -> None:
        """Start empty."""
        self._lock = threading.Lock()
        self._seconds: deque[_Second] = deque()
        self.under_way = 0

    def add(self, now: float, rows: int, status: int, milliseconds: float) -> None:
        """Count one request (``now`` in seconds)."""
        with self._lock:
            current = self._current(int(now))
            current.requests += 1
            current.rows += rows if status < _CLIENT else 0
            current.client_errors += _CLIENT <= status < _SERVER
            current.server_errors += status >= _SERVER
            key = bucket(milliseconds)
            current.latencies[key] = current.latencies.get(key, 0) + 1

    def summary(self, now: float, window: int) -> dict[str, Any]:
        """Return the last ``window`` seconds; what has no request has no latency and no error rate."""
        with self._lock:
            recent = [second for second in self._seconds if second.second > now - window]
        requests = sum(second.requests for second in recent)
        errors = sum(second.server_errors for second in recent)
        sketch = merge(second.latencies for second in recent)
        return {
            "window_seconds": window,
            "requests": requests,
            "predictions": sum(second.rows for second in recent),
            "client_errors": sum(second.client_errors for second in recent),
            "server_errors": errors,
            "error_rate": errors / requests if requests else None,
            "requests_per_second": requests / window,
            "latency_ms": {name: percentile(sketch, share) for name, share in _SHARES.items()},
        }

    def _current(self, second: int) -> _Second:
        if not self._seconds or self._seconds[-1].second < second:
            self._seconds.append(_Second(second))
            while self._seconds[0].second < second - KEEP_SECONDS:
                self._seconds.popleft()
        return self._seconds[-1]


_SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
