"""What this process takes of the machine's memory, as the kernel counts it (Linux); zero where it does not say.

Two numbers, for two questions. What did loading add to a process that others share? The growth of its anonymous pages:
a page that is only copied on being written counts before and after. What does ending a process free? Its private pages.
"""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

KIB = 1024
_ANONYMOUS = ("RssAnon",)
_PRIVATE = ("Private_Clean", "Private_Dirty")


def anonymous_bytes() -> int:
    """Return the bytes of this process's memory that no file backs, shared with a parent or not."""
    return _sum(Path("/proc/self/status"), _ANONYMOUS)


def private_bytes() -> int:
    """Return the bytes of this process's memory that no other process shares: what its end frees."""
    return _sum(Path("/proc/self/smaps_rollup"), _PRIVATE)


def machine_bytes() -> int | None:
    """Return the bytes that the processes of this machine, or of this container, may take; None where nobody says."""
    limits = [_number(path) for path in (Path("/sys/fs/cgroup/memory.max"), _OLD_LIMIT)]
    found = [limit for limit in (*limits, _sum(Path("/proc/meminfo"), ("MemTotal",))) if limit]
    return min(found) if found else None


def available_bytes() -> int | None:
    """Return the bytes that processes may still take, of the machine or of this container; None where nobody says.

    What a container has of its limit is what it has not taken, beside pages that can be dropped.
    """
    machine = _sum(Path("/proc/meminfo"), ("MemAvailable",))
    limit, taken = (_number(_CONTAINER / name) for name in ("memory.max", "memory.current"))
    if limit is None or taken is None:
        return machine or None
    left = max(0, limit - taken + _field(_CONTAINER / "memory.stat", "inactive_file"))
    return min(left, machine) if machine else left


_CONTAINER = Path("/sys/fs/cgroup")
_OLD_LIMIT = Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")


def _number(path: Path) -> int | None:
    """Return the file's number; None without the file, and where it holds a word such as ``max``."""
    with suppress(OSError, ValueError):
        return int(path.read_text())
    return None


def _field(path: Path, wanted: str) -> int:
    """Return the number behind a name in a file of lines of both; zero without it."""
    with suppress(OSError, ValueError):
        return next((int(line.split()[1]) for line in path.read_text().splitlines() if line.startswith(wanted)), 0)
    return 0


def _sum(path: Path, names: Sequence[str]) -> int:
    found = 0
    with suppress(OSError, ValueError):
        for line in path.read_text().splitlines():
            name, _, rest = line.partition(":")
            if name in names:
                found += int(rest.split()[0]) * KIB
    return found
