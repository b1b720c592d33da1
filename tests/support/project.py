"""What many tests need: a project in a folder, a small real model, a running gateway."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.operations.endpoints.load import read_endpoint
from modelops_pipelines.store.settings import load_settings
from modelops_pipelines.store.state.deployments import ModelVersion
from modelops_pipelines.store.stores import Stores
from tests.warm import ROOT, WarmProcess

SERVE = "from modelops_pipelines.gateway.server import main; main()"
CANCER_YAML = """\
type: modelops_pipelines.ModelEndpoint
attributes:
  name: cancer
  model_name: tumours
  task: binary_classification
  label: benign
  window: hour
  trainer: tests.trainers:logistic
  allow_replay: true
  drift: {method: fixed, minimum: 500}
"""


@dataclass
class Project:
    """A project of one test: its folder, its stores, its endpoint."""

    folder: Path
    environment: dict[str, str]
    stores: Stores
    spec: EndpointSpec


def make_project(folder: Path, yaml: str = CANCER_YAML, **environment: str) -> Project:
    """Make a project with one endpoint and free ports in an empty folder."""
    (folder / "endpoints").mkdir(parents=True)
    path = folder / "endpoints" / "endpoint.yaml"
    path.write_text(yaml)
    ports = {f"MODELOPS_{name}_PORT": str(free_port()) for name in ("GATEWAY", "DAGSTER", "MLFLOW")}
    home = {"MODELOPS_HOME": str(folder / "home"), "MODELOPS_ENDPOINTS": str(folder / "endpoints")}
    given = {**ports, **home, "MODELOPS_SEAL_AFTER_SECONDS": "0.2", **environment}
    return Project(folder, given, Stores(load_settings(folder, given)), read_endpoint(path))


def copied_project(project: Project, folder: Path) -> Project:
    """Copy a project whose making takes long, with all that it holds."""
    shutil.copytree(project.folder, folder)
    environment = {name: value.replace(str(project.folder), str(folder)) for name, value in project.environment.items()}
    return replace(project, folder=folder, environment=environment, stores=Stores(load_settings(folder, environment)))


def cancer_frame() -> Any:
    """Return scikit-learn's bundled breast cancer data: four features and the label ``benign`` (0 or 1), 569 rows."""
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer(as_frame=True)
    frame = bunch.frame[["mean radius", "mean texture", "mean smoothness", "mean concavity"]]
    return frame.rename(columns=lambda name: name.replace(" ", "_")).assign(benign=bunch.target)


def train_first(project: Project, frame: Any = None) -> ModelVersion:
    """Train and register the project's first version."""
    from modelops_pipelines.operations.improve import train as trainers

    registry = _registry_file(project)
    if not registry.exists():
        registry.parent.mkdir(mode=0o700, exist_ok=True)
        registry.write_bytes(_blank_registry())
    return trainers.train_first(project.stores, project.spec, cancer_frame() if frame is None else frame)


@cache
def _blank_registry() -> bytes:
    """Return MLflow's database without a model: its migrations take 3 s, so each test process runs them once."""
    with TemporaryDirectory() as folder:
        project = make_project(Path(folder) / "project")
        _ = project.stores.registry
        return _registry_file(project).read_bytes()


def _registry_file(project: Project) -> Path:
    return Path(project.stores.settings.registry_uri.removeprefix("sqlite:///"))


def rows_of(frame: Any, label: str = "benign") -> list[dict[str, Any]]:
    """Return the frame's features as JSON records."""
    return [dict(row) for row in frame.drop(columns=[label]).to_dict(orient="records")]


@dataclass
class RunningGateway:
    """A gateway process of a test, with a client to it."""

    process: WarmProcess | subprocess.Popen[bytes]
    client: httpx.Client
    log: Path
    names: list[str] = field(default_factory=list)

    def predict(self, rows: list[dict[str, Any]], endpoint: str = "cancer", **headers: str) -> httpx.Response:
        """Ask for predictions."""
        return self.client.post(f"/endpoints/{endpoint}/invocations", json={"dataframe_records": rows}, headers=headers)

    def kill(self) -> None:
        """End the process as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def running_gateway(project: Project, *, ready: bool = True) -> Iterator[RunningGateway]:
    """Run the project's gateway in a process of its own until the block ends; wait until it is live (and ready)."""
    log = project.folder / f"gateway-{time.monotonic_ns()}.log"
    environment = {**os.environ, **project.environment, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    process = WarmProcess(SERVE, cwd=ROOT, env=environment, out=log, err=log)
    url = f"http://127.0.0.1:{project.environment['MODELOPS_GATEWAY_PORT']}"
    with httpx.Client(base_url=url, timeout=60) as client:
        try:
            wait_until(lambda: _answers(client, "/health/ready" if ready else "/health/live", process, log), 60)
            yield RunningGateway(process, client, log)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(timeout=20)


def worker_pids(gateway: RunningGateway) -> list[int]:
    """Return the processes of a gateway of several workers: the children of the server that they are forked from."""
    for child in _children(gateway.process.pid):
        if b"forkserver" in Path(f"/proc/{child}/cmdline").read_bytes():
            return _children(child)
    return []


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_until(condition: Any, seconds: float) -> None:
    """Wait until the condition holds; fail when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it did not come true within {seconds} s"
        time.sleep(0.05)


def free_port() -> int:
    """Return a port that nothing listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _answers(client: httpx.Client, path: str, process: WarmProcess, log: Path) -> bool:
    assert process.poll() is None, f"the gateway ended: {log.read_text()[-2000:]}"
    try:
        return client.get(path).status_code == 200
    except httpx.TransportError:
        return False
