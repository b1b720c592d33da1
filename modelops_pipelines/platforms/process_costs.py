"""Memory and CPU of the processes of one ``modelops up``, by service, from ``/proc``."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from modelops_pipelines.platforms.marked_processes import Mark, marked, service_of
from modelops_pipelines.store.filesystem.process_identity import runs_since

_CPU = slice(11, 13)
"""Fields of ``/proc/<pid>/stat`` behind the name: user and system time in ticks."""


@dataclass(frozen=True)
class ServiceCost:
    """The processes of a service: how many, their bytes (PSS: shared pages count once), and CPU seconds so far.

    ``seconds`` is how long its oldest process runs.
    """

    service: str
    processes: int
    bytes: int
    cpu_seconds: float
    seconds: float


def service_costs(home: Path, now: float) -> Sequence[ServiceCost]:
    """Return the costs of what ``modelops up`` runs on a home, dearest memory first (``now`` in epoch seconds)."""
    found: dict[str, list[tuple[int, float, float]]] = {}
    for pid in marked(Mark(home).text()):
        with suppress(OSError, ValueError, IndexError):  # it has ended
            ticks = sum(map(int, (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[_CPU])))
            cost = proportional_bytes(pid), ticks / os.sysconf("SC_CLK_TCK"), now - (runs_since(pid) or now)
            found.setdefault(service_of(pid) or "other", []).append(cost)
    costs = [
        ServiceCost(name, len(parts), sum(p[0] for p in parts), sum(p[1] for p in parts), max(p[2] for p in parts))
        for name, parts in found.items()
    ]
    return sorted(costs, key=lambda one: -one.bytes)


def proportional_bytes(pid: int) -> int:
    """Return the proportional set size of a process; 0 where this user may not see it."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
