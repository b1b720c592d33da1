"""Capture: a record is on the disk, synced, before its answer leaves. One thread writes; what waits shares a sync."""

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelops_pipelines.core.errors import CaptureError
from modelops_pipelines.store.spool import SegmentWriter, encode

SEAL_BYTES = 16 * 1024 * 1024
TICK_SECONDS = 0.25


@dataclass(frozen=True)
class _Item:
    endpoint: str
    stream: str
    line: bytes
    done: Callable[[Exception | None], None]


class Capture:
    """The worker's spool. ``write`` returns when the record is durable, or raises CaptureError."""

    def __init__(self, spool: Path, worker: str, seal_after: float) -> None:
        """Start the writing thread; nothing is created on disk before the first record."""
        self._spool, self._worker, self._seal_after = spool, worker, seal_after
        self._queue: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._writers: dict[tuple[str, str], SegmentWriter] = {}
        self.failed_at: float | None = None
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)
        self._thread.start()

    async def write(self, endpoint: str, stream: str, record: dict[str, Any]) -> None:
        """Make the record durable; raises CaptureError when that fails, after which it does not count as written."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()

        def finish(error: Exception | None) -> None:
            if not future.done():
                future.set_exception(error) if error else future.set_result(None)

        def done(error: Exception | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is gone: the process is ending
                loop.call_soon_threadsafe(finish, error)

        self._queue.put(_Item(endpoint, stream, encode(record), done))
        await future

    def close(self) -> None:
        """Write what waits, seal every segment and end the thread."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        going = True
        while going:
            items = self._take()
            going = None not in items
            self._write_all([item for item in items if item is not None])
            self._seal_due(everything=not going)

    def _take(self) -> list[_Item | None]:
        try:
            items = [self._queue.get(timeout=TICK_SECONDS)]
        except queue.Empty:
            return []
        with contextlib.suppress(queue.Empty):
            while True:
                items.append(self._queue.get_nowait())
        return items

    def _write_all(self, items: list[_Item]) -> None:
        groups: dict[tuple[str, str], list[_Item]] = {}
        for item in items:
            groups.setdefault((item.endpoint, item.stream), []).append(item)
        for key, group in groups.items():
            error = self._append(key, b"".join(item.line for item in group))
            for item in group:
                item.done(error)

    def _append(self, key: tuple[str, str], lines: bytes) -> Exception | None:
        writer = self._writers.setdefault(key, SegmentWriter(self._spool, *key, self._worker))
        try:
            writer.append(lines, time.monotonic())
        except Exception as error:  # noqa: BLE001 - a writing thread that ends would leave every caller waiting
            self.failed_at = time.time()
            why = error.strerror if isinstance(error, OSError) else type(error).__name__
            return CaptureError(
                f"The spool cannot be written ({why}), so nothing is answered",
                "Free or repair the disk that holds the home, then send the request again",
            )
        self.failed_at = None
        return None

    def _seal_due(self, *, everything: bool) -> None:
        now = time.monotonic()
        for writer in self._writers.values():
            old = writer.opened_at is not None and now - writer.opened_at >= self._seal_after
            if everything or old or writer.size >= SEAL_BYTES:
                with contextlib.suppress(OSError):  # stays open, and is sealed at the next tick or by the ingest
                    writer.seal()
