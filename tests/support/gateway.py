"""A gateway in a process of its own, with a client to it."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.support.paths import ROOT
from tests.support.project import Project
from tests.support.waiting import wait_until
from tests.support.warm import WarmProcess

UNAUTHORISED = 401
SERVE = "from modelops_pipelines.gateway.server import main; main()"


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
def running_gateway(project: Project, *, ready: bool = True, cwd: Path = ROOT) -> Iterator[RunningGateway]:
    """Run the project's gateway in a process of its own until the block ends; wait until it is live (and ready).

    It runs in ``cwd``: the project's folder where its YAML names files.
    """
    log = project.folder / f"gateway-{time.monotonic_ns()}.log"
    environment = {**os.environ, **project.environment, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    process = WarmProcess(SERVE, cwd=cwd, env=environment, out=log, err=log)
    url = f"http://127.0.0.1:{project.environment['MODELOPS_GATEWAY_PORT']}"
    with httpx.Client(base_url=url, timeout=60) as client:
        try:
            wait_until(lambda: _answers(client, "/health/ready" if ready else "/health/live", process, log), 60)
            yield RunningGateway(process, client, log)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(timeout=20)


def wait_for_keys(gateway: RunningGateway, *keys: str) -> None:
    """Wait until a gateway that ran before its first keys were made asks for one, and knows all of these.

    It learns of keys one second after the other: of the first perhaps before the others are made.
    """

    def knows() -> bool:
        asked = [{}, *({"X-API-Key": key} for key in keys)]
        statuses = [gateway.client.get("/endpoints", headers=headers).status_code for headers in asked]
        return statuses[0] == UNAUTHORISED and UNAUTHORISED not in statuses[1:]

    wait_until(knows, 30)


def worker_pids(gateway: RunningGateway) -> list[int]:
    """Return the gateway's workers: the children of the process that supervises them."""
    return _children(gateway.process.pid)


def family_pids(pid: int) -> set[int]:
    """Return all processes below this one."""
    children = _children(pid)
    return set(children).union(*(family_pids(child) for child in children))


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _answers(client: httpx.Client, path: str, process: WarmProcess, log: Path) -> bool:
    assert process.poll() is None, f"the gateway ended: {log.read_text()[-2000:]}"
    try:
        answer = client.get(path)
        return answer.status_code == 200 and answer.json()["status"] != "starting"
    except httpx.TransportError:
        return False
