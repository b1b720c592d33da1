"""Durable files and locks between processes."""

import errno
import gzip
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, cast

from filelock import FileLock, Timeout

from modelops_pipelines.core.errors import BusyError

LOCK_SECONDS = 300.0


class NotRegularError(OSError):
    """What is at a path is no file: a pipe, a socket, a device or a folder."""


def open_regular(path: Path, *, follow: bool = True) -> BinaryIO:
    """Open a file to read it; raises NotRegularError for anything else, and never waits for the other end of a pipe.

    Without ``follow`` a symbolic link is refused too.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.ENODEV, errno.EISDIR):
            raise NotRegularError(error.errno, "no regular file", str(path)) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotRegularError(errno.EINVAL, "no regular file", str(path))
    return os.fdopen(descriptor, "rb")


@contextmanager
def open_unpacked(path: Path) -> Iterator[IO[bytes]]:
    """Open a file as ``open_regular`` does; what it was packed from, where its name ends in ``.gz``.

    A damaged one raises gzip.BadGzipFile, zlib.error or EOFError, where it is read.
    """
    with open_regular(path) as handle:
        if is_packed(path):
            with gzip.GzipFile(fileobj=handle) as unpacked:
                yield cast("IO[bytes]", unpacked)
        else:
            yield handle


def is_packed(path: Path) -> bool:
    """Return whether a file is packed by gzip, by its name."""
    return path.suffix.lower() == ".gz"


def suffix_of(path: Path) -> str:
    """Return the end of a file's name that says what it holds, in lower case: ``.csv`` also of ``log.CSV.gz``."""
    return Path(path.stem if is_packed(path) else path.name).suffix.lower()


def create_private(path: Path) -> BinaryIO:
    """Create a file that only this user may read; raises FileExistsError where there is one, or a link."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, 0o600), "wb")


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


def write_atomically(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Write the file atomically and durably, and create its folders; the umask takes from the mode."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    _write_draft(draft, content, mode)
    draft.replace(path)
    sync(path.parent)


def create_atomically(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Write a file that is new, as ``write_atomically`` does; raises FileExistsError where there is one, or a link."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    _write_draft(draft, content, mode)
    try:
        os.link(draft, path)
    finally:
        draft.unlink()
    sync(path.parent)


def _write_draft(draft: Path, content: bytes, mode: int) -> None:
    draft.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(draft, flags, mode), "wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())


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
