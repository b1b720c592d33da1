"""Which process sees something through, and whether it still can."""

import os
import socket
from pathlib import Path


def this_process() -> str:
    """Return a name of this process that no other process on any host has: host, process id, time of its start."""
    return f"{socket.gethostname()}:{os.getpid()}:{_started(os.getpid())}"


def is_gone(owner: str) -> bool | None:
    """Return whether the process is there no more; None for one on another host, of which nothing is known here."""
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
    return _started(int(pid)) != started


def _started(pid: int) -> str:
    """Return when a process started, in the kernel's ticks; a process id is used again one day."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return "unknown"
