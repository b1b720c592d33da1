"""Our gateway in a production configuration: API key required, limits set, requests captured before the answer."""

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.peers.environments import Environments
from benchmarks.peers.protocol import Ask, Job, Launch, Row, UnavailableError
from tests.support.paths import ROOT

RATE = "1000000/minute"
LIMITS = f'limits: {{per_key: "{RATE}", per_user: "{RATE}", endpoint: "{RATE}"}}'


@dataclass(frozen=True)
class Ours:
    """``python -m modelops_pipelines.gateway.server``."""

    name: str = "ours"
    variant: str = ""

    def launch(self, job: Job, port: int) -> Launch:
        """Return how to serve the job's project on this port."""
        own = {
            "MODELOPS_GATEWAY_PORT": str(port),
            "MODELOPS_GLOBAL_LIMIT": RATE,
            "MODELOPS_WORKERS": str(job.workers),
            "PYTHONPATH": str(ROOT),
        }
        command = [sys.executable, "-m", "modelops_pipelines.gateway.server"]
        return Launch(command, ROOT, {**job.project.environment, **own})

    def ask(self, job: Job, rows: Sequence[Row]) -> Ask:
        """Return the request in MLflow's form, with the key and a user's name."""
        headers = {"X-API-Key": job.key, "X-User-Id": "benchmark"}
        return Ask(f"/endpoints/{job.project.spec.name}/invocations", split_body(job, rows), headers)

    def read(self, content: bytes) -> Sequence[Row]:
        """Return the probabilities."""
        rows: Sequence[Row] = json.loads(content)["predictions"]
        return rows


def variants(_environments: Environments) -> Sequence[Ours]:
    """Return the one configuration."""
    return [Ours()]


def split_body(job: Job, rows: Sequence[Row]) -> bytes:
    """Return rows as MLflow's dataframe_split."""
    return json.dumps({"dataframe_split": {"columns": list(job.version.inputs), "data": rows}}).encode()


def require_captured(job: Job, requests: int) -> None:
    """Raise UnavailableError unless the spool holds a line for each request answered; empty it for the next run."""
    spool = job.project.stores.settings.spool
    lines = (line for path in spool.rglob("*") if path.is_file() for line in path.read_bytes().splitlines())
    captured = sum(not line.startswith(b'{"seal"') for line in lines)
    shutil.rmtree(spool)
    if captured < requests:
        raise UnavailableError(f"captured {captured} of {requests} requests")
