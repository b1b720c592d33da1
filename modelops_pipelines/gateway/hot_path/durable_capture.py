"""Capture: a record is on the disk, synced, before its answer leaves.

Records gather on the event loop, and a group of them shares a write and a sync. On a quick disk the loop does that
itself: two hand-overs between threads cost more than the sync (docs/decisions/0008). After a slow sync a thread does
it for a while, so that a disk that stalls holds up the answers that wait for it and nothing else.
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


class Capture:
    """The worker's spool. ``write`` returns when the record is durable, or raises CaptureError."""

    def __init__(self, spool: Path, worker: str, seal_after: float) -> None:
        """Start the writing thread; nothing is created on disk before the first record."""
        self._spool, self._worker, self._seal_after = spool, worker, seal_after
        self._gathered: list[_Item] = []
        self._busy = False
        self._threaded_until = 0.0
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[tuple[asyncio.AbstractEventLoop, list[_Item]] | None] = queue.SimpleQueue()
        self._writers: dict[tuple[str, str], SegmentWriter] = {}
        self.failed_at: float | None = None
        self._refused: SegmentWriter | None = None
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)
        self._thread.start()

    async def write(self, endpoint: str, stream: str, record: Mapping[str, Any]) -> None:
        """Make the record durable; raises CaptureError when that fails, after which it does not count as written."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._gathered.append(_Item(endpoint, stream, encode(record), future))
        if not self._busy:
            self._busy = True
            loop.call_soon(self._hand_over, loop)  # with whatever else this turn of the loop has to write
        await future

    def close(self) -> None:
        """Write what waits, seal every segment and end the thread."""
        self._queue.put(None)
        self._thread.join()

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        """Write what has gathered, or have the thread write it where the disk is slow; on the loop's thread."""
        items, self._gathered = self._gathered, []
        self._busy = bool(items)
        if not items:
            return
        started = time.monotonic()
        if started < self._threaded_until:
            self._queue.put((loop, items))
            return
        outcomes = self._write_all(items)
        if time.monotonic() - started > SLOW_SECONDS:
            self._threaded_until = time.monotonic() + CALM_SECONDS
        self._settle(loop, outcomes)

    def _settle(self, loop: asyncio.AbstractEventLoop, outcomes: list[tuple[_Item, Exception | None]]) -> None:
        """Tell every waiting caller, then hand over what came meanwhile; on the loop's thread."""
        for item, error in outcomes:
            if item.future.done():
                continue
            if error is None:
                item.future.set_result(None)
            else:
                item.future.set_exception(error)
        self._hand_over(loop)

    def _run(self) -> None:
        going = True
        while going:
            with contextlib.suppress(queue.Empty):
                group = self._queue.get(timeout=TICK_SECONDS)
                going = group is not None
                if group is not None:
                    loop, items = group
                    outcomes = self._write_all(items)
                    with contextlib.suppress(RuntimeError):  # the loop is gone: the process is ending
                        loop.call_soon_threadsafe(self._settle, loop, outcomes)
            self._seal_due(everything=not going)
            self._look_again()

    def _look_again(self) -> None:
        """After a failure, find out whether the disk takes a write again: nobody may send one that would show it."""
        if self.failed_at is not None and self._refused is not None:
            with contextlib.suppress(OSError):
                self._refused.probe(PROBE_BYTES)
                self.failed_at = None

    def _write_all(self, items: list[_Item]) -> list[tuple[_Item, Exception | None]]:
        """Append each stream's lines at once; return what came of every item."""
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
        except Exception as error:  # noqa: BLE001 - a writing thread that ends would leave every caller waiting
            self.failed_at, self._refused = time.time(), writer
            why = error.strerror if isinstance(error, OSError) else type(error).__name__
            return CaptureError(
                f"The spool cannot be written ({why}), so nothing is answered",
                "Free or repair the disk that holds the home, then send the request again",
            )
        self.failed_at = None
        return None

    def _seal_due(self, *, everything: bool) -> None:
        now = time.monotonic()
        with self._lock:
            for writer in self._writers.values():
                old = writer.opened_at is not None and now - writer.opened_at >= self._seal_after
                if everything or old or writer.size >= SEAL_BYTES:
                    with contextlib.suppress(OSError):  # stays open, and is sealed at the next tick or by the ingest
                        writer.seal()
