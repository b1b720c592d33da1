"""A file that lines are appended to, whole or not at all."""

import os
from pathlib import Path

from modelops_pipelines.store.filesystem.files import exclusive

_TAIL = 1 << 16


def append_line(path: Path, line: str, lock: Path) -> None:
    """Append a line durably; raises OSError. What a killed call has left of a line at the end is cut off first."""
    with exclusive(lock, str(path)):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            end = _end_of_lines(descriptor)
            os.ftruncate(descriptor, end)
            os.lseek(descriptor, end, os.SEEK_SET)
            rest = memoryview(line.encode() + b"\n")
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _end_of_lines(descriptor: int) -> int:
    """Return where the last whole line ends."""
    end = os.fstat(descriptor).st_size
    while end:
        begin = max(0, end - _TAIL)
        found = os.pread(descriptor, end - begin, begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return 0
