"""Which environments processes run in, and since when none does: a file in each, locked by every launcher there.

The system frees a lock when its process ends, however it ends: an environment without one can be removed.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from modelops_pipelines.store.filesystem.shared_lock import is_held

_FILE = ".used"


def begin_unused(environment: Path) -> None:
    """Note in an environment that is being built that nobody has used it yet."""
    (environment / _FILE).touch()
    os.utime(environment / _FILE, (0, 0))


def begin_use(environment: Path) -> int | None:
    """Note that a process uses the environment from now on; return the descriptor that it has to keep open.

    While any process has it the environment is not removed. None where there is no such file: the home cannot be
    written, or the environment is gone.
    """
    with suppress(OSError):
        (environment / _FILE).touch()
    try:
        descriptor = os.open(environment / _FILE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    fcntl.flock(descriptor, fcntl.LOCK_SH)  # it waits for no longer than a look at it, or a rename, takes
    return descriptor


def is_used(environment: Path) -> bool:
    """Return whether a process runs in the environment."""
    return is_held(environment / _FILE)


def used_at(environment: Path) -> datetime | None:
    """Return when a process was last started in the environment; None where none was."""
    try:
        changed = (environment / _FILE).stat().st_mtime
    except OSError:
        return None
    return datetime.fromtimestamp(changed, UTC) if changed else None


@contextmanager
def in_use(environment: Path) -> Iterator[list[int]]:
    """Use the environment in the block; yields the descriptors that a process has to inherit to go on with it."""
    descriptor = begin_use(environment)
    kept = [] if descriptor is None else [descriptor]
    try:
        yield kept
    finally:
        for one in kept:
            os.close(one)


@contextmanager
def kept_unused(environment: Path) -> Iterator[None]:
    """Let no process begin to use the environment in the block; raises BlockingIOError when one uses it."""
    with (environment / _FILE).open("ab") as opened:
        fcntl.flock(opened.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
