"""Log files that processes keep open, rotated without them: what is full is copied aside and emptied.

A service's output is opened for appending, so its next line goes to the start of the emptied file. A line that is
written in the moment between the last copied byte and the emptying is lost; nothing else is.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from modelops_pipelines.core.errors import BusyError
from modelops_pipelines.store.filesystem.files import exclusive

KEPT = 4
"""Rotated files of a log, ``gateway.log.1`` (the newest) to ``gateway.log.4``."""
_BLOCK, _PASSES = 1 << 20, 10


@dataclass(frozen=True)
class OldLog:
    """A rotated file that goes: because the log has newer ones, or by its age."""

    path: Path
    bytes: int
    reason: str


def rotate(folder: Path, most_bytes: int, lock: Path) -> list[Path]:
    """Rotate each log of the folder that is larger than ``most_bytes``; return those that were rotated.

    Its oldest file must have gone before (``beyond_kept``): one that is still there is kept as the oldest, and the log
    is left to the next call. Does nothing while another process rotates.
    """
    with suppress(BusyError), exclusive(lock, "the rotation of logs", seconds=0):
        return [path for path in large_logs(folder, most_bytes) if _rotate(path)]
    return []


def large_logs(folder: Path, most_bytes: int) -> list[Path]:
    """Return the logs that are due to be rotated."""
    return sorted(path for path in folder.glob("*.log") if _size(path) > most_bytes)


def beyond_kept(folder: Path, most_bytes: int) -> list[OldLog]:
    """Return the rotated files that have to go before the logs can be rotated."""
    oldest = [_numbered(path, KEPT) for path in large_logs(folder, most_bytes)]
    return [OldLog(path, _size(path), f"the log has {KEPT} newer files") for path in oldest if path.exists()]


def older_than(folder: Path, before: float) -> list[OldLog]:
    """Return the rotated files whose last line is older (``before`` in seconds since the epoch)."""
    return [OldLog(path, _size(path), "past its retention") for path in _rotated(folder) if _changed(path) < before]


def _rotated(folder: Path) -> Iterator[Path]:
    yield from sorted(path for path in folder.glob("*.log.*") if path.suffix[1:].isdigit())


def _rotate(path: Path) -> bool:
    """Copy the log to its first rotated file and empty it; killed at any instant, the next call loses nothing.

    A copy that was not finished has another name, and is made anew. After a finished copy a kill before the emptying
    leaves its lines twice.
    """
    if _numbered(path, KEPT).exists():
        return False
    draft = path.with_name(f"{path.name}.draft")
    with path.open("rb+") as log, draft.open("wb") as copy:
        for _ in range(_PASSES):
            while block := log.read(_BLOCK):
                copy.write(block)
            copy.flush()
            if os.fstat(log.fileno()).st_size == log.tell():
                break
        os.fsync(copy.fileno())
        for number in range(KEPT - 1, 0, -1):
            with suppress(FileNotFoundError):
                _numbered(path, number).replace(_numbered(path, number + 1))
        draft.replace(_numbered(path, 1))
        log.truncate(0)
    return True


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")
