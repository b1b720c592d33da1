"""Versions swapped under load: no request fails, and none is answered by a version that was not live while it ran."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import mlflow.pyfunc
import pytest

from modelops_pipelines.operations.release.commands import deploy
from tests.support.captured_log import log_of
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import Project, cancer_frame, make_project, train_first
from tests.support.request_forms import records

CONNECTIONS = 16
RESIDENT, LOADED = 2, 6
"""Two versions stay in memory, both of them; of six some are loaded from their files at each swap."""
SETTLED, MANY = 20, 200
GROWTH = 1.05
FRAME = cancer_frame().drop(columns=["benign"])
ROWS = FRAME.head(3)


@dataclass(frozen=True)
class Answer:
    """One answer: when it was asked for and when it came, and what it says (a version of None: the request failed)."""

    asked_at: float
    answered_at: float
    request: str
    version: str | None
    predictions: Any


@dataclass(frozen=True)
class Swap:
    """A version that was deployed: when that was asked for, and when every worker had acknowledged it."""

    version: str
    asked_at: float
    done_at: float


@dataclass
class Running:
    """A gateway, and versions to swap."""

    gateway: RunningGateway
    project: Project
    versions: dict[str, Any]
    """What each version answers to the rows in MLflow's own hands, among all of the frame's (operations/model_runtime/prediction_paths.py)."""

    def deploy(self, version: str) -> Swap:
        started = time.monotonic()
        deploy(self.project.stores, self.project.spec, version, actor="test", reason="test", force=True)
        return Swap(version, started, time.monotonic())

    def resident_kib(self) -> int:
        """Return the gateway's resident memory."""
        status = Path(f"/proc/{self.gateway.process.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    project = make_project(tmp_path_factory.mktemp("hot_swap"))
    made = [train_first(project, cancer_frame().head(569 - 40 * number)) for number in range(LOADED)]
    whole = {one.version: mlflow.pyfunc.load_model(one.artifact_uri).predict(FRAME) for one in made}
    versions = {version: answers[: len(ROWS)].tolist() for version, answers in whole.items()}
    with running_gateway(project, ready=False) as gateway:
        yield Running(gateway, project, versions)


@pytest.mark.parametrize("count", [RESIDENT, LOADED], ids=["two versions in memory", "six, loaded from their files"])
def test_versions_are_swapped_under_load_without_a_failure_or_a_wrong_answer(
    running: Running, count: int, pytestconfig: pytest.Config, record_property: Any
) -> None:
    asked = pytestconfig.getoption("swaps")
    number = asked if count == RESIDENT or asked >= MANY else LOADED + 2
    cycle = list(running.versions)[:count]
    swaps, kib = [running.deploy(cycle[-1])], []
    with _load(running) as answers:
        for place in range(number):
            swaps.append(running.deploy(cycle[place % count]))
            kib.append(running.resident_kib())
    answered = [answer for future in answers for answer in future.result()]
    assert [] == [answer for answer in answered if answer.version is None]
    assert [] == [answer for answer in answered if answer.version not in _live(swaps, answer)]
    assert [] == [answer for answer in answered if answer.predictions != running.versions[answer.version]]
    assert set(cycle) == {answer.version for answer in answered}
    logged = {row["request_id"]: row["model_version"] for row in log_of(running.project, running.project.spec)}
    assert [] == [answer for answer in answered if logged[answer.request] != answer.version]
    if number >= MANY:
        record_property("resident_kib", kib)
        print(f"{count} versions, {len(answered)} answers, KiB after swaps 1, 20 and last: {kib[0], kib[19], kib[-1]}")
        assert kib[-1] <= kib[SETTLED - 1] * GROWTH


@contextmanager
def _load(running: Running) -> Iterator[list[Future[list[Answer]]]]:
    """Have all connections ask, one request after the other, until the block ends."""
    over = threading.Event()
    with ThreadPoolExecutor(CONNECTIONS) as callers:
        try:
            yield [callers.submit(_ask_until, over, running.gateway.client.base_url) for _ in range(CONNECTIONS)]
        finally:
            over.set()


def _ask_until(over: threading.Event, url: httpx.URL) -> list[Answer]:
    path, content_type, body = records(ROWS)
    answers = []
    with httpx.Client(base_url=url, timeout=60, headers={"content-type": content_type}) as client:
        while not over.is_set():
            asked_at = time.monotonic()
            response = client.post(f"/endpoints/cancer/{path}", content=body)
            said = response.json() if response.status_code == 200 else {"request_id": response.text}
            answered_at = time.monotonic()
            answers.append(
                Answer(asked_at, answered_at, said["request_id"], said.get("model_version"), said.get("predictions"))
            )
    return answers


def _live(swaps: list[Swap], answer: Answer) -> set[str]:
    """Return the versions that may have been live while the request ran: from asked for, until its successor's done."""
    ends = [swap.done_at for swap in swaps[1:]] + [float("inf")]
    return {
        swap.version
        for swap, end in zip(swaps, ends, strict=True)
        if swap.asked_at <= answer.answered_at and answer.asked_at <= end
    }
