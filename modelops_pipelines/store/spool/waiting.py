"""What the ingests of all endpoints would take now, by one look through the spool's folders. No file is read."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from modelops_pipelines.store.spool.segments import OPEN, SEALED, is_orphan


@dataclass(frozen=True)
class Waiting:
    """The segments of one endpoint that an ingest would take: their names, their bytes, and the oldest's last write.

    A name is ``<stream>/<worker>/<number>``; ``since`` is in seconds since the epoch.
    """

    segments: tuple[str, ...]
    size: int
    since: float


def waiting_segments(spool: Path) -> dict[str, Waiting]:
    """Return what waits, by endpoint; those without anything are left out."""
    names = [entry.name for entry in _entries(spool) if entry.is_dir()]
    return {name: found for name in sorted(names) if (found := waiting_of(spool, name)) is not None}


def pending_segments(spool: Path, endpoint: str) -> list[str]:
    """Return the names of the segments of one endpoint that an ingest would take now."""
    found = waiting_of(spool, endpoint)
    return list(found.segments) if found else []


def waiting_of(spool: Path, endpoint: str) -> Waiting | None:
    """Return what waits of one endpoint; None without anything."""
    names, size, since = [], 0, float("inf")
    for name, entry in _segments(spool / endpoint):
        with suppress(OSError):  # ingested meanwhile
            status = entry.stat()
            names.append(name)
            size, since = size + status.st_size, min(since, status.st_mtime)
    return Waiting(tuple(sorted(names)), size, since) if names else None


def _segments(folder: Path) -> Iterator[tuple[str, "os.DirEntry[str]"]]:
    for stream in _entries(folder):
        for worker in _entries(stream.path):
            for entry in _entries(worker.path):
                stem, ending = os.path.splitext(entry.name)  # noqa: PTH122 - of a name, many times a second
                if ending == SEALED or (ending == OPEN and is_orphan(Path(entry.path))):
                    yield f"{stream.name}/{worker.name}/{stem}", entry


def _entries(folder: Path | str) -> "list[os.DirEntry[str]]":
    try:
        with os.scandir(folder) as found:
            return list(found)
    except (FileNotFoundError, NotADirectoryError):
        return []
