"""MLServer with its scikit-learn runtime: the model in a worker process (its default) or in its own, and batching."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers.environments import Environments
from benchmarks.peers.protocol import Ask, Job, Launch, Row
from tests.support.ports import free_port

REQUIREMENTS = ("mlserver==1.7.1", "mlserver-sklearn==1.7.1", "uvloop==0.21.0")  # its workers fail on later uvloops
BATCHING = {"max_batch_size": 16, "max_batch_time": 0.005}


@dataclass(frozen=True)
class MLServer:
    """``mlserver start`` on settings files, with the V2 protocol."""

    python: str
    variant: str
    in_worker: bool
    batching: Mapping[str, float]
    name: str = "MLServer"

    def launch(self, job: Job, port: int) -> Launch:
        """Write the settings and return how to start it."""
        folder = job.project.folder / f"mlserver-{port}"
        folder.mkdir()
        shutil.copy(job.joblib, folder / "model.joblib")
        _write(folder / "settings.json", self._settings(job, port))
        model = {
            "name": job.name,
            "implementation": "mlserver_sklearn.SKLearnModel",
            "parameters": {"uri": "./model.joblib", "version": "1", "extra": {"predict_fn": "predict_proba"}},
        }
        _write(folder / "model-settings.json", {**model, **self.batching})
        return Launch([str(Path(self.python).with_name("mlserver")), "start", str(folder)], folder)

    def ask(self, job: Job, rows: Sequence[Row]) -> Ask:
        """Return the rows as one tensor."""
        data = [value for row in rows for value in row]
        tensor = {"name": "rows", "shape": [len(rows), len(rows[0])], "datatype": "FP64", "data": data}
        return Ask(f"/v2/models/{job.name}/infer", json.dumps({"inputs": [tensor]}).encode())

    def read(self, content: bytes) -> Sequence[Row]:
        """Return the probabilities."""
        output = json.loads(content)["outputs"][0]
        width = output["shape"][1]
        return [output["data"][start : start + width] for start in range(0, len(output["data"]), width)]

    def _settings(self, job: Job, port: int) -> dict[str, Any]:
        ports = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
        workers = job.workers if self.in_worker or job.workers > 1 else 0
        return {"debug": False, "host": "127.0.0.1", **ports, "parallel_workers": workers}


def variants(environments: Environments) -> Sequence[MLServer]:
    """Return its configurations; raises UnavailableError when it does not install."""
    python = environments.python("mlserver", REQUIREMENTS)
    return [
        MLServer(python, "worker process", in_worker=True, batching={}),
        MLServer(python, "one process", in_worker=False, batching={}),
        MLServer(python, "one process, batches of 16", in_worker=False, batching=BATCHING),
    ]


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content))
