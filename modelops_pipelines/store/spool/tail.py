"""The newest records of the spool, read from the segments' ends, for display. Reading for ingest: ``segments.py``."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from modelops_pipelines.store.spool.checksums import decode_line, parse_seal
from modelops_pipelines.store.spool.segments import SEALED, listed, names_of

BLOCK = 128 * 1024


def segments_by_last_write(spool: Path, endpoint: str, stream: str) -> list[tuple[float, Path]]:
    """Return the stream's segments, sealed or open, with the epoch seconds of their last write; newest first.

    A segment that is sealed meanwhile is among them, under one of its names.
    """
    found: list[tuple[float, Path]] = []
    for worker in (spool / endpoint / stream).glob("*"):
        for segment in listed(worker):
            for path in names_of(segment):
                with suppress(FileNotFoundError):
                    found.append((path.stat().st_mtime, path))
                    break
    return sorted(found, reverse=True)


def newest_records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield a segment's intact records, the last one first, each with its size in bytes.

    A segment that is sealed meanwhile is read under its new name; one that is ingested meanwhile yields nothing.
    """
    handle = _opened(path)
    if handle is None:
        return
    with handle:
        for line in _backwards(handle):
            record = decode_line(line)
            if record is not None and parse_seal(record) is None:
                yield len(line), record


def _opened(path: Path) -> BinaryIO | None:
    for name in (path, path.with_suffix(SEALED)):
        with suppress(FileNotFoundError):
            return name.open("rb")
    return None


def _backwards(handle: BinaryIO) -> Iterator[bytes]:
    """Yield the lines that end in the file, the last one first."""
    end = handle.seek(0, os.SEEK_END)
    rest = b""
    while end > 0:
        start = max(0, end - BLOCK)
        handle.seek(start)
        rest, *lines = (handle.read(end - start) + rest).splitlines(keepends=True)
        yield from reversed(lines)
        end = start
    if rest:
        yield rest
