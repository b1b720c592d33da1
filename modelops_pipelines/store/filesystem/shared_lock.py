"""A shared/exclusive lock between processes.

An exclusive holder first locks a gate that shared holders pass: the current ones finish, no new ones enter, and the
exclusive holder is never starved. The system releases both locks when a process dies.

An inherited lock is for what a process has others do: it is handed on to them, and free when the last one has ended.
"""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from modelops_pipelines.core.errors import BusyError
from modelops_pipelines.store.filesystem.files import LOCK_SECONDS

_PAUSE, _LONG_PAUSE = 0.005, 0.05


@contextmanager
def hold_shared(path: Path, what: str, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the lock in shared mode while the block runs; raises BusyError after ``seconds``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as inside:
        with _locked(_gate(path), fcntl.LOCK_SH, what, seconds):
            _lock(inside.fileno(), fcntl.LOCK_SH, what, seconds)
        yield


@contextmanager
def hold_exclusive(path: Path, what: str, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the lock exclusively while the block runs; raises BusyError after ``seconds``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(_gate(path), fcntl.LOCK_EX, what, seconds), _locked(path, fcntl.LOCK_EX, what, seconds):
        yield


@contextmanager
def hold_inherited(path: Path, what: str, seconds: float = LOCK_SECONDS) -> Iterator[int]:
    """Hold the lock alone; yields the descriptor that a child has to inherit to hold it as well, until its own end.

    So what a process that was killed had started keeps others out, as that process did. Raises BusyError after
    ``seconds``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path, fcntl.LOCK_EX, what, seconds, _LONG_PAUSE) as held:
        yield held


def is_held(path: Path) -> bool:
    """Return whether a process holds the lock in any way; False where there is no file of it."""
    try:
        with path.open("rb") as opened:
            fcntl.flock(opened.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


@contextmanager
def _locked(path: Path, mode: int, what: str, seconds: float, pause: float = _PAUSE) -> Iterator[int]:
    with path.open("ab") as held:
        _lock(held.fileno(), mode, what, seconds, pause)
        yield held.fileno()


def _lock(descriptor: int, mode: int, what: str, seconds: float, pause: float = _PAUSE) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise BusyError(
                    f"Another process has held the lock of {what} for over {seconds:.0f} s",
                    "Wait for it, then try again",
                ) from error
            time.sleep(pause)
        else:
            return


def _gate(path: Path) -> Path:
    return path.with_name(f"{path.name}.gate")
