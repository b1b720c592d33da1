"""The processes that belong to one ``modelops up``: each carries a mark in its environment.

A mark is inherited by what a process starts, also in a session of its own. So all that is left of a service, or of an
``up`` that was killed, can be found and ended.
"""

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "MODELOPS_SERVICE"
END_SECONDS = 10.0
_PAUSE = 0.02


@dataclass(frozen=True)
class Mark:
    """The mark of one service's processes; without a service, of all of one ``up``; without an owner, of a home's.

    ``owner`` is the identity of the process of ``up``.
    """

    home: Path
    owner: str = ""
    service: str = ""

    def text(self) -> str:
        """Return the mark as the variable's value, or the beginning that all the marks meant by this one share."""
        parts = [str(self.home), *([self.owner] if self.owner else []), *([self.service] if self.service else [])]
        return "\t".join(parts) + "\t"


def owner_of_this_process() -> str | None:
    """Return the identity of the ``up`` that started this process, or None."""
    parts = os.environ.get(VARIABLE, "").split("\t")
    return parts[1] if len(parts) > 1 else None


def renamed(service: str) -> str:
    """Return this process's mark as one of another service of the same ``up``."""
    home, owner, *_ = os.environ[VARIABLE].split("\t")
    return Mark(Path(home), owner, service).text()


def marked(mark: str, variable: str = VARIABLE) -> list[int]:
    """Return the ids of the processes of this user whose mark begins with ``mark``, without this process."""
    wanted = f"{variable}={mark}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is another user's
            environment = (entry / "environ").read_bytes()
            if any(one.startswith(wanted) for one in environment.split(b"\0")):
                found.append(int(entry.name))
    return [pid for pid in found if pid != os.getpid()]


def service_of(pid: int) -> str | None:
    """Return the service that a process belongs to, by its mark; None without one. Raises OSError when it has ended."""
    for variable in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
        name, _, mark = variable.decode(errors="replace").partition("=")
        if name == VARIABLE:
            return mark.split("\t")[2].partition("#")[0]
    return None


def end_marked(mark: str, variable: str = VARIABLE) -> int:
    """Kill the processes whose mark begins with ``mark``, with what they start meanwhile; return how many they were."""
    ended: set[int] = set()
    deadline = time.monotonic() + END_SECONDS
    while (left := marked(mark, variable)) and time.monotonic() < deadline:
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        ended.update(left)
        time.sleep(_PAUSE)
    return len(ended)


def commands_of_children(parent: int) -> list[str]:
    """Return the command lines of the processes that have this parent and run."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):  # it has ended
            if (entry / "stat").read_text().rpartition(")")[2].split()[1] == str(parent):
                found.append((entry / "cmdline").read_text(errors="replace").replace("\0", " "))
    return found


def process_with_argument(part: str) -> int | None:
    """Return the id of a process that runs and whose command line holds this text, or None."""
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            if part in (entry / "cmdline").read_text(errors="replace"):
                return int(entry.name)
    return None
