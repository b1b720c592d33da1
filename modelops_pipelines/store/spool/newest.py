"""The newest records of an endpoint's requests, each once, a few at a time: for who judges them as they come.

What was in the spool long before the first call is not read, and neither is all of what comes faster than it is read.
Reading for ingest, where nothing may be left out: ``segments.py``.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelops_pipelines.store.spool.checksums import decode_line, parse_seal
from modelops_pipelines.store.spool.segments import OPEN, SEALED

PREDICTIONS = "predictions"
FIRST = 20
"""Segments that are read at the first look, at most."""


@dataclass
class _Place:
    """How far a worker's folder was read: the segment's number and the bytes of it; the folder's last change."""

    changed_at: int = -1
    number: str = ""
    offset: int = 0


class NewestRecords:
    """Follows the ends of the segments of requests; not thread-safe."""

    def __init__(self, spool: Path) -> None:
        """Nothing is read yet."""
        self._spool = spool
        self._places: dict[str, dict[str, _Place]] = {}

    def read(self, endpoint: str, most: int) -> list[dict[str, Any]]:
        """Return the intact records that came since the last call, in order of time; of at most so many bytes.

        Of more bytes than that, the last ones are read.
        """
        folder = self._spool / endpoint / PREDICTIONS
        known = self._places.setdefault(endpoint, {})
        workers = _names(folder)
        for gone in known.keys() - set(workers):
            del known[gone]
        share = most // max(1, len(workers))
        found = [one for name in workers for one in _new(folder / name, known.setdefault(name, _Place()), share)]
        return sorted(found, key=lambda record: record.get("at", 0))


def _new(folder: Path, place: _Place, most: int) -> list[dict[str, Any]]:
    """Return a worker's new records, and move its place on."""
    with suppress(OSError):  # the folder is gone: its segments were ingested
        changed_at = folder.stat().st_mtime_ns
        if changed_at != place.changed_at:
            numbers = sorted({name.rpartition(".")[0] for name in _names(folder) if name.endswith((OPEN, SEALED))})
            due = [one for one in numbers if one >= place.number] if place.number else numbers[-FIRST:]
            place.changed_at = changed_at
        else:
            due = [place.number] if place.number else []
        lines: list[bytes] = []
        for number in due:
            place.offset = place.offset if number == place.number else 0
            place.number = number
            lines += _lines(folder, place, most)
        return _within(lines, most)
    return []


def _lines(folder: Path, place: _Place, most: int) -> list[bytes]:
    """Return the complete lines behind the place; a segment that is sealed meanwhile is read under its new name."""
    for ending in (OPEN, SEALED):
        with suppress(FileNotFoundError), (folder / f"{place.number}{ending}").open("rb") as handle:
            start = max(place.offset, handle.seek(0, os.SEEK_END) - most)
            handle.seek(start)
            content = handle.read(most)
            whole = content[: content.rfind(b"\n") + 1]
            place.offset = start + len(whole) if whole or len(content) < most else start + len(content)
            return whole.splitlines(keepends=True)
    return []


def _within(lines: list[bytes], most: int) -> list[dict[str, Any]]:
    """Return the last records that fit; a line of which only the end was read is no record."""
    found: list[dict[str, Any]] = []
    for line in reversed(lines):
        most -= len(line)
        record = decode_line(line) if most >= 0 else None
        if record is not None and parse_seal(record) is None:
            found.append(record)
    return found


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - of names, once a second
    except (FileNotFoundError, NotADirectoryError):
        return []
