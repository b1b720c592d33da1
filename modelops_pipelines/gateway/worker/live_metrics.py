"""Metrics of the last hour: what this worker has answered, in memory, and what its fellow workers say they have."""

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

    ``callers`` asked it for the first time since its trial began, ``errors`` of them it failed for the first time:
    one caller who always meets the same error is one piece of evidence, not thousands. ``latencies`` are of the
    callers' first requests.
    """

    requests: int = 0
    failed: int = 0
    callers: int = 0
    errors: int = 0
    latencies: dict[int, int] = field(default_factory=dict)


@dataclass
class Second:
    """What was answered in one second; ``versions`` are those that were asked."""

    second: int
    requests: int = 0
    rows: int = 0
    client_errors: int = 0
    server_errors: int = 0
    latencies: dict[int, int] = field(default_factory=dict)
    versions: dict[str, Count] = field(default_factory=dict)


class LiveMetrics:
    """One endpoint's counts by second, for at most an hour."""

    def __init__(self) -> None:
        """Start empty."""
        self._lock = threading.Lock()
        self._seconds: deque[Second] = deque()
        self._callers: dict[str, set[int]] = {}
        self._failed: dict[str, set[int]] = {}
        self.under_way = 0

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
        """Count one request (``now`` in seconds); ``failed`` says that the version could not answer its caller."""
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

    def begin_anew(self) -> None:
        """Forget which callers were answered and failed: another trial begins."""
        with self._lock:
            self._callers, self._failed = {}, {}

    def since(self, second: int) -> list[Second]:
        """Return what was counted in the seconds after this one."""
        with self._lock:
            return [one for one in self._seconds if one.second > second]

    def _current(self, second: int) -> Second:
        if not self._seconds or self._seconds[-1].second < second:
            self._seconds.append(Second(second))
            while self._seconds[0].second < second - KEEP_SECONDS:
                self._seconds.popleft()
        return self._seconds[-1]


def _is_first(known: dict[str, set[int]], version: str, caller: str | None) -> bool:
    """Return whether the caller is new among those known of the version; one without a name always is."""
    if caller is None:
        return True
    callers = known.setdefault(version, set())
    if len(callers) >= CALLERS_KEPT:
        callers.clear()
    before = len(callers)
    callers.add(hash(caller))
    return len(callers) > before


def summary(seconds: Iterable[Second], window: int) -> dict[str, Any]:
    """Return the sum over the seconds; what has no request has no latency and no error rate."""
    counted = list(seconds)
    requests = sum(one.requests for one in counted)
    errors = sum(one.server_errors for one in counted)
    sketch = merge(one.latencies for one in counted)
    return {
        "window_seconds": window,
        "requests": requests,
        "predictions": sum(one.rows for one in counted),
        "client_errors": sum(one.client_errors for one in counted),
        "server_errors": errors,
        "error_rate": errors / requests if requests else None,
        "requests_per_second": requests / window,
        "latency_ms": {name: percentile(sketch, share) for name, share in _SHARES.items()},
    }


class Board:
    """Where the workers of a home tell each other what they have answered: a file each, a line an endpoint and second.

    It is for looking at, not for counting: what is true for good is the log.
    """

    def __init__(self, folder: Path, worker: str) -> None:
        """Use one file for this worker; nothing is written before there is something to tell."""
        self._folder, self._worker = folder, worker
        self._told = 0
        self._read: dict[str, int] = {}

    def tell(self, endpoints: Iterable[tuple[str, LiveMetrics]], now: float) -> None:
        """Append the seconds that are over and not told yet."""
        over = int(now) - 1
        lines = [
            orjson.dumps({"endpoint": name, **asdict(one)}, option=orjson.OPT_NON_STR_KEYS)
            for name, live in endpoints
            for one in live.since(self._told)
            if one.second <= over
        ]
        self._told = over
        if lines:
            self._folder.mkdir(exist_ok=True)
            with self._path().open("ab") as handle:
                handle.write(b"\n".join(lines) + b"\n")
                if handle.tell() > ROTATE_BYTES:
                    self._path().replace(self._path().with_suffix(".before"))

    def others(self, endpoint: str, now: float, window: int) -> list[Second]:
        """Return what the other workers told of the endpoint in the last ``window`` seconds."""
        start, found = int(now) - window, []
        for path in self._folder.glob("*"):
            try:
                if path.stem == self._worker or path.stat().st_mtime < start:
                    continue
                content = path.read_bytes()
            except FileNotFoundError:
                continue  # rotated or removed meanwhile
            found += [one for line in content.splitlines() if (one := _told(line, endpoint, start)) is not None]
        return found

    def follow(self) -> list[tuple[str, Second]]:
        """Return what other workers have told of any endpoint since the last call, each second once."""
        found = []
        for path in self._folder.glob("*.jsonl"):
            if path.stem == self._worker:
                continue
            try:
                size, read = path.stat().st_size, self._read.get(path.stem, 0)
                with path.open("rb") as handle:
                    handle.seek(read if size >= read else 0)  # it begins anew when it is rotated
                    content = handle.read()
                    whole = content[: content.rfind(b"\n") + 1]
                    self._read[path.stem] = handle.tell() - len(content) + len(whole)
            except FileNotFoundError:
                continue
            told = [orjson.loads(line) for line in whole.splitlines()]
            found += [(one["endpoint"], _second(one)) for one in told]
        return found

    def clear(self, now: float) -> None:
        """Remove the files of workers that have told nothing for an hour, and this one's."""
        for path in self._folder.glob("*"):
            if path.stem == self._worker or path.stat().st_mtime < now - KEEP_SECONDS:
                path.unlink(missing_ok=True)

    def _path(self) -> Path:
        return self._folder / f"{self._worker}.jsonl"


def _told(line: bytes, endpoint: str, start: int) -> Second | None:
    """Return a line's second when it is the endpoint's and recent; a line still being written is none."""
    try:
        told = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return _second(told) if told["endpoint"] == endpoint and told["second"] > start else None


def _second(told: dict[str, Any]) -> Second:
    """Return a second as its line says it; lines of an older release know of no versions."""
    versions = {
        name: Count(**{**count, "latencies": _sketch(count["latencies"])})
        for name, count in told.get("versions", {}).items()
    }
    counts = {name: told[name] for name in ("second", "requests", "rows", "client_errors", "server_errors")}
    return Second(**counts, latencies=_sketch(told["latencies"]), versions=versions)


def _sketch(told: dict[str, int]) -> dict[int, int]:
    return {int(key): count for key, count in told.items()}
