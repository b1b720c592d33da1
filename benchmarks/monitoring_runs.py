"""What monitoring costs by the number of endpoints: runs, idle ticks, loading; CPU seconds of all processes of Dagster.

``python -m benchmarks.monitoring_runs [--endpoints 1 100 1000]``. A real code server and the daemon's own loop over the
sensors, on Dagster's SQLite; runs are started by the project's launcher. Measured are the process of the run, the code
server, and the daemon's part. "The data's own" is what the same operations take in one process without Dagster.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from benchmarks.monitored_project import capture, environment, make_project, names
from modelops_pipelines.resources.run_launcher import RUN_PROCESS

ROOT = Path(__file__).parents[1]
DAGSTER_YAML = ROOT / "modelops_pipelines" / "cli" / "templates" / "dagster.yaml"
PAUSE = 14.1
"""Between two ticks: Dagster evaluates no sensor twice within its interval."""
MOST_SECONDS = 600
RESULT = "result.json"
TICKS = 2


def main() -> None:
    """Measure each number of endpoints in a process of its own, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoints", type=int, nargs="+", default=[1, 100, 1000])
    parser.add_argument("--step", choices=list(STEPS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        found = STEPS[given.step](given.folder, given.endpoints[0])
        (given.folder / RESULT).write_text(json.dumps(found))
        return
    print(f"{time.strftime('%Y-%m-%d')}, CPU seconds\n", flush=True)
    for number in given.endpoints:
        for name, value in _measured(number):
            print(f"| {number:,} endpoint(s): {name} | {value} |", flush=True)


def _measured(endpoints: int) -> Iterator[tuple[str, Any]]:
    folder = Path(tempfile.mkdtemp(prefix="modelops-monitoring-"))
    try:
        make_project(folder, endpoints)
        for step in ["load", "dagster"] if endpoints > MOST_AT_ONCE else ["load", "own", "dagster"]:
            yield from _step(step, folder, endpoints).items()
    finally:
        shutil.rmtree(folder)


MOST_AT_ONCE = 100


def _step(step: str, folder: Path, endpoints: int) -> dict[str, Any]:
    options = ["--step", step, "--folder", str(folder), "--endpoints", str(endpoints)]
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.monitoring_runs", *options]
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"
    quiet = {"OMP_NUM_THREADS": "1", "DAGSTER_DISABLE_TELEMETRY": "1", "PYTHONWARNINGS": "ignore"}
    around = {**os.environ, **environment(folder), **quiet, "PATH": path}
    with (folder / "log").open("ab") as log:
        ran = subprocess.run(command, cwd=ROOT, env=around, stdout=log, stderr=log, timeout=3000, check=False)
    if ran.returncode:
        raise RuntimeError((folder / "log").read_text()[-3000:])
    measured: dict[str, Any] = json.loads((folder / RESULT).read_text())
    return measured


def _load(_folder: Path, _endpoints: int) -> dict[str, Any]:
    """Load the code location as Dagster's code server does: import, definitions, repository, and its description."""
    import dagster
    from dagster._core.remote_representation.external_data import RepositorySnap

    imported = _used(resource.RUSAGE_SELF)
    from modelops_pipelines import definitions

    loaded = definitions.defs()
    built = _used(resource.RUSAGE_SELF)
    repository = loaded.get_repository_def()
    resolved = _used(resource.RUSAGE_SELF)
    snapshot = RepositorySnap.from_def(repository)
    text = dagster._serdes.serialize_value(snapshot)  # noqa: SLF001
    described = _used(resource.RUSAGE_SELF)
    return {
        "load: import of Dagster": round(imported, 2),
        "load: ours": round(built - imported, 2),
        "load: Dagster's repository": round(resolved - built, 2),
        "load: Dagster's description": round(described - resolved, 2),
        "load: in all": round(described, 2),
        "MB described": round(len(text) / 1e6, 1),
    }


def _own(folder: Path, endpoints: int) -> dict[str, Any]:
    """Run the operations of all endpoints' monitoring in this process, on a copy of the home."""
    copy = folder / "own"
    stores = make_project(copy, endpoints)
    work = _work()
    capture(stores, names(1))
    work(stores, names(1))  # loads what is loaded at a first use
    capture(stores, names(endpoints), 2)
    before = _used(resource.RUSAGE_SELF)
    work(stores, names(endpoints))
    return {"the data's own, each": round((_used(resource.RUSAGE_SELF) - before) / endpoints, 3)}


def _work() -> Callable[[Any, list[str]], None]:
    from modelops_pipelines.core.tables.lake import STREAMS
    from modelops_pipelines.operations.alerting.judges.judge_rules import judge_table
    from modelops_pipelines.operations.capture.ingest import ingest
    from modelops_pipelines.operations.drift.data_quality import check_data_quality
    from modelops_pipelines.operations.drift.detect import detect_drift
    from modelops_pipelines.operations.drift.profiles import profile_windows
    from modelops_pipelines.operations.endpoints.lookup import endpoint_named
    from modelops_pipelines.operations.governance.key_usage import measure_usage
    from modelops_pipelines.operations.metrics.estimated_quality import estimate_quality
    from modelops_pipelines.operations.metrics.quality import measure_quality
    from modelops_pipelines.operations.metrics.service import measure_service

    derive: dict[str, Callable[[Any, Any], object]] = {
        "service_metrics": measure_service,
        "profiles": profile_windows,
        "drift": detect_drift,
        "data_quality": check_data_quality,
        "quality_metrics": measure_quality,
        "estimated_quality": estimate_quality,
        "key_usage": measure_usage,
    }

    def work(stores: Any, endpoints: list[str]) -> None:
        for name in endpoints:
            spec = endpoint_named(stores, name)
            for stream in STREAMS:
                ingest(stores, spec, stream)
            for one in spec.derivations:
                derive[one.name](stores, spec)
                judge_table(stores, spec, one.table)

    return work


def _dagster(folder: Path, endpoints: int) -> dict[str, Any]:
    """Measure idle ticks, the run of one endpoint's data, and then the runs of all endpoints' data."""
    from modelops_pipelines.store.settings import load_settings
    from modelops_pipelines.store.stores import Stores

    stores = Stores(load_settings(folder))
    with _system(folder) as system:
        found: dict[str, Any] = {}
        system.iterate()
        system.wait()  # what there is to do at first
        costs = [system.cost(system.iterate) for _ in range(TICKS)]
        found["idle tick of all sensors: code server"] = round(min(cost["code server"] for cost in costs), 2)
        found["idle tick of all sensors: daemon's part"] = round(min(cost["daemon"] for cost in costs), 2)
        for number, run in enumerate(("first", "second", "later"), start=1):
            capture(stores, names(1), number)
            found |= _named(f"one endpoint's data, {run} run", system.cost(lambda: system.work_off(stores, names(1))))
        if endpoints <= MOST_AT_ONCE:
            capture(stores, names(endpoints), 4)
            cost = system.cost(lambda: system.work_off(stores, names(endpoints)))
            found |= _named("all endpoints' data in one go", cost)
            found["all endpoints' data in one go, each"] = round(sum(cost.values()) / endpoints, 2)
        return found


def _named(what: str, cost: dict[str, float]) -> dict[str, Any]:
    return {f"{what}: {part}": round(value, 2) for part, value in cost.items()}


class _System:
    """The daemon's loop over the sensors in this process, and the code server beside it."""

    def __init__(self, instance: Any, workspace: Any) -> None:
        self._instance, self._workspace = instance, workspace
        [self._server] = [int(pid) for pid in _children(os.getpid()) if "grpc" in _command(pid)]
        self._log = __import__("logging").getLogger("benchmark")
        self._looking = 0.0

    def iterate(self) -> None:
        """Evaluate all sensors once, as the daemon does every five seconds."""
        from dagster._daemon.sensor import execute_sensor_iteration

        time.sleep(PAUSE)
        list(execute_sensor_iteration(self._workspace, self._log, None, None))

    def wait(self) -> None:
        """Wait until no run is under way; what the looking costs is counted for itself."""
        before = _used(resource.RUSAGE_SELF)
        self._wait()
        self._looking += _used(resource.RUSAGE_SELF) - before

    def _wait(self) -> None:
        from dagster import DagsterRunStatus, RunsFilter

        over = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]
        unfinished = RunsFilter(statuses=[status for status in DagsterRunStatus if status not in over])
        deadline = time.monotonic() + MOST_SECONDS
        while self._instance.get_runs(unfinished) or _others(self._server):
            if time.monotonic() > deadline:
                raise TimeoutError("a run does not end")
            _collect(self._server)
            time.sleep(0.5)

    def work_off(self, stores: Any, endpoints: list[str]) -> None:
        """Iterate until all that was captured is ingested and computed."""
        from dagster import DagsterRunStatus, RunsFilter

        from modelops_pipelines.store.spool.waiting import pending_segments

        while any(pending_segments(stores.settings.spool, name) for name in endpoints):
            self.iterate()
            self.wait()
            failed = self._instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.FAILURE]))
            if failed:
                raise RuntimeError(f"{len(failed)} run(s) failed")

    def cost(self, job: Callable[[], None]) -> dict[str, float]:
        """Return the CPU seconds that a job takes: its runs, the code server, and the daemon's part."""
        before = self._counters()
        job()
        after = self._counters()
        return {name: after[name] - before[name] for name in after}

    def _counters(self) -> dict[str, float]:
        forked = sum(_cpu_of(int(pid), with_children=True) for pid in _forks())
        runs, daemon = _used(resource.RUSAGE_CHILDREN) + forked, _used(resource.RUSAGE_SELF) - self._looking
        return {"runs": runs, "code server": _cpu_of(self._server), "daemon": daemon}


@contextmanager
def _system(folder: Path) -> Iterator[_System]:
    from dagster import DagsterInstance
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import ModuleTarget

    home = folder / "home" / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    (home / "dagster.yaml").write_text(_instance())
    os.environ["DAGSTER_HOME"] = str(home)
    target = ModuleTarget("modelops_pipelines.definitions", None, str(ROOT), "modelops")
    with DagsterInstance.from_config(str(home)) as instance, WorkspaceProcessContext(instance, target) as workspace:
        yield _System(instance, workspace)


def _instance() -> str:
    """Return a project's dagster.yaml, with runs that start at once: the queue is another daemon's."""
    own = yaml.safe_load(DAGSTER_YAML.read_text())
    at_once = {"module": "dagster.core.run_coordinator", "class": "DefaultRunCoordinator"}
    given = {name: value for name, value in own.items() if name != "concurrency"}
    return yaml.safe_dump({**given, "run_coordinator": at_once, "code_servers": {"local_startup_timeout": 600}})


def _children(parent: int) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):
            if (entry / "stat").read_text().rpartition(")")[2].split()[1] == str(parent):
                found.append(entry.name)
    return found


def _forks() -> list[str]:
    """Return the process that forks those of runs, in a list: empty where there is none."""
    return [
        pid for pid in _children(os.getpid()) if RUN_PROCESS in _command(pid) and "execute_run" not in _command(pid)
    ]


def _others(server: int) -> list[str]:
    forks = _forks()
    own = [pid for pid in _children(os.getpid()) if int(pid) != server and pid not in forks]
    return own + [pid for one in forks for pid in _children(int(one))]


def _collect(server: int) -> None:
    for pid in _others(server):
        with suppress(ChildProcessError):
            os.waitpid(int(pid), os.WNOHANG)


def _command(pid: str) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")
    return ""


def _cpu_of(pid: int, *, with_children: bool = False) -> float:
    """Return the CPU seconds of a process, and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11 : 15 if with_children else 13])) / os.sysconf("SC_CLK_TCK")


def _used(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


STEPS: dict[str, Callable[[Path, int], dict[str, Any]]] = {"load": _load, "own": _own, "dagster": _dagster}

if __name__ == "__main__":
    main()
