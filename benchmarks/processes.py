"""Server processes: start, measure the process tree by /proc, and stop."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.peers.protocol import Launch, UnavailableError
from modelops_pipelines.platforms.process_costs import proportional_bytes

START_SECONDS, STOP_SECONDS, POLL_SECONDS = 120, 20, 0.02
MIB = 1024 * 1024


@dataclass(frozen=True)
class Running:
    """A server that answers: its first process, and the seconds from its spawn to its first good answer."""

    pid: int
    start_seconds: float


@contextmanager
def running(launch: Launch, answers: Callable[[], bool], log: Path) -> Iterator[Running]:
    """Run a server until the block ends; raises UnavailableError when it ends or does not answer in time."""
    environment = {**os.environ, **launch.environment, "OMP_NUM_THREADS": "1"}
    with log.open("wb") as output:
        spawned = time.monotonic()
        process = subprocess.Popen(
            launch.command,
            cwd=launch.folder,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            _wait(process, answers, spawned + START_SECONDS, log)
            yield Running(process.pid, time.monotonic() - spawned)
        finally:
            _end(process)


@dataclass
class Tree:
    """A process and its living descendants."""

    root: int
    ticks: dict[int, int] = field(init=False)

    def __post_init__(self) -> None:
        parents: dict[int, int] = {}
        self.ticks = {}
        for entry in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):  # the process has ended
                fields = entry.read_text().rpartition(")")[2].split()
                parents[int(entry.parent.name)] = int(fields[1])
                self.ticks[int(entry.parent.name)] = int(fields[11]) + int(fields[12])
        tree = {self.root}
        while more := {pid for pid, parent in parents.items() if parent in tree} - tree:
            tree |= more
        self.ticks = {pid: ticks for pid, ticks in self.ticks.items() if pid in tree}

    @property
    def cpu_seconds(self) -> float:
        """User and system time of all its threads so far."""
        return sum(self.ticks.values()) / os.sysconf("SC_CLK_TCK")

    @property
    def memory_mib(self) -> float:
        """Return the proportional set size: pages that processes share count once."""
        return sum(proportional_bytes(pid) for pid in self.ticks) / MIB


def busy_seconds() -> float:
    """Return the CPU seconds that the machine has used so far, for all processes."""
    user, nice, system, _idle, _waiting, irq, softirq, steal = Path("/proc/stat").read_text().split()[1:9]
    return sum(map(int, (user, nice, system, irq, softirq, steal))) / os.sysconf("SC_CLK_TCK")


def disturbance(pid: int, seconds: float) -> float:
    """Return the share of the machine's CPU time that other processes use during the next seconds."""
    server, busy = Tree(pid).cpu_seconds, busy_seconds()
    time.sleep(seconds)
    server, busy = Tree(pid).cpu_seconds - server, busy_seconds() - busy
    return (busy - server) / (seconds * (os.cpu_count() or 1))


def _wait(process: subprocess.Popen[bytes], answers: Callable[[], bool], deadline: float, log: Path) -> None:
    while not answers():
        if process.poll() is not None:
            last = (log.read_text(errors="replace").strip().splitlines() or ["(it wrote nothing)"])[-1]
            raise UnavailableError(f"ended at its start: {last[:200]}")
        if time.monotonic() > deadline:
            raise UnavailableError(f"gave no good answer within {START_SECONDS} s")
        time.sleep(POLL_SECONDS)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Stop the server's session, by force if needed."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=STOP_SECONDS)
    while _is_alive(process.pid):
        time.sleep(POLL_SECONDS)


def _is_alive(group: int) -> bool:
    with suppress(ProcessLookupError):
        os.killpg(group, 0)
        return True
    return False
