"""Durable capture: a record is written to the spool and synced before its answer is sent.

Records queue on the event loop, and a group of them shares one write and one sync. On a fast disk the loop writes
itself: two switches between threads cost more than the sync (docs/decisions/0008). After a sync of over SLOW_SECONDS a
thread writes for CALM_SECONDS, so that a stalled disk delays only the answers that need it.
"""

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelops_pipelines.core.errors import CaptureError
from modelops_pipelines.store.spool.segments import SegmentWriter, encode

SEAL_BYTES = 16 * 1024 * 1024
TICK_SECONDS = 0.25
PROBE_BYTES = 64 * 1024
SLOW_SECONDS = 0.02
CALM_SECONDS = 5.0


@dataclass(frozen=True)
class _Item:
    endpoint: str
    stream: str
    line: bytes
    future: "asyncio.Future[None]"


class Refusals:
    """The records that could not be written since they were last taken, by endpoint: how many, and why the last one."""

    def __init__(self) -> None:
        """Begin without any."""
        self._lock = threading.Lock()
        self._found: dict[str, tuple[int, str]] = {}

    def add(self, endpoint: str, records: int, why: str) -> None:
        """Add some of an endpoint."""
        with self._lock:
            self._found[endpoint] = (self._found.get(endpoint, (0, ""))[0] + records, why)

    def take(self) -> dict[str, tuple[int, str]]:
        """Return what there is, and begin anew."""
        with self._lock:
            found, self._found = self._found, {}
        return found


class Capture:
    """The worker's spool. ``write`` returns when the record is durable, or raises CaptureError."""

    def __init__(self, spool: Path, worker: str, seal_after: float) -> None:
        """Start the writer thread; the first record creates the first file."""
        self._spool, self._worker, self._seal_after = spool, worker, seal_after
        self._pending: list[_Item] = []
        self._is_flushing = False
        self._threaded_until = 0.0
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[tuple[asyncio.AbstractEventLoop, list[_Item]] | None] = queue.SimpleQueue()
        self._writers: dict[tuple[str, str], SegmentWriter] = {}
        self.failed_at: float | None = None
        self.refusals = Refusals()
        self._failed_writer: SegmentWriter | None = None
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)
        self._thread.start()

    async def write(self, endpoint: str, stream: str, record: Mapping[str, Any]) -> None:
        """Write and sync the record; raises CaptureError when that fails: then the record is not in the spool."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._pending.append(_Item(endpoint, stream, encode(record), future))
        if not self._is_flushing:
            self._is_flushing = True
            loop.call_soon(self._flush, loop)  # together with other records of this turn of the event loop
        await future

    def close(self) -> None:
        """Write the queued records, seal every segment and end the thread."""
        self._queue.put(None)
        self._thread.join()

    def _flush(self, loop: asyncio.AbstractEventLoop) -> None:
        """Write the pending records, or queue them for the thread if the disk is slow; on the loop's thread."""
        items, self._pending = self._pending, []
        self._is_flushing = bool(items)
        if not items:
            return
        started = time.monotonic()
        if started < self._threaded_until:
            self._queue.put((loop, items))
            return
        outcomes = self._write_all(items)
        if time.monotonic() - started > SLOW_SECONDS:
            self._threaded_until = time.monotonic() + CALM_SECONDS
        self._complete(loop, outcomes)

    def _complete(self, loop: asyncio.AbstractEventLoop, outcomes: list[tuple[_Item, Exception | None]]) -> None:
        """Resolve the records' futures, then write what was queued meanwhile; on the loop's thread."""
        for item, error in outcomes:
            if item.future.done():
                continue
            if error is None:
                item.future.set_result(None)
            else:
                item.future.set_exception(error)
        self._flush(loop)

    def _run(self) -> None:
        is_open = True
        while is_open:
            with contextlib.suppress(queue.Empty):
                group = self._queue.get(timeout=TICK_SECONDS)
                is_open = group is not None
                if group is not None:
                    loop, items = group
                    outcomes = self._write_all(items)
                    with contextlib.suppress(RuntimeError):  # the event loop is closed: the process is ending
                        loop.call_soon_threadsafe(self._complete, loop, outcomes)
            self._seal_due(everything=not is_open)
            self._probe_failed_disk()

    def _probe_failed_disk(self) -> None:
        """After a failure, test whether the disk is writable again, without waiting for the next request."""
        if self.failed_at is not None and self._failed_writer is not None:
            with contextlib.suppress(OSError):
                self._failed_writer.probe(PROBE_BYTES)
                self.failed_at = None

    def _write_all(self, items: list[_Item]) -> list[tuple[_Item, Exception | None]]:
        """Append each stream's lines in one write; return each item with its error, None if it is durable."""
        groups: dict[tuple[str, str], list[_Item]] = {}
        for item in items:
            groups.setdefault((item.endpoint, item.stream), []).append(item)
        outcomes: list[tuple[_Item, Exception | None]] = []
        with self._lock:
            for key, group in groups.items():
                error = self._append(key, b"".join(item.line for item in group))
                outcomes += [(item, error) for item in group]
        return outcomes

    def _append(self, key: tuple[str, str], lines: bytes) -> Exception | None:
        writer = self._writers.setdefault(key, SegmentWriter(self._spool, *key, self._worker))
        try:
            writer.append(lines, time.monotonic())
        except Exception as error:  # noqa: BLE001 - if the writer thread ended, every caller would wait for ever
            self.failed_at, self._failed_writer = time.time(), writer
            why = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
            self.refusals.add(key[0], lines.count(b"\n"), why)
            return CaptureError(
                f"The spool cannot be written ({why}), so the answer is withheld",
                "Free space on the disk of MODELOPS_HOME or repair it, then send the request again",
            )
        self.failed_at = None
        return None

    def _seal_due(self, *, everything: bool) -> None:
        now = time.monotonic()
        with self._lock:
            for writer in self._writers.values():
                old = writer.opened_at is not None and now - writer.opened_at >= self._seal_after
                if everything or old or writer.size >= SEAL_BYTES:
                    with contextlib.suppress(OSError):  # the next tick or the ingest seals it
                        writer.seal()
