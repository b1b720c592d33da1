"""The spool: requests, labels and feedback that are acknowledged but not in the lake yet.

One folder per endpoint, stream and worker: ``spool/<endpoint>/<stream>/<worker>/<segment>.jsonl``, and the segment
being written as ``<segment>.open``. Each process has a new worker name, so that a segment number is never reused. A
line is one record with its CRC-32; the last line of a sealed segment is its seal (``checksums.py``). So damaged, lost
and repeated lines are detected, and every intact record can still be read.

The worker holds a lock on its open segment. An open segment without a lock belongs to a dead process, and the next
reader seals it. A segment's name has 12 digits. Release 0.1 wrote 10 digits and no seals: such segments are read as
they are, their last line may be torn, and lines lost at their end cannot be detected. The name tells the formats apart,
because damage to a file's content does not change it.
"""

import errno
import fcntl
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from modelops_pipelines.store.filesystem.files import sync, write_atomically
from modelops_pipelines.store.spool.checksums import (
    Tally,
    decode_line,
    encode_line,
    parse_seal,
    seal_line,
    seal_orphan,
    tally_lines,
)

DRAFT, OPEN, SEALED = ".draft", ".open", ".jsonl"
_UNSEALED_DIGITS = 10
_TORN = "torn: its process died while writing it, so it was never acknowledged"
_DAMAGED = "damaged: its checksum does not match"
_REPEATED = "damaged: the line before it was there already"
_STRAY_SEAL = "damaged: a seal that does not match the lines before it"
_NO_END = "the segment has no seal: lines at its end may have been lost"
_LOG = logging.getLogger("modelops.spool")


@dataclass(frozen=True)
class Segment:
    """A sealed segment."""

    path: Path
    worker: str
    number: int


@dataclass(frozen=True)
class Line:
    """One line of a segment: its record, or its fault."""

    number: int
    raw: bytes
    record: dict[str, Any] | None
    fault: str | None


def encode(record: Mapping[str, Any]) -> bytes:
    """Return the record as one line with its checksum."""
    return encode_line(orjson.dumps(record, option=orjson.OPT_SERIALIZE_NUMPY)[:-1])


class SegmentWriter:
    """Appends lines to a worker's open segment of one stream. Not thread-safe: one thread writes."""

    def __init__(self, spool: Path, endpoint: str, stream: str, worker: str) -> None:
        """Create nothing before the first line."""
        self._folder = spool / endpoint / stream / worker
        self._number = 0
        self._handle: BinaryIO | None = None
        self._tally = Tally()
        self.opened_at: float | None = None

    @property
    def size(self) -> int:
        """Return the durable bytes of lines in the open segment; 0 without an open segment."""
        return self._tally.size

    def append(self, lines: bytes, now: float) -> None:
        """Write the lines durably; raises OSError, and then none of them are written.

        After a failed write the segment is truncated to its last durable byte; if that fails, the ingest seals it.
        """
        handle = self._handle or self._open(now)
        self._write(handle, lines)
        self._tally = self._tally.plus(lines, lines.count(b"\n"))

    def probe(self, size: int) -> None:
        """Test that ``size`` bytes can be written in the segments' folder; raises OSError if not."""
        path = self._folder / ".probe"
        write_atomically(path, b"x" * size)
        path.unlink()

    def seal(self) -> None:
        """Seal the open segment, so that it can be ingested; does nothing without an open segment.

        Raises OSError. If the seal could not be written, the segment stays open for another try; if it could not be
        renamed after that, the ingest renames it.
        """
        if self._handle is None:
            return
        self._write(self._handle, seal_line(self._tally))
        with self._handle:
            self._forget()  # before anything else can fail: nothing may be appended to a sealed segment
            self._path(OPEN).rename(self._path(SEALED))
            sync(self._folder)

    def _open(self, now: float) -> BinaryIO:
        self._number += 1
        handle = self._create()
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._path(DRAFT).rename(self._path(OPEN))
            for folder in (self._folder, *self._folder.parents[:3]):
                sync(folder)
        except OSError:
            handle.close()
            with suppress(OSError):  # absent if renamed already; the ingest accepts an empty segment
                self._path(DRAFT).unlink()
            raise
        self._handle, self.opened_at = handle, now
        return handle

    def _create(self) -> BinaryIO:
        """Create the next segment under a name that readers ignore, until its lock is held."""
        for _ in range(3):
            self._folder.mkdir(parents=True, exist_ok=True)
            try:
                return self._path(DRAFT).open("xb", buffering=0)
            except FileNotFoundError:
                continue  # an ingest has just removed the empty folder
        raise FileNotFoundError(errno.ENOENT, "the worker's folder keeps disappearing", str(self._folder))

    def _write(self, handle: BinaryIO, lines: bytes) -> None:
        try:
            if handle.write(lines) != len(lines):
                raise OSError(errno.ENOSPC, "incomplete write")  # noqa: TRY301 - as a full disk would
            os.fdatasync(handle.fileno())
        except OSError:
            self._cut(handle)
            raise

    def _cut(self, handle: BinaryIO) -> None:
        try:
            handle.truncate(self.size)
            handle.seek(self.size)
            os.fsync(handle.fileno())
        except OSError:
            handle.close()  # the ingest seals it: nothing may follow a line that may be torn
            self._forget()

    def _forget(self) -> None:
        self._handle, self.opened_at, self._tally = None, None, Tally()

    def _path(self, ending: str) -> Path:
        return self._folder / f"{self._number:012d}{ending}"


def sealed_segments(spool: Path, endpoint: str, stream: str) -> list[Segment]:
    """Return the stream's sealed segments, each worker's in order; segments of dead workers are sealed first.

    Segments after an unsealed one of the same worker are left out: ingest tracks the last segment number per worker,
    so an earlier segment would count as ingested already.
    """
    folder = spool / endpoint / stream
    for path in folder.glob(f"*/*{OPEN}"):
        _seal_orphan(path)
    found = [Segment(path, path.parent.name, int(path.stem)) for path in folder.glob(f"*/*{SEALED}")]
    first_open: dict[str, float] = {}
    for path in folder.glob(f"*/*{OPEN}"):  # after the sealed ones: segments sealed meanwhile are for the next call
        first_open[path.parent.name] = min(int(path.stem), first_open.get(path.parent.name, inf))
    ready = [segment for segment in found if segment.number < first_open.get(segment.worker, inf)]
    return sorted(ready, key=lambda segment: (segment.worker, segment.number))


def listed(worker: Path) -> set[Path]:
    """Return a worker's segments, open or sealed, without the ending of their names: see ``names_of``.

    A segment is renamed when it is sealed, and a folder that is being listed may show a renamed file not at all. So the
    folder is listed twice: a segment is renamed once.
    """
    found: set[Path] = set()
    for _ in range(2):
        with suppress(FileNotFoundError, NotADirectoryError):  # the last segment was ingested meanwhile
            found.update(path.with_suffix("") for path in worker.iterdir() if path.suffix in (OPEN, SEALED))
    return found


def names_of(segment: Path) -> tuple[Path, Path]:
    """Return the paths that a listed segment may have, in the order in which it is renamed: open, then sealed."""
    return segment.with_suffix(OPEN), segment.with_suffix(SEALED)


def open_segments(spool: Path, endpoint: str) -> list[Path]:
    """Return the endpoint's open segments, of dead workers too. Paths are not reused: a missing one was sealed."""
    return sorted((spool / endpoint).glob(f"*/*/*{OPEN}"))


def read_lines(segment: Segment) -> Iterator[Line]:
    """Yield every record and every fault of the segment: damaged lines, and a missing or wrong seal."""
    with segment.path.open("rb") as handle:
        tally, last = tally_lines(handle)
        handle.seek(0)
        seal = parse_seal(decode_line(last))
        if seal is not None and seal.fits(tally):
            yield from _read_whole(handle, tally.lines, may_be_torn=seal.orphan)
        elif seal is None and len(segment.path.stem) == _UNSEALED_DIGITS:
            yield from _read_whole(handle, tally.lines + bool(last), may_be_torn=not last.endswith(b"\n"))
        else:
            yield from _read_damaged(handle)


def drop(segment: Segment) -> None:
    """Remove an ingested segment."""
    segment.path.unlink(missing_ok=True)
    sync(segment.path.parent)


def remove_empty_workers(spool: Path, endpoint: str, stream: str) -> None:
    """Remove empty worker folders. A live worker creates its folder again."""
    for folder in (spool / endpoint / stream).glob("*/"):
        try:
            folder.rmdir()
        except OSError:
            continue


def _read_whole(handle: BinaryIO, lines: int, *, may_be_torn: bool) -> Iterator[Line]:
    for number, raw in zip(range(1, lines + 1), handle, strict=False):
        line = _parse(number, raw)
        if line.fault and may_be_torn and number == lines:
            line = replace(line, fault=_TORN)
        yield replace(line, record=None, fault=_STRAY_SEAL) if parse_seal(line.record) else line


def _read_damaged(handle: BinaryIO) -> Iterator[Line]:
    """Yield each line once, and then the fault of the whole segment."""
    read: set[bytes] = set()
    sealed: list[Line] = []
    number = 0
    for number, raw in enumerate(handle, 1):
        line = _parse(number, raw)
        if parse_seal(line.record):
            sealed.append(line)
        else:
            yield replace(line, record=None, fault=_REPEATED) if raw in read else line
            read.add(raw)
    seal = parse_seal(sealed[-1].record) if sealed else None
    if seal is None:
        yield Line(number + 1, b"", None, _NO_END)
    else:
        fault = f"damaged: the seal is for {seal.lines} lines, but is line {sealed[-1].number} of {number}"
        yield replace(sealed[-1], record=None, fault=f"{fault}: lines were lost, changed or added")


def _parse(number: int, raw: bytes) -> Line:
    record = decode_line(raw)
    return Line(number, raw, record, _DAMAGED if record is None else None)


def _seal_orphan(path: Path) -> None:
    """Seal the segment if its worker is dead; if that fails (a full disk), the next call tries again."""
    try:
        with path.open("r+b") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists():  # otherwise another reader has just sealed it
                seal_orphan(handle)
                path.rename(path.with_name(f"{int(path.stem):012d}{SEALED}"))
                sync(path.parent)
    except (BlockingIOError, FileNotFoundError):
        return  # its worker lives, or it is sealed
    except OSError as error:
        _LOG.warning("the segment %s of a dead worker cannot be sealed; the next ingest will retry (%s)", path, error)


def is_orphan(path: Path) -> bool:
    """Return whether no process holds the open segment's lock."""
    try:
        with path.open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
