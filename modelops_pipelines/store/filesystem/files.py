"""Durable files and locks between processes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from modelops_pipelines.core.errors import BusyError

LOCK_SECONDS = 300.0


def sync(path: Path) -> None:
    """Make a file's content, or a folder's entries, survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_everything() -> None:
    """Make all writes of all processes durable, also of one that died before it could sync."""
    os.sync()


def reserve(descriptor: int, size: int) -> None:
    """Give a file this many bytes on the disk; raises OSError when it is full.

    A file that was only made longer has no bytes yet: to write them through a mapping, on a full disk, ends a process.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.pwrite(descriptor, bytes(size), 0)


def write_atomically(path: Path, content: bytes) -> None:
    """Write the file atomically and durably, and create its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with draft.open("wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    draft.replace(path)
    sync(path.parent)


@contextmanager
def exclusive(path: Path, what: str, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the lock file while the block runs; the system frees it when the process dies.

    Raises BusyError when another process still holds it after ``seconds``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path, timeout=seconds):
            yield
    except Timeout as error:
        raise BusyError(
            f"Another process has held the lock of {what} for over {seconds:.0f} s", "Wait for it, then try again"
        ) from error
