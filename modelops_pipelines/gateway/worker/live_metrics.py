"""Live metrics of the last hour: this worker's counts in memory, and those that the other workers publish."""

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson

from modelops_pipelines.core.metrics.latency_sketch import bucket, merge, percentile
from modelops_pipelines.core.release.live_counts import Count, Second, second_of
from modelops_pipelines.gateway.worker.replays import Replay

KEEP_SECONDS = 3600
SET_BACK_SECONDS = 5
"""A second so far before the newest one says that the clock was set back; requests that end together are nearer."""
NEVER = float("-inf")
"""When an endpoint was asked that this worker has not seen asked (monotonic seconds)."""
ROTATE_BYTES = 4 * 1024 * 1024
CALLERS_KEPT = 100_000
_CLIENT, _SERVER = 400, 500
_KEY_BYTES, _LONGEST_KEY = 6, 64
_SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True)
class Judged:
    """What the guards count of one request: the version that answered, the caller, and how it went.

    ``milliseconds`` is the latency without capture, which no version can help. ``replay`` is how a failed request did
    when it was tried again on both versions; None if it was not.
    """

    version: str
    caller: str | None
    milliseconds: float
    failed: bool = False
    replay: Replay | None = None

    @property
    def is_own_failure(self) -> bool:
        """Whether the version failed, and the other version is not known to fail too."""
        return self.failed and not (self.replay is not None and self.replay.other_failed)


class LiveMetrics:
    """One endpoint's counts per second, for the last hour."""

    def __init__(self, secret: bytes = b"") -> None:
        """Start empty; ``secret`` keys the digests by which workers recognise a caller."""
        self._lock = threading.Lock()
        self._seconds: deque[Second] = deque()
        self._secret = secret[:_LONGEST_KEY]
        self._callers: set[int] = set()
        self._failed: set[int] = set()
        self.in_flight, self.explaining, self.used_at = 0, 0, NEVER

    def add(
        self,
        now: float,
        rows: int,
        status: int,
        milliseconds: float,
        judged: Judged | None = None,
        *,
        cache_hit: bool = False,
    ) -> None:
        """Count one request (``now`` in seconds).

        ``judged`` is None when no version answered, as with a ``cache_hit``. Test calls are not counted.
        """
        with self._lock:
            current = self._current(int(now))
            current.requests += 1
            current.rows += rows if status < _CLIENT else 0
            current.client_errors += _CLIENT <= status < _SERVER
            current.server_errors += status >= _SERVER
            current.cache_hits += cache_hit
            _increment(current.latencies, bucket(milliseconds))
            if judged is not None:
                self._judge(current.versions.setdefault(judged.version, Count()), judged)

    def add_timing(self, now: float, version: str, *, slow: bool, other_slow: bool) -> None:
        """Count a request that was timed again on the version and on the one that it is judged against."""
        with self._lock:
            count = self._current(int(now)).versions.setdefault(version, Count())
            _add_pair(count.timings, slow, other_slow)

    def begin_leg(self, *, same_trial: bool) -> None:
        """Count every caller as new, because the share changed; those with a failure only in another trial."""
        with self._lock:
            self._callers = set()
            self._failed = self._failed if same_trial else set()

    def _judge(self, count: Count, judged: Judged) -> None:
        key = None if judged.caller is None else self._key(judged.caller)
        latency = bucket(judged.milliseconds)
        count.requests += 1
        count.failed += judged.is_own_failure
        count.shared += judged.failed and not judged.is_own_failure
        _increment(count.latencies, latency)
        if judged.replay is not None and judged.replay.pair is not None:
            _add_pair(count.replays, *judged.replay.pair)
        if key is None:
            if not count.anonymous:
                count.fresh.append((None, latency))
            count.anonymous += 1
            count.anonymous_errors += judged.is_own_failure
            return
        if judged.is_own_failure and _is_new(self._failed, key):
            count.failing.append(key)
        if _is_new(self._callers, key):
            count.fresh.append((key, latency))

    def _key(self, caller: str) -> int:
        digest = blake2b(caller.encode(), digest_size=_KEY_BYTES, key=self._secret).digest()
        return int.from_bytes(digest, "big")

    def since(self, second: int) -> list[Second]:
        """Return the counts of the seconds after this one."""
        if not self._seconds or self._seconds[-1].second <= second:
            return []  # the answer for most of many endpoints, most of the time
        with self._lock:
            return [counted for counted in self._seconds if counted.second > second]

    def _current(self, second: int) -> Second:
        while self._seconds and self._seconds[-1].second > second + SET_BACK_SECONDS:
            self._seconds.pop()  # of a time that the clock, which was set back, has not come to
        if not self._seconds or self._seconds[-1].second < second:
            self._seconds.append(Second(second))
            while self._seconds[0].second < second - KEEP_SECONDS:
                self._seconds.popleft()
        return self._seconds[-1]


def _is_new(known: set[int], key: int) -> bool:
    """Add the caller to those known, and return whether it was new."""
    if len(known) >= CALLERS_KEPT:
        known.clear()
    before = len(known)
    known.add(key)
    return len(known) > before


def _add_pair(counts: list[int], own: bool, other: bool) -> None:  # noqa: FBT001 - two outcomes of the same kind
    counts[0] += 1
    counts[1] += own and not other
    counts[2] += other and not own


def _increment(sketch: dict[int, int], key: int) -> None:
    sketch[key] = sketch.get(key, 0) + 1


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
        "cache_hits": sum(count.cache_hits for count in counts),
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
        if lines:
            self._folder.mkdir(exist_ok=True)
            with self._path().open("ab") as handle:
                handle.write(b"\n".join(lines) + b"\n")
                if handle.tell() > ROTATE_BYTES:
                    self._path().replace(self._path().with_suffix(".before"))
        self._published_until = complete

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
            parsed = [_parse_line(line, endpoint, start, int(now)) for line in content.splitlines()]
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
            found += [(counted["endpoint"], second_of(counted)) for counted in fields]
        return found

    def clear(self, now: float) -> None:
        """Remove this worker's file, and those of workers that published nothing for an hour."""
        for path in self._folder.glob("*"):
            if path.stem == self._worker or path.stat().st_mtime < now - KEEP_SECONDS:
                path.unlink(missing_ok=True)

    def _path(self) -> Path:
        return self._folder / f"{self._worker}.jsonl"


def _parse_line(line: bytes, endpoint: str, start: int, now: int) -> Second | None:
    """Return the line's counts if they are the endpoint's, after ``start``; None also for an incomplete line.

    Seconds far ahead of ``now`` were counted before the clock was set back.
    """
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    is_within = start < fields["second"] <= now + SET_BACK_SECONDS
    return second_of(fields) if fields["endpoint"] == endpoint and is_within else None
