"""``mlflow models serve``, of the MLflow that we depend on, in our own environment."""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.environments import Environments
from benchmarks.peers.ours import split_body
from benchmarks.peers.protocol import Ask, Job, Launch, Row


@dataclass(frozen=True)
class MLflow:
    """The registered version, served at ``/invocations``."""

    name: str = "mlflow"
    variant: str = ""

    def launch(self, job: Job, port: int) -> Launch:
        """Return how to serve the registered version."""
        uri = job.project.stores.settings.registry_uri
        environment = {
            "MLFLOW_TRACKING_URI": uri,
            "MLFLOW_REGISTRY_URI": uri,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",  # it starts uvicorn by name
        }
        model = f"models:/{job.version.model_name}/{job.version.version}"
        command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", model, "--env-manager", "local"]
        where = ["-h", "127.0.0.1", "-p", str(port), "-w", str(job.workers)]
        return Launch([*command, *where], job.project.folder, environment)

    def ask(self, job: Job, rows: Sequence[Row]) -> Ask:
        """Return the same request as for ours, without a key."""
        return Ask("/invocations", split_body(job, rows))

    def read(self, content: bytes) -> Sequence[Row]:
        """Return the probabilities."""
        rows: Sequence[Row] = json.loads(content)["predictions"]
        return rows


def variants(_environments: Environments) -> Sequence[MLflow]:
    """Return the one configuration."""
    return [MLflow()]
