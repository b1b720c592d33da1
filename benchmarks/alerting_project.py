"""A small project for measuring alerts: endpoints with a past, a model that fails or dawdles on request, a webhook."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.alerting_model import GOOD
from examples.flights.receiver import Receiver
from modelops_pipelines.core.capture.spool_records import prediction_record
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.ids import ENTROPY_BYTES, new_request_id
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.drift.data_quality import check_data_quality
from modelops_pipelines.operations.drift.profiles import profile_windows
from modelops_pipelines.operations.endpoints.load import read_endpoint
from modelops_pipelines.operations.improve.retraining.train import train_first
from modelops_pipelines.operations.metrics.service import measure_service
from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.store.settings import load_settings
from modelops_pipelines.store.spool.segments import SegmentWriter, encode
from modelops_pipelines.store.stores import Stores
from tests.support.ports import free_port

START = "from modelops_pipelines.cli.main import main; main()"
SLOW_LIMIT_MS = 200
PAST_DAYS, PAST_ROWS = 8, 300
SECRET_VARIABLE = "ALERTS_SECRET"
YAML = f"""\
type: modelops_pipelines.ModelEndpoint
attributes:
  name: {{name}}
  model_name: moody
  task: binary_classification
  label: good
  window: hour
  trainer: benchmarks.alerting_model:train
  allow_pickle: true
  allow_replay: true
  classes: ["0", "1"]
  features: [x, y]
  alerts:
    - {{{{kind: error_rate, above: 0.10, over: 1h}}}}
    - {{{{kind: latency_p95_ms, above: {SLOW_LIMIT_MS}, over: 1h}}}}
    - {{{{kind: data_quality}}}}
"""
ALERTING = """\
channels:
  receiver: {{webhook: "{url}", secret: "env:{secret}", allow_private: true}}
"""


@dataclass(frozen=True)
class Project:
    """A project: its folder, the environment of its commands, and its endpoints."""

    folder: Path
    environment: Mapping[str, str]
    endpoints: tuple[str, ...]

    @property
    def home(self) -> Path:
        """Where everything is kept."""
        return self.folder / ".modelops"

    @property
    def stores(self) -> Stores:
        """The project's stores, for looking."""
        return Stores(load_settings(self.folder, self.environment))

    def url(self, endpoint: str) -> str:
        """Return where an endpoint answers."""
        return f"http://127.0.0.1:{self.environment['MODELOPS_GATEWAY_PORT']}/endpoints/{endpoint}/invocations"

    @contextmanager
    def running(self, *arguments: str) -> Iterator[None]:
        """Run a command such as ``up`` until the block ends."""
        with (self.folder / "services.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", START, *arguments], cwd=self.folder, env=self.environment, stdout=log, stderr=log
            )
            try:
                yield
            finally:
                process.terminate()
                process.wait(timeout=120)


def make_project(folder: Path, endpoints: int, receiver: Receiver) -> Project:
    """Make a project of so many endpoints in an empty folder, each with a champion and some days of requests."""
    ports = {f"MODELOPS_{name}_PORT": str(free_port()) for name in ("GATEWAY", "DAGSTER", "MLFLOW")}
    paths = os.pathsep.join([str(Path.cwd()), str(folder), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    own = {"PYTHONPATH": paths, SECRET_VARIABLE: receiver.secret}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MODELOPS_")}
    names = tuple(f"bench{number}" for number in range(endpoints))
    project = Project(folder, {**environment, **ports, **own}, names)
    _write_files(project, receiver)
    stores = project.stores
    specs = [read_endpoint(folder / "endpoints" / f"{name}.yaml") for name in names]
    version = train_first(stores, specs[0], _training_data())
    for spec in specs:
        deploy(stores, spec, version.version, actor="benchmark", reason="benchmark")
        _make_past(stores, spec)
    stores.database.close()
    return project


def _training_data() -> Any:
    import pandas as pd

    x, y = np.random.default_rng(1).normal(size=(2, 500))
    return pd.DataFrame({"x": x, "y": y, "mood": GOOD, "good": (x > 0).astype(int)})


def _write_files(project: Project, receiver: Receiver) -> None:
    (project.folder / "endpoints").mkdir(parents=True)
    for name in project.endpoints:
        (project.folder / "endpoints" / f"{name}.yaml").write_text(YAML.format(name=name))
    (project.folder / "alerting.yaml").write_text(ALERTING.format(url=receiver.url, secret=SECRET_VARIABLE))
    module = "modelops_pipelines.definitions"
    workspace = f"load_from:\n  - python_module: {{module_name: {module}, location_name: modelops}}\n"
    (project.folder / "workspace.yaml").write_text(workspace)


def _make_past(stores: Stores, spec: EndpointSpec) -> None:
    """Write ordinary requests of the days before, and derive what is usual from them."""
    secret, now = stores.database.secret(), stores.now().replace(minute=0, second=0, microsecond=0)
    draw = np.random.default_rng(2)
    lines = []
    for day in range(PAST_DAYS, 0, -1):
        for number in range(PAST_ROWS):
            at = now - timedelta(days=day) + timedelta(seconds=10 * number)
            entropy = (day * 100_000 + number).to_bytes(ENTROPY_BYTES, "big")
            request = new_request_id(spec.name, at, 1, entropy, secret)
            x, y = draw.normal(size=2).tolist()
            score = float(1 / (1 + np.exp(-x)))
            record = prediction_record(
                request_id=request.text,
                event_time=at,
                received_at=at,
                model_version="1",
                variant="champion",
                rows=1,
                status=200,
                error_code=None,
                latency_ms=3.0,
                user_id=None,
                session_id=None,
                client_request_id=None,
                source="live",
                key_id=None,
                prediction=[str(int(score > 0.5))],
                score=[score],
                features={"x": [x], "y": [y], "mood": [GOOD]},
            )
            lines.append(encode(record))
    writer = SegmentWriter(stores.settings.spool, spec.name, "predictions", "past-1-benchmark")
    writer.append(b"".join(lines), 0.0)
    writer.seal()
    ingest(stores, spec, "predictions")
    for derive in (measure_service, profile_windows, check_data_quality):
        derive(stores, spec)
