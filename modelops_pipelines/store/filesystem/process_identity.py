"""Identity of the process that owns a change, whether that process is still running, and its end with its parent."""

import ctypes
import os
import signal
import socket
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_STATE, _STARTED = 0, 19
"""Positions in ``/proc/<pid>/stat`` behind the process's name."""
_ENDED = ("Z", "X")


def this_process() -> str:
    """Return a unique name of this process: host, process id and start time."""
    return identity_of(os.getpid())


def identity_of(pid: int) -> str:
    """Return a unique name of a process of this host: host, process id and start time."""
    return f"{socket.gethostname()}:{pid}:{_started(pid)}"


def is_gone(owner: str) -> bool | None:
    """Return whether the process has ended; None if it is on another host and this is unknown.

    A process that has ended and waits to be collected by its parent is gone: it does nothing any more.
    """
    host, _, rest = owner.partition(":")
    pid, _, started = rest.partition(":")
    if host != socket.gethostname() or not pid.isdigit():
        return None
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    stat = _stat(int(pid))
    return bool(stat) and (stat[_STATE] in _ENDED or stat[_STARTED] != started)


def runs_since(pid: int) -> float | None:
    """Return when a process of this host started, in seconds since the epoch; None when it has ended."""
    stat = _stat(pid)
    if not stat or stat[_STATE] in _ENDED:
        return None
    booted = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime"))
    return int(booted.split()[1]) + int(stat[_STARTED]) / os.sysconf("SC_CLK_TCK")


def process_id(owner: str) -> int:
    """Return the process id in a name made by ``this_process``."""
    return int(owner.split(":")[1])


def end_with_parent(parent: int | None) -> None:
    """Have the kernel kill this process when its parent, of this id, ends; where it can (Linux).

    None for a parent whose id is not to be had, as in another namespace: one that has ended already is not noticed.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if parent is not None and os.getppid() != parent:
        os._exit(0)


def _started(pid: int) -> str:
    """Return when a process started, in kernel ticks, because process ids are reused."""
    stat = _stat(pid)
    return stat[_STARTED] if stat else "unknown"


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
