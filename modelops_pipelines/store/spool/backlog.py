"""The spool's backlog and the disk's usage, from folders and file sizes; no file is opened."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from modelops_pipelines.store.spool.segments import OPEN, SEALED


@dataclass(frozen=True)
class Backlog:
    """An endpoint's backlog: all segments, and the time (epoch seconds) of the oldest sealed and open ones."""

    segments: int
    bytes: int
    sealed_at: float | None
    opened_at: float | None


def backlog(spool: Path, endpoint: str) -> Backlog:
    """Return the backlog of the endpoint's spool. Segments that are ingested meanwhile do not count.

    The time of a sealed segment is its last write. The time of an open segment is the last change of its worker's
    folder, which is later than its opening if an earlier segment was ingested since.
    """
    sealed: list[float] = []
    opened: list[float] = []
    size = 0
    for folder, changed_at in _workers(spool / endpoint):
        for entry, status in _entries(folder):
            if entry.name.endswith(SEALED):
                sealed.append(status.st_mtime)
            elif entry.name.endswith(OPEN):
                opened.append(changed_at)
            else:
                continue
            size += status.st_size
    return Backlog(len(sealed) + len(opened), size, min(sealed, default=None), min(opened, default=None))


def disk_used(folder: Path) -> float:
    """Return the used share, 0 to 1, of the folder's disk, of the space available to this user."""
    usage = shutil.disk_usage(folder)
    return usage.used / (usage.used + usage.free)


def _workers(folder: Path) -> Iterator[tuple[str, float]]:
    """Yield each worker's folder with the time of its last change."""
    for stream, _ in _entries(str(folder)):
        for worker, status in _entries(stream.path):
            yield worker.path, status.st_mtime


def _entries(folder: str) -> Iterator[tuple["os.DirEntry[str]", os.stat_result]]:
    try:
        with os.scandir(folder) as found:
            for entry in found:
                try:
                    yield entry, entry.stat()
                except FileNotFoundError:
                    continue
    except (FileNotFoundError, NotADirectoryError):
        return
