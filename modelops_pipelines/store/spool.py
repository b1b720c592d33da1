"""The spool: what the gateway has acknowledged and the lake does not hold yet.

One folder an endpoint, stream and worker: ``spool/<endpoint>/<stream>/<worker>/<segment>.jsonl``, and the segment
being written as ``<segment>.open``. A worker's name is new with each process, so that a segment's number is never
used twice. A line is one record, closed by its CRC-32; a line that is torn or damaged never passes for a record.
The worker holds a lock on its open segment: one that nobody holds was left by a process that died, and is sealed
by whoever reads next.
"""

import errno
import fcntl
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from modelops_pipelines.store.files import sync

DRAFT, OPEN, SEALED = ".draft", ".open", ".jsonl"
_CRC = b',"crc":"%08x"}\n'
_CRC_LENGTH = len(_CRC % 0)


@dataclass(frozen=True)
class Segment:
    """A sealed segment."""

    path: Path
    worker: str
    number: int


@dataclass(frozen=True)
class Line:
    """One line of a segment: its record, or the reason why there is none."""

    number: int
    raw: bytes
    record: dict[str, Any] | None
    fault: str | None


def encode(record: dict[str, Any]) -> bytes:
    """Return the record as one line with its checksum."""
    body = orjson.dumps(record, option=orjson.OPT_SERIALIZE_NUMPY)[:-1]
    return body + _CRC % zlib.crc32(body)


class SegmentWriter:
    """Appends lines to a worker's open segment of one stream. Not thread-safe: one thread writes."""

    def __init__(self, spool: Path, endpoint: str, stream: str, worker: str) -> None:
        """Nothing is created before the first line."""
        self._folder = spool / endpoint / stream / worker
        self._number = 0
        self._handle: BinaryIO | None = None
        self.opened_at: float | None = None
        self.size = 0

    def append(self, lines: bytes, now: float) -> None:
        """Write the lines and make them durable; raises OSError, after which nothing of them counts as written.

        After a failed write the segment is cut back to its last durable byte, and left to the ingest if that fails.
        """
        handle = self._handle or self._open(now)
        try:
            if handle.write(lines) != len(lines):
                raise OSError(errno.ENOSPC, "only a part could be written")  # noqa: TRY301 - as a full disk would
            os.fdatasync(handle.fileno())
        except OSError:
            self._cut(handle)
            raise
        self.size += len(lines)

    def seal(self) -> None:
        """Close the open segment and hand it to whoever ingests; does nothing when none is open."""
        if self._handle is None:
            return
        self._path(OPEN).rename(self._path(SEALED))
        handle, self._handle, self.opened_at, self.size = self._handle, None, None, 0
        with handle:  # forgotten before the sync: were that to fail, nothing more may go into a sealed segment
            sync(self._folder)

    def _open(self, now: float) -> BinaryIO:
        self._number += 1
        handle = self._create()
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._path(DRAFT).rename(self._path(OPEN))
        sync(self._folder)
        for folder in self._folder.parents[:3]:
            sync(folder)
        self._handle, self.opened_at, self.size = handle, now, 0
        return handle

    def _create(self) -> BinaryIO:
        """Create the next segment under a name that no reader looks at until its lock is held."""
        for _ in range(3):
            self._folder.mkdir(parents=True, exist_ok=True)
            try:
                return self._path(DRAFT).open("xb", buffering=0)
            except FileNotFoundError:
                continue  # an ingest has just removed the empty folder
        raise FileNotFoundError(errno.ENOENT, "the worker's folder keeps vanishing", str(self._folder))

    def _cut(self, handle: BinaryIO) -> None:
        try:
            handle.truncate(self.size)
            handle.seek(self.size)
            os.fsync(handle.fileno())
        except OSError:
            handle.close()  # nobody's from now on: whoever ingests seals it, and nothing follows what may be torn
            self._handle, self.opened_at, self.size = None, None, 0

    def _path(self, ending: str) -> Path:
        return self._folder / f"{self._number:010d}{ending}"


def sealed_segments(spool: Path, endpoint: str, stream: str) -> list[Segment]:
    """Return the stream's sealed segments, each worker's in order; segments of dead workers are sealed first."""
    _seal_orphans(spool / endpoint / stream)
    paths = sorted((spool / endpoint / stream).glob(f"*/*{SEALED}"))
    return [Segment(path, path.parent.name, int(path.stem)) for path in paths]


def waiting(spool: Path, endpoint: str) -> list[str]:
    """Return the names of what an ingest would take now (a sensor's view: reads folders only)."""
    folder = spool / endpoint
    found = list(folder.glob(f"*/*/*{SEALED}"))
    found += [path for path in folder.glob(f"*/*/*{OPEN}") if _is_orphan(path)]
    return sorted(str(path.relative_to(folder).with_suffix("")) for path in found)


def read_lines(segment: Segment) -> Iterator[Line]:
    """Yield every line of the segment, the damaged ones with their fault."""
    with segment.path.open("rb") as handle:
        for number, raw in enumerate(handle, 1):
            yield _parse(number, raw)


def drop(segment: Segment) -> None:
    """Remove an ingested segment; the folder of a worker that is gone goes with its last one."""
    segment.path.unlink(missing_ok=True)
    sync(segment.path.parent)


def remove_empty_workers(spool: Path, endpoint: str, stream: str) -> None:
    """Remove the folders of workers that left nothing behind. A live worker makes its folder again."""
    for folder in (spool / endpoint / stream).glob("*/"):
        try:
            folder.rmdir()
        except OSError:
            continue


def _parse(number: int, raw: bytes) -> Line:
    if not raw.endswith(b"\n"):
        return Line(number, raw, None, "torn: the process died while writing it, so it was never acknowledged")
    body = raw[:-_CRC_LENGTH]
    if _CRC % zlib.crc32(body) != raw[-_CRC_LENGTH:]:
        return Line(number, raw, None, "damaged: its checksum does not match")
    return Line(number, raw, orjson.loads(body + b"}"), None)


def _seal_orphans(folder: Path) -> None:
    for path in folder.glob(f"*/*{OPEN}"):
        if _is_orphan(path):
            path.rename(path.with_suffix(SEALED))
            sync(path.parent)


def _is_orphan(path: Path) -> bool:
    """Return whether nobody holds the open segment's lock."""
    try:
        with path.open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
