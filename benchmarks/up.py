"""The cost of ``modelops up`` of a new project while nothing happens: processes, memory, CPU, disk; its start.

``python -m benchmarks.up [--minutes 5] [--settle 60] [--no-mlflow]``. A project as ``modelops init`` makes it, with one
deployed version. It prints:

* the seconds from the start of ``up`` to the first prediction, to Dagster's first page, to its loaded code location,
  and to MLflow's first page, and the CPU seconds of all its processes until then, which a busy machine changes less;
* the processes and their memory (PSS: what processes share counts once) after ``--settle`` seconds;
* the CPU of each service a minute, and how the home has grown, while nothing calls it for ``--minutes``. MB a day are
  **extrapolated** from these minutes; the hourly run is left out when no full hour falls into them. SQLite's journals
  are left out: they are written over and over, and do not grow.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import MIB, Tree
from modelops_pipelines.platforms.marked_processes import service_of
from modelops_pipelines.platforms.process_costs import proportional_bytes
from tests.support.ports import free_port

START = "from modelops_pipelines.cli.main import main; main()"
ROW = {"mean_radius": 14.1, "mean_texture": 19.3, "mean_smoothness": 0.1, "mean_concavity": 0.09}
LOCATIONS = "{workspaceOrError {... on Workspace {locationEntries {locationOrLoadError {__typename}}}}}"
POLL_SECONDS, LONGEST = 0.05, 180.0
MINUTES_A_DAY = 1440


@dataclass(frozen=True)
class Seen:
    """The processes of ``up`` at one time, by name: how many, their bytes (PSS) and their CPU seconds so far."""

    count: Mapping[str, int]
    bytes: Mapping[str, int]
    cpu: Mapping[str, float]


def main() -> None:
    """Start ``up``, measure, print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--settle", type=float, default=60.0)
    parser.add_argument("--no-mlflow", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="modelops-up-") as folder:
        project = _project(Path(folder) / "project")
        with _up(project, mlflow=not given.no_mlflow) as (process, started):
            times = _first_answers(project, process.pid, started, mlflow=not given.no_mlflow)
            time.sleep(given.settle)
            before, sizes, at = _seen(process.pid), _sizes(project.home), time.monotonic()
            time.sleep(given.minutes * 60)
            after, grown, minutes = _seen(process.pid), _sizes(project.home), (time.monotonic() - at) / 60
    _print(times, before, after, minutes)
    _print_growth(sizes, grown, minutes)


@dataclass(frozen=True)
class Project:
    """A new project with one deployed version: its folder, and the environment of its commands."""

    folder: Path
    environment: Mapping[str, str]

    @property
    def home(self) -> Path:
        """Where everything is kept."""
        return self.folder / ".modelops"

    def url(self, service: str) -> str:
        """Return the address of the gateway, Dagster or MLflow."""
        return f"http://127.0.0.1:{self.environment[f'MODELOPS_{service.upper()}_PORT']}"

    def modelops(self, *arguments: str) -> None:
        """Run a command to its end."""
        command = [sys.executable, "-c", START, *arguments]
        subprocess.run(command, cwd=self.folder, env=self.environment, check=True, capture_output=True)


def _project(folder: Path) -> Project:
    ports = {f"MODELOPS_{name}_PORT": str(free_port()) for name in ("GATEWAY", "DAGSTER", "MLFLOW")}
    paths = os.pathsep.join([str(Path.cwd()), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    project = Project(folder, {**os.environ, **ports, "PYTHONPATH": paths})
    subprocess.run(
        [sys.executable, "-c", START, "init", str(folder)], env=project.environment, check=True, capture_output=True
    )
    subprocess.run([sys.executable, "sample_data.py"], cwd=folder, env=project.environment, check=True)
    project.modelops("train", "tumours", "--data", "data.csv")
    project.modelops("deploy", "tumours", "1", "--reason", "benchmark")
    return project


@contextmanager
def _up(project: Project, *, mlflow: bool) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
    command = [sys.executable, "-c", START, "up", *([] if mlflow else ["--no-mlflow"])]
    started = time.monotonic()
    process = subprocess.Popen(
        command, cwd=project.folder, env=project.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process, started
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


def _first_answers(project: Project, root: int, started: float, *, mlflow: bool) -> dict[str, tuple[float, float]]:
    """Return the seconds from the start to each first good answer, and the CPU seconds until then."""
    body = json.dumps({"dataframe_records": [ROW]}).encode()
    waited: dict[str, Callable[[], bool]] = {
        "first prediction": lambda: _answers(f"{project.url('gateway')}/endpoints/tumours/invocations", body),
        "Dagster's first page": lambda: _answers(project.url("dagster")),
        "Dagster's code location": lambda: _is_loaded(project),
    }
    if mlflow:
        waited["MLflow's first page"] = lambda: _answers(project.url("mlflow"))
    times: dict[str, tuple[float, float]] = {}
    while set(times) != set(waited):
        for name, answers in waited.items():
            if name not in times and answers():
                times[name] = time.monotonic() - started, Tree(root).cpu_seconds
        if time.monotonic() - started > LONGEST:
            raise TimeoutError(f"no answer within {LONGEST:.0f} s: {sorted(set(waited) - set(times))}")
        time.sleep(POLL_SECONDS)
    return times


def _answers(url: str, body: bytes | None = None) -> bool:
    with suppress(OSError):
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return bool(answer.status == 200)
    return False


def _is_loaded(project: Project) -> bool:
    with suppress(OSError, ValueError, LookupError, TypeError):
        body = json.dumps({"query": LOCATIONS}).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{project.url('dagster')}/graphql", body, headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            entries = json.load(answer)["data"]["workspaceOrError"]["locationEntries"]
        return bool(entries) and all(
            (one["locationOrLoadError"] or {}).get("__typename") == "RepositoryLocation" for one in entries
        )
    return False


def _seen(root: int) -> Seen:
    count: dict[str, int] = {}
    memory: dict[str, int] = {}
    cpu: dict[str, float] = {}
    for pid, ticks in Tree(root).ticks.items():
        name = "up" if pid == root else _name(pid)
        count[name] = count.get(name, 0) + 1
        memory[name] = memory.get(name, 0) + proportional_bytes(pid)
        cpu[name] = cpu.get(name, 0.0) + ticks / os.sysconf("SC_CLK_TCK")
    return Seen(count, memory, cpu)


def _name(pid: int) -> str:
    """Return the service that a process belongs to, by its mark."""
    with suppress(OSError):
        service = service_of(pid)
        if service is not None:
            return service
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return "warden" if b"modelops_pipelines.platforms.warden" in command else command[0].decode()
    return "ended"


def _sizes(home: Path) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for path in home.rglob("*"):
        with suppress(OSError):
            if path.is_file() and not path.name.endswith(("-wal", "-shm")):
                part = path.relative_to(home).parts[0]
                sizes[part] = sizes.get(part, 0) + path.lstat().st_blocks * 512
    return sizes


def _print(times: Mapping[str, tuple[float, float]], before: Seen, after: Seen, minutes: float) -> None:
    print(f"\n{time.strftime('%Y-%m-%d')}; from the start of `modelops up`\n")
    print("| until | seconds | CPU s |\n|---|---|---|")
    for name, (seconds, used) in times.items():
        print(f"| {name} | {seconds:.1f} | {used:.1f} |")
    print(f"\nidle for {minutes:.1f} minutes\n\n| service | processes | PSS MiB | CPU s a minute |\n|---|---|---|---|")
    for name in sorted(after.bytes, key=lambda one: -after.bytes[one]):
        used = (after.cpu[name] - before.cpu.get(name, 0.0)) / minutes
        print(f"| {name} | {after.count[name]} | {after.bytes[name] / MIB:.0f} | {used:.2f} |")
    total = (sum(after.cpu.values()) - sum(before.cpu.values())) / minutes
    print(f"| all | {sum(after.count.values())} | {sum(after.bytes.values()) / MIB:.0f} | {total:.2f} |")


def _print_growth(before: Mapping[str, int], after: Mapping[str, int], minutes: float) -> None:
    print(f"\ngrowth of the home, extrapolated from {minutes:.1f} minutes\n\n| part | MB a day |\n|---|---|")
    grown = {part: (after[part] - before.get(part, 0)) / 1e6 * MINUTES_A_DAY / minutes for part in after}
    for part, mb in sorted(grown.items(), key=lambda one: -one[1]):
        if mb > 0:
            print(f"| {part} | {mb:.0f} |")
    print(f"| all | {sum(grown.values()):.0f} |")


if __name__ == "__main__":
    main()
