"""Children that a process with one thread forks: their ends wake it, and each begins as a process of its own.

Only the standard library: a version's own environment runs this module too.
"""

import os
import signal
import socket
from contextlib import suppress

_KILLED_FIRST = b"800"
_READ = 4096


class Ends:
    """Ends of children as something to select: ``fileno`` is readable after one, until it is ``heard``."""

    def __init__(self) -> None:
        """Be woken from now on; one per process."""
        self._wake, self._woken = socket.socketpair()
        for one in (self._wake, self._woken):
            one.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._woken.fileno(), warn_on_full_buffer=False)

    def fileno(self) -> int:
        """Return the descriptor to select."""
        return self._wake.fileno()

    def heard(self) -> None:
        """Wait for the next end: those until now are looked after."""
        with suppress(BlockingIOError):
            self._wake.recv(_READ)

    def close(self) -> None:
        """Let go of it in a child."""
        self._wake.close()
        self._woken.close()


def begin_session() -> None:
    """Be the first process of a session in a child, on which signals act as on a new process."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)


def be_killed_first() -> None:
    """Have the kernel's out-of-memory killer, which takes the process with the highest score, take this one first."""
    with suppress(OSError), open("/proc/self/oom_score_adj", "wb", buffering=0) as score:  # noqa: PTH123
        score.write(_KILLED_FIRST)


def kill(pid: int) -> None:
    """Kill a process, unless it has ended."""
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def kill_session(pid: int) -> None:
    """Kill what a child that has ended had started in its session."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
