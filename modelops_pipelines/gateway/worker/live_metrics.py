"""Live metrics of the last hour: this worker's counts in memory, and those that the other workers publish."""

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from modelops_pipelines.core.metrics.latency_sketch import bucket, merge, percentile

KEEP_SECONDS = 3600
ROTATE_BYTES = 4 * 1024 * 1024
CALLERS_KEPT = 100_000
_CLIENT, _SERVER = 400, 500
_SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


@dataclass
class Count:
    """What one version answered in one second.

    ``callers`` counts the callers whose first request since the trial began was in this second, ``errors`` those whose
    first failure was: a caller who gets the same error on every request counts once. ``latencies`` is the histogram of
    the callers' first requests.
    """

    requests: int = 0
    failed: int = 0
    callers: int = 0
    errors: int = 0
    latencies: dict[int, int] = field(default_factory=dict)


@dataclass
class Second:
    """What an endpoint answered in one second; ``versions`` holds the versions that answered."""

    second: int
    requests: int = 0
    rows: int = 0
    client_errors: int = 0
    server_errors: int = 0
    latencies: dict[int, int] = field(default_factory=dict)
    versions: dict[str, Count] = field(default_factory=dict)


class LiveMetrics:
    """One endpoint's counts per second, for the last hour."""

    def __init__(self) -> None:
        """Start empty."""
        self._lock = threading.Lock()
        self._seconds: deque[Second] = deque()
        self._callers: dict[str, set[int]] = {}
        self._failed: dict[str, set[int]] = {}
        self.in_flight = 0

    def add(
        self,
        now: float,
        rows: int,
        status: int,
        milliseconds: float,
        version: str | None = None,
        caller: str | None = None,
        *,
        failed: bool = False,
    ) -> None:
        """Count one request (``now`` in seconds); ``failed`` is true when the version failed to answer."""
        with self._lock:
            current = self._current(int(now))
            current.requests += 1
            current.rows += rows if status < _CLIENT else 0
            current.client_errors += _CLIENT <= status < _SERVER
            current.server_errors += status >= _SERVER
            key = bucket(milliseconds)
            current.latencies[key] = current.latencies.get(key, 0) + 1
            if version is not None:
                count = current.versions.setdefault(version, Count())
                count.requests += 1
                count.failed += failed
                count.errors += failed and _is_first(self._failed, version, caller)
                if _is_first(self._callers, version, caller):
                    count.callers += 1
                    count.latencies[key] = count.latencies.get(key, 0) + 1

    def reset_callers(self) -> None:
        """Clear the sets of known callers, because another trial begins."""
        with self._lock:
            self._callers, self._failed = {}, {}

    def since(self, second: int) -> list[Second]:
        """Return the counts of the seconds after this one."""
        with self._lock:
            return [counted for counted in self._seconds if counted.second > second]

    def _current(self, second: int) -> Second:
        if not self._seconds or self._seconds[-1].second < second:
            self._seconds.append(Second(second))
            while self._seconds[0].second < second - KEEP_SECONDS:
                self._seconds.popleft()
        return self._seconds[-1]


def _is_first(known: dict[str, set[int]], version: str, caller: str | None) -> bool:
    """Add the caller to those known of the version, and return whether it was new; an anonymous one always is."""
    if caller is None:
        return True
    callers = known.setdefault(version, set())
    if len(callers) >= CALLERS_KEPT:
        callers.clear()
    before = len(callers)
    callers.add(hash(caller))
    return len(callers) > before


def summary(seconds: Iterable[Second], window: int) -> dict[str, Any]:
    """Return the totals over the seconds; without requests, error rate and latencies are None."""
    counts = list(seconds)
    requests = sum(count.requests for count in counts)
    errors = sum(count.server_errors for count in counts)
    sketch = merge(count.latencies for count in counts)
    return {
        "window_seconds": window,
        "requests": requests,
        "predictions": sum(count.rows for count in counts),
        "client_errors": sum(count.client_errors for count in counts),
        "server_errors": errors,
        "error_rate": errors / requests if requests else None,
        "requests_per_second": requests / window,
        "latency_ms": {name: percentile(sketch, share) for name, share in _SHARES.items()},
    }


class SharedMetrics:
    """Exchanges live metrics between the workers of a home: a file per worker, a line per endpoint and second.

    The numbers are for live metrics and the watchdog; the durable record is the log.
    """

    def __init__(self, folder: Path, worker: str) -> None:
        """Use one file for this worker; it is created with the first line."""
        self._folder, self._worker = folder, worker
        self._published_until = 0
        self._offsets: dict[str, int] = {}

    def publish(self, endpoints: Iterable[tuple[str, LiveMetrics]], now: float) -> None:
        """Append the complete seconds that were not published yet."""
        complete = int(now) - 1
        lines = [
            orjson.dumps({"endpoint": name, **asdict(second)}, option=orjson.OPT_NON_STR_KEYS)
            for name, live in endpoints
            for second in live.since(self._published_until)
            if second.second <= complete
        ]
        self._published_until = complete
        if lines:
            self._folder.mkdir(exist_ok=True)
            with self._path().open("ab") as handle:
                handle.write(b"\n".join(lines) + b"\n")
                if handle.tell() > ROTATE_BYTES:
                    self._path().replace(self._path().with_suffix(".before"))

    def read_others(self, endpoint: str, now: float, window: int) -> list[Second]:
        """Return the other workers' counts of the endpoint in the last ``window`` seconds."""
        start, found = int(now) - window, []
        for path in self._folder.glob("*"):
            try:
                if path.stem == self._worker or path.stat().st_mtime < start:
                    continue
                content = path.read_bytes()
            except FileNotFoundError:
                continue  # rotated or removed meanwhile
            parsed = [_parse_line(line, endpoint, start) for line in content.splitlines()]
            found += [second for second in parsed if second is not None]
        return found

    def read_new(self) -> list[tuple[str, Second]]:
        """Return the counts that other workers published since the last call, each once, with the endpoint's name."""
        found = []
        for path in self._folder.glob("*.jsonl"):
            if path.stem == self._worker:
                continue
            try:
                size, offset = path.stat().st_size, self._offsets.get(path.stem, 0)
                with path.open("rb") as handle:
                    handle.seek(offset if size >= offset else 0)  # a smaller file was rotated
                    content = handle.read()
                    whole = content[: content.rfind(b"\n") + 1]
                    self._offsets[path.stem] = handle.tell() - len(content) + len(whole)
            except FileNotFoundError:
                continue
            fields = [orjson.loads(line) for line in whole.splitlines()]
            found += [(counted["endpoint"], _second(counted)) for counted in fields]
        return found

    def clear(self, now: float) -> None:
        """Remove this worker's file, and those of workers that published nothing for an hour."""
        for path in self._folder.glob("*"):
            if path.stem == self._worker or path.stat().st_mtime < now - KEEP_SECONDS:
                path.unlink(missing_ok=True)

    def _path(self) -> Path:
        return self._folder / f"{self._worker}.jsonl"


def _parse_line(line: bytes, endpoint: str, start: int) -> Second | None:
    """Return the line's counts if they are the endpoint's and after ``start``; None also for an incomplete line."""
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return _second(fields) if fields["endpoint"] == endpoint and fields["second"] > start else None


def _second(fields: dict[str, Any]) -> Second:
    """Return a line's counts; lines of an older release have no versions."""
    versions = {
        name: Count(**{**count, "latencies": _sketch(count["latencies"])})
        for name, count in fields.get("versions", {}).items()
    }
    counts = {name: fields[name] for name in ("second", "requests", "rows", "client_errors", "server_errors")}
    return Second(**counts, latencies=_sketch(fields["latencies"]), versions=versions)


def _sketch(buckets: dict[str, int]) -> dict[int, int]:
    return {int(key): count for key, count in buckets.items()}
