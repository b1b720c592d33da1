"""LitServe: separate processes for HTTP and for the model, with and without its batching and its fast queue."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.environments import Environments
from benchmarks.peers.protocol import Ask, Job, Launch, Row

REQUIREMENTS = ("litserve==0.2.19",)
SERVER = Path(__file__).with_name("litserve_server.py")
BATCH, TIMEOUT = 16, 0.005


@dataclass(frozen=True)
class LitServe:
    """``litserve_server.py`` in LitServe's own environment."""

    python: str
    variant: str
    batch: int
    queue: str
    name: str = "LitServe"

    def launch(self, job: Job, port: int) -> Launch:
        """Return how to run the server's script."""
        options = [str(job.joblib), str(port), str(job.workers), str(self.batch), str(TIMEOUT), self.queue]
        return Launch([self.python, str(SERVER), *options], job.project.folder)

    def ask(self, job: Job, rows: Sequence[Row]) -> Ask:  # noqa: ARG002 - the protocol's
        """Return bare rows, its smallest request body."""
        return Ask("/predict", json.dumps({"rows": rows}).encode())

    def read(self, content: bytes) -> Sequence[Row]:
        """Return the probabilities."""
        rows: Sequence[Row] = json.loads(content)["predictions"]
        return rows


def variants(environments: Environments) -> Sequence[LitServe]:
    """Return its configurations; raises UnavailableError when it does not install."""
    python = environments.python("litserve", REQUIREMENTS)
    return [
        LitServe(python, "plain", 1, "plain"),
        LitServe(python, "fast queue", 1, "fast"),
        LitServe(python, f"batches of {BATCH}", BATCH, "plain"),
        LitServe(python, f"fast queue, batches of {BATCH}", BATCH, "fast"),
    ]
