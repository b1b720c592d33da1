"""A gateway of 1, 100 and 1,000 endpoints: its start, what it costs while nobody asks, its memory, its answers.

``python -m benchmarks.many_endpoints [--endpoints 1 100 1000] [--before FOLDER] [--models-mib 32]``. All endpoints
have a model each, of the same four features; with ``--before`` the same is measured of the release in that folder, on
the same home, and ratios are printed. *First use* is the first request to an endpoint that is not in memory: measured
with a budget of ``--models-mib``, which few of the models fit into.
"""

import argparse
import http.client
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.peers.protocol import Launch
from benchmarks.processes import Running, Tree, running
from modelops_pipelines.gateway.worker.kept_proofs import KeptProofs
from modelops_pipelines.operations.endpoints.load import read_endpoint
from modelops_pipelines.operations.improve.retraining import train as trainers
from modelops_pipelines.operations.model_runtime.loading import load_and_prove
from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.store.registry.file_hashes import hash_files
from modelops_pipelines.store.settings import load_settings
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores
from tests.fakes.trainers import logistic
from tests.support.fleet import YAML, add_endpoint
from tests.support.paths import ROOT
from tests.support.ports import free_port
from tests.support.project import Project, cancer_frame, make_project, put_blank_registry, rows_of

FIRST = "endpoint_0000"
IDLE_SECONDS, QUIET_SECONDS, LOOK_SECONDS, PATIENCE_SECONDS = 30.0, 2.0, 5.0, 1800.0
ASKED, REPEATS, FIRST_USES = 20, 25, 60


@dataclass
class Measured:
    """What one release showed with one number of endpoints; times in seconds and milliseconds, memory in MiB."""

    live: float = 0.0
    ready: float = 0.0
    ready_cpu: float = 0.0
    all_loaded: float = 0.0
    idle_percent: float = 0.0
    memory: float = 0.0
    answers: list[float] = field(default_factory=list)
    first_uses: list[float] = field(default_factory=list)


def main() -> None:
    """Measure each size, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoints", type=int, nargs="+", default=[1, 100, 1000])
    parser.add_argument("--before", type=Path, help="a checkout of the release to compare with")
    parser.add_argument("--models-mib", type=int, default=16, help="the budget with which first uses are measured")
    parser.add_argument("--world", type=Path, help="a folder in which the endpoints are made once, and kept")
    given = parser.parse_args()
    for count in given.endpoints:
        with _folder(given.world) as folder:
            project = make_world(folder / f"of-{count}", count)
            _print_row("now", count, now := measure(project, ROOT, count, given.models_mib), None)
            if given.before:
                _print_row("before", count, measure(project, given.before.absolute(), count, None), now)


def make_world(folder: Path, count: int) -> Project:
    """Return a project with so many endpoints; version 1 of a model of its own is live on each.

    Their files differ, and each has the proof that its deploy through a gateway would have left. What is there already
    is kept, so that it can be made in several goes.
    """
    made = (folder / "endpoints" / "endpoint.yaml").exists()
    project = _opened(folder) if made else make_project(folder, YAML.format(name=FIRST, task="binary_classification"))
    if not (folder / "home" / "proofs").exists():
        _make_first(project)
    version = project.stores.deployments.versions(FIRST)[0]
    known = KeptProofs(project.stores.settings.home).take(version, project.spec)
    proven = known or load_and_prove(version, project.spec)[1]
    KeptProofs(project.stores.settings.home).keep(version, project.spec, proven)
    for number in range(1, count):
        name = f"endpoint_{number:04}"
        if not (folder / "endpoints" / f"{name}.yaml").exists():
            own = _with_own_files(project, version, name)
            KeptProofs(project.stores.settings.home).keep(own, replace(project.spec, name=name), proven)
            add_endpoint(project, name, own)
    return project


def _make_first(project: Project) -> None:
    put_blank_registry(project)
    version = trainers.train_first(project.stores, project.spec, cancer_frame(), logistic)
    deploy(project.stores, project.spec, version.version, actor="benchmark", reason="benchmark")


def _with_own_files(project: Project, version: ModelVersion, name: str) -> ModelVersion:
    """Return the version with a copy of its files that no other version has, in the home's folder of copies."""
    draft = project.stores.settings.models / name
    shutil.copytree(version.folder, draft)
    (draft / "endpoint.txt").write_text(name)
    files_hash = hash_files(draft)
    folder = draft.rename(project.stores.settings.models / files_hash)
    return replace(version, artifact_uri=str(folder), files_hash=files_hash)


def measure(project: Project, tree: Path, count: int, models_mib: int | None) -> Measured:
    """Start the release in this folder on the project, and measure it; first uses with this budget, None: not."""
    found = Measured()
    rows = {"dataframe_records": rows_of(cancer_frame().head(1))}
    names = [f"endpoint_{number:04}" for number in range(count)]
    with _gateway(project, tree, {}) as (server, ask):
        found.live = server.start_seconds
        found.ready = server.start_seconds + _until(lambda: ask("GET", "/health/ready")[0] == http.client.OK)
        found.ready_cpu = Tree(server.pid).cpu_seconds
        found.all_loaded = found.ready + _until(lambda: not _absent(ask), LOOK_SECONDS)
        time.sleep(QUIET_SECONDS)
        before = Tree(server.pid).cpu_seconds
        time.sleep(IDLE_SECONDS)
        after = Tree(server.pid)
        found.idle_percent = (after.cpu_seconds - before) / IDLE_SECONDS * 100
        found.memory = after.memory_mib
        asked = names[:: max(1, count // ASKED)][:ASKED]
        for name in asked * REPEATS:
            found.answers.append(_timed(ask, name, rows))
    if models_mib is not None and count > FIRST_USES:
        with _gateway(project, tree, {"MODELOPS_MODELS_MIB": str(models_mib)}) as (_, ask):
            _until(lambda: ask("GET", "/health/ready")[0] == http.client.OK)
            absent = _absent(ask)
            for name in absent[:FIRST_USES]:
                found.first_uses.append(_timed(ask, name, rows))
    return found


@contextmanager
def _gateway(project: Project, tree: Path, more: Mapping[str, str]) -> Iterator[tuple[Running, Any]]:
    port = free_port()
    environment = {**project.environment, **more, "MODELOPS_GATEWAY_PORT": str(port), "PYTHONPATH": str(tree)}
    launch = Launch([sys.executable, "-m", "modelops_pipelines.gateway.server"], tree, environment)

    def ask(method: str, path: str, body: object = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def answers() -> bool:
        try:
            return ask("GET", "/health/live")[0] == http.client.OK
        except OSError:
            return False

    with running(launch, answers, project.folder / f"gateway-{port}.log") as server:
        yield server, ask


def _absent(ask: Any) -> list[str]:
    """Return the endpoints that are not in memory; none where the release knows no such thing."""
    status, report = ask("GET", "/health")
    memory = report.get("checks", {}).get("memory") if status else None
    return list(memory["load_at_first_request"]) if memory else []


def _timed(ask: Any, name: str, rows: object) -> float:
    started = time.perf_counter()
    status, answer = ask("POST", f"/endpoints/{name}/invocations", rows)
    if status != http.client.OK:
        raise SystemExit(f"{name} answered {status}: {answer}")
    return (time.perf_counter() - started) * 1000


def _until(is_so: Any, pause: float = 0.05) -> float:
    started = time.monotonic()
    while not is_so():
        if time.monotonic() - started > PATIENCE_SECONDS:
            raise SystemExit(f"it did not come true within {PATIENCE_SECONDS:g} s")
        time.sleep(pause)
    return time.monotonic() - started


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _opened(folder: Path) -> Project:
    home = {"MODELOPS_HOME": str(folder / "home"), "MODELOPS_ENDPOINTS": str(folder / "endpoints")}
    return Project(folder, home, Stores(load_settings(folder, home)), read_endpoint(folder / "endpoints/endpoint.yaml"))


def _print_row(release: str, count: int, found: Measured, than: Measured | None) -> None:
    cells = {
        "live s": found.live,
        "ready s": found.ready,
        "CPU s until ready": found.ready_cpu,
        "all loaded s": found.all_loaded,
        "idle % of a core": found.idle_percent,
        "PSS MiB": found.memory,
        "answer p50 ms": median(found.answers),
        "p99 ms": _p99(found.answers),
        "first use p50 ms": median(found.first_uses) if found.first_uses else None,
        "first use p99 ms": _p99(found.first_uses) if found.first_uses else None,
    }
    shown = " | ".join(f"{name} {'-' if value is None else f'{value:.2f}'}" for name, value in cells.items())
    print(f"{time.strftime('%H:%M:%S')} {count} endpoints, {release}: {shown}", flush=True)
    if than is not None:
        pairs = [(found.live, than.live), (found.ready, than.ready), (found.idle_percent, than.idle_percent)]
        ratios = " ".join(f"{before / max(now, 1e-9):.1f}x" for before, now in pairs)
        print(f"    before / now: live, ready, idle {ratios}", flush=True)


def _p99(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.99)]


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
