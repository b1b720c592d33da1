"""One cell of the serving benchmark: a load on a server, and the CPU time that the server used."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measured import Measured
from benchmarks.processes import Tree, busy_seconds, disturbance
from tests.support.paths import ROOT

WARM_UP_SECONDS = 1.0
TRIES, QUIET, LOOK_SECONDS = 4, 0.1, 0.5


@dataclass(frozen=True)
class Plan:
    """Seconds to measure a cell, and seconds to wait before it for a quiet machine."""

    seconds: float
    patience: float


def measure(pid: int, port: int, request: Path, connections: int, plan: Plan) -> Measured:
    """Warm up, then measure; repeats while other processes use the machine. The least disturbed try counts."""
    _load(port, request, connections, WARM_UP_SECONDS)
    tries: list[Measured] = []
    while len(tries) < TRIES and not any(measured.others < QUIET for measured in tries):
        _wait_until_quiet(pid, plan.patience)
        tries.append(_try(pid, port, request, connections, plan.seconds))
    return min(tries, key=lambda measured: measured.others)


def _wait_until_quiet(pid: int, patience: float) -> None:
    given_up = time.monotonic() + patience
    while time.monotonic() < given_up and disturbance(pid, LOOK_SECONDS) > QUIET:
        pass


def _try(pid: int, port: int, request: Path, connections: int, seconds: float) -> Measured:
    server, busy, started = Tree(pid).cpu_seconds, busy_seconds(), time.monotonic()
    load = _load(port, request, connections, seconds)
    server, busy = Tree(pid).cpu_seconds - server, busy_seconds() - busy
    whole = (time.monotonic() - started) * (os.cpu_count() or 1)
    return Measured(
        per_second=load["per_second"],
        p50=load["p50_ms"],
        p99=load["p99_ms"],
        cpu=server * 1000 / load["requests"],
        client_cpu=load["client_cpu_ms"],
        others=(busy - server - load["client_cpu"]) / whole,
        requests=int(load["requests"]),
        failed=int(load["failed"]),
    )


def _load(port: int, request: Path, connections: int, seconds: float) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.load", str(port), str(request), str(connections), str(seconds)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=seconds + 60)
    load: dict[str, float] = json.loads(ran.stdout)
    return load
