"""A real `modelops up` under load, whose processes are killed: who they are, and what was acknowledged meanwhile."""

import os
import random
import signal
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any

import deltalake
import httpx
import pandas as pd

from modelops_pipelines.platforms.marked_processes import Mark, marked, service_of
from modelops_pipelines.platforms.one_up import read_states
from modelops_pipelines.store.filesystem.process_identity import identity_of, is_gone
from tests.support.command_line import NewUser
from tests.support.waiting import wait_until

START_SECONDS = 240
UP, WARDEN = "up", "warden"
LAUNCH = """mutation($params: ExecutionParams!) { launchRun(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
RUNS = "{ runsOrError(limit: 50) { ... on Runs { results { runId status jobName tags { key value } } } } }"
UNFINISHED = {"QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING"}


@dataclass
class Client(threading.Thread):
    """Asks for predictions, with their labels, until it is stopped; remembers what was acknowledged."""

    url: str
    rows: list[dict[str, Any]]
    acknowledged: list[str] = field(default_factory=list)
    answered_at: list[float] = field(default_factory=list)
    failed: int = 0
    labelled: int = 0

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self.ending = threading.Event()

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        for row in cycle(self.rows):
            if self.ending.is_set():
                return
            with httpx.Client(base_url=self.url, timeout=30) as client:
                try:
                    self._once(client, row)
                except httpx.TransportError:
                    self.failed += 1
            time.sleep(0.05)

    def _once(self, client: httpx.Client, row: dict[str, Any]) -> None:
        features = {name: value for name, value in row.items() if name not in ("benign", "event_time")}
        answer = client.post("/endpoints/tumours/invocations", json={"dataframe_records": [features] * 5})
        if answer.status_code != 200:
            self.failed += 1
            return
        request = answer.json()["request_id"]
        self.acknowledged.append(request)
        self.answered_at.append(time.monotonic())
        labels = [{"prediction_id": f"{request}-{place}", "label": int(row["benign"])} for place in range(5)]
        said = client.post("/endpoints/tumours/labels", json={"labels": labels})
        self.labelled += said.status_code == 202

    def longest_silence(self, since: float) -> float:
        """Return the longest time without an answer since a moment, in seconds."""
        times = [since, *(at for at in self.answered_at if at > since), time.monotonic()]
        return max(after - before for before, after in pairwise(times))


class KilledUp:
    """A project with `modelops up`, which is started again when it was killed."""

    def __init__(self, user: NewUser, versions: list[str], chance: random.Random) -> None:
        self.user, self.versions, self.chance = user, versions, chance
        self.home = user.folder / ".modelops"
        self.log = user.folder / "up.log"
        self.gateway = f"http://127.0.0.1:{user.ports['GATEWAY']}"
        self.dagster = f"http://127.0.0.1:{user.ports['DAGSTER']}"
        rows = pd.read_csv(user.folder / "data.csv").to_dict("records")
        self.client = Client(self.gateway, rows)
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            command = self.user.command("up")
            return subprocess.Popen(command, cwd=self.user.folder, env=self.user.environment, stdout=log, stderr=log)

    def start_again(self) -> None:
        """Start `up` again if it was killed."""
        if self.process.poll() is not None:
            self.process = self._start()

    def wait_until_up(self) -> None:
        """Wait until all services answer."""
        wait_until(self._is_up, START_SECONDS)

    def _is_up(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        known = read_states(self.home)
        return bool(known and known["services"]) and all(one["state"] == "running" for one in known["services"])

    def serves(self) -> bool:
        """Return whether a prediction is answered."""
        row = {name: value for name, value in self.client.rows[0].items() if name not in ("benign", "event_time")}
        try:
            body = {"dataframe_records": [row]}
            answer = httpx.post(f"{self.gateway}/endpoints/tumours/invocations", json=body, timeout=5)
        except httpx.TransportError:
            return False
        if answer.status_code == 200:
            self.client.acknowledged.append(answer.json()["request_id"])
        return answer.status_code == 200

    def family(self) -> dict[str, list[int]]:
        """Return the ids of all processes of `up`, by the service that they belong to."""
        found: dict[str, list[int]] = {UP: [self.process.pid]}
        for pid in marked(Mark(self.home).text()):
            with suppress(OSError):
                found.setdefault(str(service_of(pid)), []).append(pid)
        wardens = [pid for pid in _all_processes() if f"platforms.warden\0{self.home}\t" in _command(pid)]
        return found | ({WARDEN: wardens} if wardens else {})

    def kill(self, services: list[str]) -> list[int]:
        """Kill a random process of each of the services, at once; return their ids."""
        family = self.family()
        victims = [self.chance.choice(family[name]) for name in services if family.get(name)]
        return self._kill(victims)

    def kill_all(self) -> list[int]:
        """Kill all processes of `up`, itself first."""
        return self._kill([pid for pids in self.family().values() for pid in pids])

    def _kill(self, victims: list[int]) -> list[int]:
        for pid in victims:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.process.pid in victims:
            self.process.wait()
        return victims

    def missing(self) -> set[str]:
        """Return the acknowledged requests that are not in the log."""
        wanted = set(self.client.acknowledged)
        try:
            table = deltalake.DeltaTable(self.home / "lake" / "tumours" / "inference_log")
        except deltalake.exceptions.TableNotFoundError:
            return wanted
        return wanted - set(table.to_pyarrow_table(columns=["request_id"])["request_id"].to_pylist())

    def launch(self, job: str, **config: Any) -> str | None:
        """Start a job for the endpoint in Dagster; return its run's id, None while Dagster does not answer."""
        op = {"retrain": "retrain_op", "deploy": "deploy_version"}[job]
        params = {
            "selector": {
                "jobName": job,
                "repositoryName": "__repository__",
                "repositoryLocationName": "modelops",
            },
            "runConfigData": {"ops": {op: {"config": config}}},
            "executionMetadata": {"tags": [{"key": "dagster/partition", "value": "tumours"}]},
        }
        said = self._ask(LAUNCH, {"params": params})
        launched = (said or {}).get("launchRun", {})
        return str(launched["run"]["runId"]) if "run" in launched else None

    def runs(self) -> dict[str, dict[str, Any]]:
        """Return Dagster's newest runs by their ids."""
        said = self._ask(RUNS, {})
        return {run["runId"]: run for run in said["runsOrError"]["results"]} if said else {}

    def _ask(self, query: str, variables: dict[str, Any]) -> dict[str, Any] | None:
        try:
            answer = httpx.post(f"{self.dagster}/graphql", json={"query": query, "variables": variables}, timeout=20)
            return dict(answer.json()["data"] or {})
        except (httpx.TransportError, ValueError, KeyError):
            return None

    def blocked(self) -> list[dict[str, Any]]:
        """Return the runs that Dagster takes for started and that no process is behind."""
        found = []
        for run in self.runs().values():
            process = {tag["key"]: tag["value"] for tag in run["tags"]}.get("modelops/process")
            if run["status"] in ("STARTING", "STARTED", "CANCELING") and (process is None or is_gone(process)):
                found.append(run)
        return found

    def orphans(self) -> list[int]:
        """Return the marked processes of an `up` that is not the one that runs."""
        mine = Mark(self.home, identity_of(self.process.pid)).text()
        return sorted(set(marked(Mark(self.home).text())) - set(marked(mine)))

    def end(self) -> None:
        """End everything, and see that nothing stays."""
        self.client.ending.set()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=90)


def _all_processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except OSError:
        return ""
