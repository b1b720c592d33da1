"""Our gateway, capture on, beside ``mlflow models serve``: the same models, from the same registry, on loopback.

``python -m benchmarks.serving [--seconds 5]``. One server runs at a time; ends by itself and leaves no process.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from modelops_pipelines.core.endpoint import EndpointSpec
from modelops_pipelines.operations import trainers
from modelops_pipelines.operations.onboarding import read_endpoint
from modelops_pipelines.operations.releases import deploy
from tests.support import ROOT, Project, cancer_frame, free_port, make_project, running_gateway, wait_until

ROWS, CONNECTIONS = (1, 100), (1, 16)
START_SECONDS = 120
FLIGHTS_YAML = """\
type: modelops_pipelines.ModelEndpoint
attributes:
  name: flights
  model_name: flights
  task: binary_classification
  label: late
  trainer: examples.flights.trainer:train
"""
Cell = tuple[str, int, int]


@dataclass(frozen=True)
class Served:
    """A registered model, and bodies of each size for it."""

    spec: EndpointSpec
    bodies: dict[int, Path]


@dataclass(frozen=True)
class Measured:
    """What one cell gave on one server."""

    per_second: float
    p50: float
    p99: float
    server_cpu: float
    client_cpu: float
    failed: int


def main() -> None:
    """Measure every cell on both servers, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each cell (default 5)")
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder:
        project = make_project(Path(folder))
        models = _models(project)
        ours: dict[Cell, Measured] = {}
        with running_gateway(project) as gateway:
            port = int(project.environment["MODELOPS_GATEWAY_PORT"])
            for served in models:
                path = f"/endpoints/{served.spec.name}/invocations"
                ours |= _cells(served, port, path, gateway.process.pid, seconds)
        peers: dict[Cell, Measured] = {}
        for served in models:
            with _mlflow_serve(project, served.spec.model_name) as (pid, port):
                peers |= _cells(served, port, "/invocations", pid, seconds)
    _print(ours, peers)


def _models(project: Project) -> list[Served]:
    """Train and deploy a scaled logistic regression (4 features) and boosted trees (14 numbers, 3 categories)."""
    (project.folder / "endpoints" / "flights.yaml").write_text(FLIGHTS_YAML)
    flights = read_endpoint(project.folder / "endpoints" / "flights.yaml")
    made = []
    for spec, frame in ((project.spec, cancer_frame()), (flights, _flights_like())):
        version = trainers.train_first(project.stores, spec, frame)
        deploy(project.stores, spec, version.version, actor="benchmark", reason="benchmark")
        made.append(Served(spec, {rows: _body(project.folder, spec, frame, rows) for rows in ROWS}))
    return made


def _flights_like() -> Any:
    """Return random rows of the flights example's shape; training on the real ones takes longer and serves alike."""
    import pandas as pd

    from examples.flights.data import CATEGORIES, FEATURES

    draw = np.random.default_rng(7)
    rows = 20_000
    numbers = {name: draw.normal(size=rows) for name in FEATURES if name not in CATEGORIES}
    texts = {name: draw.choice([f"{name}{i}" for i in range(15)], rows) for name in CATEGORIES}
    late = (sum(numbers.values()) + draw.normal(size=rows) > 2).astype(int)
    return pd.DataFrame(numbers | texts | {"late": late})


def _body(folder: Path, spec: EndpointSpec, frame: Any, rows: int) -> Path:
    split = frame.drop(columns=[spec.label]).head(rows).to_dict(orient="split", index=False)
    path = folder / f"{spec.name}-{rows}.json"
    path.write_text(json.dumps({"dataframe_split": split}))
    return path


@contextmanager
def _mlflow_serve(project: Project, model_name: str) -> Iterator[tuple[int, int]]:
    port, settings = free_port(), project.stores.settings
    uri = {"MLFLOW_TRACKING_URI": settings.registry_uri, "MLFLOW_REGISTRY_URI": settings.registry_uri}
    path = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}  # it starts uvicorn by its bare name
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", f"models:/{model_name}/1"]
    log = (project.folder / f"mlflow-{model_name}.log").open("wb")
    process = subprocess.Popen(
        [*command, "--env-manager", "local", "-h", "127.0.0.1", "-p", str(port)],
        cwd=ROOT,
        env={**os.environ, **uri, **path, "OMP_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true"},
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    try:
        wait_until(lambda: process.poll() is not None or _listens(port), START_SECONDS)
        if process.poll() is not None:
            raise SystemExit(f"mlflow models serve ended:\n{Path(log.name).read_text()[-2000:]}")
        yield process.pid, port
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)
        log.close()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _cells(served: Served, port: int, path: str, pid: int, seconds: float) -> dict[Cell, Measured]:
    found = {}
    for rows, body in served.bodies.items():
        for connections in CONNECTIONS:
            _load(port, path, body, connections, 1.0)
            before = _cpu_seconds(pid)
            seen = _load(port, path, body, connections, seconds)
            cpu = (_cpu_seconds(pid) - before) * 1000 / seen["requests"]
            found[served.spec.name, rows, connections] = Measured(
                seen["per_second"], seen["p50_ms"], seen["p99_ms"], cpu, seen["client_cpu_ms"], int(seen["failed"])
            )
    return found


def _load(port: int, path: str, body: Path, connections: int, seconds: float) -> dict[str, float]:
    arguments = [str(port), path, str(body), str(connections), str(seconds)]
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.load", *arguments], cwd=ROOT, capture_output=True, check=True, timeout=120
    )
    seen: dict[str, float] = json.loads(ran.stdout)
    return seen


def _cpu_seconds(root: int) -> float:
    """Return the CPU time of a process and all its descendants that live, as /proc tells it."""
    parents, ticks = {}, {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        parents[int(entry.parent.name)] = int(fields[1])
        ticks[int(entry.parent.name)] = int(fields[11]) + int(fields[12])
    tree = {root}
    while more := {pid for pid, parent in parents.items() if parent in tree} - tree:
        tree |= more
    return sum(ticks.get(pid, 0) for pid in tree) / os.sysconf("SC_CLK_TCK")


def _print(ours: dict[Cell, Measured], peers: dict[Cell, Measured]) -> None:
    print(f"\n{time.strftime('%Y-%m-%d')}; gateway with capture / mlflow models serve / ratio\n")
    print("| model | rows | conns | requests/s | p50 ms | p99 ms | server CPU ms a request | client CPU ms | failed |")
    print("|---|---|---|---|---|---|---|---|---|")
    for cell, our in ours.items():
        peer = peers[cell]
        shown = [
            f"{mine:.4g} / {theirs:.4g} / {mine / theirs:.2g}x"
            for mine, theirs in (
                (our.per_second, peer.per_second),
                (our.p50, peer.p50),
                (our.p99, peer.p99),
                (our.server_cpu, peer.server_cpu),
            )
        ]
        client = f"{our.client_cpu:.2f} / {peer.client_cpu:.2f}"
        print(f"| {' | '.join(map(str, cell))} | {' | '.join(shown)} | {client} | {our.failed} / {peer.failed} |")


if __name__ == "__main__":
    main()
