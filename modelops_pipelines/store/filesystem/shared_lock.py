"""A lock between processes that many hold together, or one alone.

Who wants to be alone first closes a gate that everyone else passes on the way in: those inside finish, nobody new
comes in, and it is never starved. The system frees both locks when a process dies.
"""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from modelops_pipelines.core.errors import BusyError
from modelops_pipelines.store.filesystem.files import LOCK_SECONDS

_PAUSE = 0.005


@contextmanager
def hold_shared(path: Path, what: str, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the lock beside others while the block runs; raises BusyError when one holds it alone for too long."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as inside:
        with _locked(_gate(path), fcntl.LOCK_SH, what, seconds):
            _lock(inside.fileno(), fcntl.LOCK_SH, what, seconds)
        yield


@contextmanager
def hold_exclusive(path: Path, what: str, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the lock alone while the block runs; raises BusyError when others hold it for too long."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(_gate(path), fcntl.LOCK_EX, what, seconds), _locked(path, fcntl.LOCK_EX, what, seconds):
        yield


@contextmanager
def _locked(path: Path, mode: int, what: str, seconds: float) -> Iterator[None]:
    with path.open("ab") as held:
        _lock(held.fileno(), mode, what, seconds)
        yield


def _lock(descriptor: int, mode: int, what: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise BusyError(
                    f"Another process has been working on {what} for over {seconds:.0f} s",
                    "Wait for it, then try again",
                ) from error
            time.sleep(_PAUSE)
        else:
            return


def _gate(path: Path) -> Path:
    return path.with_name(f"{path.name}.gate")
