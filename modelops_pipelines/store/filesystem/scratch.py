"""Folders for copies of models and other short-lived files, each owned by the process that made it.

The owner holds a lock on its folder, which the system frees when the process ends, however it ends. Whoever makes a
folder removes those that nobody holds first: nothing of a killed process stays longer than until the next start.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "modelops-scratch-"


class Scratch:
    """A folder of this process in the folder for temporary files."""

    def __init__(self) -> None:
        """Make it, and remove those of processes that have ended."""
        root = Path(tempfile.gettempdir())
        with _gate(root):
            _remove_abandoned(root)
            self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
            self._held: int | None = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(self._held, fcntl.LOCK_EX)

    def remove(self) -> None:
        """Remove it with all that it holds; once more does nothing."""
        held, self._held = self._held, None
        if held is not None:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(held)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Have a folder for the time of the block."""
    made = Scratch()
    try:
        yield made.path
    finally:
        made.remove()


def abandoned() -> list[Path]:
    """Return the folders whose process has ended."""
    root = Path(tempfile.gettempdir())
    with _gate(root):
        return [path for path in root.glob(f"{PREFIX}*") if _is_abandoned(path)]


def remove_abandoned() -> None:
    """Remove the folders whose process has ended."""
    root = Path(tempfile.gettempdir())
    with _gate(root):
        _remove_abandoned(root)


def _is_abandoned(path: Path) -> bool:
    try:
        held = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return os.fstat(held).st_uid == os.getuid()
    except BlockingIOError:
        return False
    finally:
        os.close(held)


def _remove_abandoned(root: Path) -> None:
    for path in root.glob(f"{PREFIX}*"):
        with suppress(OSError):
            held = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if os.fstat(held).st_uid == os.getuid():
                    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError: its process lives
                    shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(held)


@contextmanager
def _gate(root: Path) -> Iterator[None]:
    """Let one process at a time make or remove folders: a new one is not held for an instant."""
    gate = os.open(root / f"modelops-scratch.{os.getuid()}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(gate, fcntl.LOCK_EX)
        yield
    finally:
        os.close(gate)
