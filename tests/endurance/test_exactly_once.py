"""What was acknowledged is in the lake exactly once, whoever dies and whenever."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from modelops_pipelines.core.windows import window_of
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.release import commands as releases
from tests.support.gateway import RunningGateway, running_gateway, worker_pids
from tests.support.paths import ROOT
from tests.support.project import Project, cancer_frame, make_project, rows_of, train_first
from tests.support.tables import table_rows
from tests.support.waiting import wait_until

GATEWAYS_SHARE = 0.3
SEED = int(os.environ.get("MODELOPS_KILL_SEED", "20260301"))
STREAMS = ("predictions", "labels", "feedback")
INGESTING = """\
import os
import sys
from pathlib import Path
import modelops_pipelines.operations.capture.ingest as ingesting
from modelops_pipelines.operations.endpoints.load import read_endpoint
from modelops_pipelines.store.stores import Stores
for _ in sys.stdin:  # a line asks for a process that ingests until it is killed; it is forked, so that none waits
    child = os.fork()
    if child == 0:
        stores, spec = Stores(), read_endpoint(Path({path!r}))
        while True:
            for stream in ("predictions", "labels", "feedback"):
                ingesting.ingest(stores, spec, stream)
    print(child, flush=True)
    os.waitpid(child, 0)
    print("gone", flush=True)
"""


@dataclass
class Client(threading.Thread):
    """Asks for predictions and sends labels and feedback until stopped; remembers what was acknowledged."""

    url: str
    rows: list[dict[str, Any]]
    chance: random.Random
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    labels: set[tuple[str, str]] = field(default_factory=set)
    feedback: set[str] = field(default_factory=set)
    broken: int = 0

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self.ending = threading.Event()

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        with httpx.Client(base_url=self.url, timeout=10) as client:
            while not self.ending.is_set():
                try:
                    self._once(client)
                except httpx.TransportError:
                    self.broken += 1
                    time.sleep(0.05)

    def _once(self, client: httpx.Client) -> None:
        rows = self.chance.sample(self.rows, self.chance.randint(1, 5))
        answer = client.post("/endpoints/cancer/invocations", json={"dataframe_records": rows})
        if answer.status_code != 200:
            return
        said = answer.json()
        self.answers[said["request_id"]] = said
        name = f"{self.chance.choice(list(self.answers))}-0"
        label = {"prediction_id": name, "label": self.chance.randint(0, 1), "labelled_at": "2026-01-01T00:00:00Z"}
        for _ in range(self.chance.randint(0, 2)):  # the same label may well be sent twice
            if client.post("/endpoints/cancer/labels", json={"labels": [label]}).status_code == 202:
                self.labels.add((name, str(label["label"])))
        given = client.post(
            "/endpoints/cancer/feedback", json={"prediction_id": name, "rating": self.chance.randint(1, 5)}
        )
        if given.status_code == 202:
            self.feedback.add(given.json()["feedback_id"])


@pytest.mark.slow
def test_every_acknowledged_row_is_in_the_lake_exactly_once_after_kills_at_random_moments(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    total = pytestconfig.getoption("kills")
    project = make_project(tmp_path / "project", MODELOPS_WORKERS="2")
    version = train_first(project)
    releases.deploy(project.stores, project.spec, version.version, actor="test", reason="first")
    clients = []
    with running_gateway(project) as gateway:
        for number in range(2):
            clients.append(Client(str(gateway.client.base_url), rows_of(cancer_frame()), random.Random(SEED + number)))
            clients[-1].start()
        kills = round(total * GATEWAYS_SHARE)
        killer = threading.Thread(target=kill_workers, args=(gateway, kills, random.Random(SEED + 3)))
        killer.start()
        done = kill_ingests(project, total - kills, random.Random(SEED + 4), killer.is_alive)
        killer.join()
        for client in clients:
            client.ending.set()
            client.join()
    for stream in STREAMS:
        ingest(project.stores, project.spec, stream)
    acknowledged = sum(len(client.answers) for client in clients)
    broken = sum(client.broken for client in clients)
    print(f"{done} ingests and {kills} workers killed, {acknowledged} requests acknowledged, {broken} broken")
    assert acknowledged > 0
    assert_all_there_once(project, clients)


def kill_workers(gateway: RunningGateway, kills: int, chance: random.Random) -> None:
    """Kill a worker of the running gateway, again and again, in the middle of its work."""
    for _ in range(kills):
        time.sleep(chance.uniform(0.1, 1.0))
        wait_until(lambda: worker_pids(gateway), 30)
        with contextlib.suppress(ProcessLookupError):
            os.kill(chance.choice(worker_pids(gateway)), signal.SIGKILL)


def kill_ingests(project: Project, kills: int, chance: random.Random, more: Callable[[], bool]) -> int:
    """Start and kill ingesting processes: at least so many, and on while the gateway's workers are still being killed."""
    code = INGESTING.format(path=str(project.folder / "endpoints" / "endpoint.yaml"))
    environment = {**os.environ, **project.environment, "PYTHONPATH": str(ROOT)}
    done = 0
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment, text=True, **pipes) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        while done < kills or more():
            parent.stdin.write("go\n")
            parent.stdin.flush()
            child = int(parent.stdout.readline())
            time.sleep(chance.uniform(0, 0.8))
            assert Path(f"/proc/{child}/stat").read_text().split()[2] != "Z", "the ingest ended by itself"
            os.kill(child, signal.SIGKILL)
            assert "gone\n" == parent.stdout.readline()
            done += 1
        parent.stdin.close()
    return done


def assert_all_there_once(project: Project, clients: list[Client]) -> None:
    answers = {request: said for client in clients for request, said in client.answers.items()}
    log = table_rows(project, "inference_log")
    assert [name for name, n in Counter(row["prediction_id"] for row in log).items() if n > 1] == []
    by_id = {row["prediction_id"]: row for row in log if row["status"] == 200}
    per_request = Counter(row["request_id"] for row in by_id.values())
    for request, said in answers.items():
        assert per_request[request] == len(said["predictions"])
        for index, output in enumerate(said["predictions"]):
            row = by_id[f"{request}-{index}"]
            answered = (str(int(output[1] > output[0])), output[1], said["model_version"])
            assert answered == (row["prediction"], row["score"], row["model_version"])
    labels = Counter((row["prediction_id"], row["label"]) for row in table_rows(project, "labels"))
    sent = {label for client in clients for label in client.labels}
    assert dict.fromkeys(sent, 1) == {name: labels[name] for name in sent}
    assert set(labels.values()) <= {1}
    feedback = Counter(row["feedback_id"] for row in table_rows(project, "feedback"))
    given = {number for client in clients for number in client.feedback}
    assert dict.fromkeys(given, 1) == {name: feedback[name] for name in given}
    assert set(feedback.values()) <= {1}
    assert [row for row in table_rows(project, "rejects") if not row["reason"].startswith("torn")] == []
    assert list(project.stores.settings.spool.glob("*/*/*/*.jsonl")) == []
    wanted = {window_of(row["event_time"], project.spec.window) for row in log}
    assert wanted <= set(project.stores.touched_windows.pending("cancer", "service_metrics").windows)
