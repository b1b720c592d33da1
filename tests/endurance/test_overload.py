"""More than the gateway can take: what it refuses at once, what it gives up waiting for, and what goes on meanwhile."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.gateway.model_runtime.batching import Batcher
from modelops_pipelines.operations.model_runtime.loaded_model import Model, Rows
from modelops_pipelines.operations.model_runtime.prediction_paths import PredictionPath
from tests.fakes import model_kinds as kinds
from tests.support.captured_log import log_of
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import Project

CONCURRENT, DEADLINE_SECONDS, MIB = 3, 1, 1024 * 1024
LIMITS = "  allow_pickle: true\n  classes: [0, 1]\n  limits: {{{}}}\n"
NARROW = LIMITS.format(f"concurrent: {CONCURRENT}, body_mib: 1")
HASTY = LIMITS.format(f"deadline: {DEADLINE_SECONDS}s")
LONER = "  allow_pickle: true\n  classes: [0, 1]\n  row_wise: false\n"
QUICK = {"wait": 0.0}
ROW = json.dumps({"dataframe_records": [QUICK]}).encode()


def sleeping(_frame: Any, _context: Any) -> Any:
    """Return a model that takes as many milliseconds as its feature says, from 100 on."""
    import mlflow

    class Sleeping(mlflow.pyfunc.PythonModel):  # local, so that it is pickled by value
        def predict(self, context, model_input, params=None):  # noqa: ARG002 - MLflow's own signature; hints would be taken for a signature
            longest = model_input["wait"].max()
            if longest >= 100:
                time.sleep(longest / 1000)
            return np.full(len(model_input), 0.25)

    return Sleeping()


@dataclass
class Running:
    """A gateway with a slow model that may not be asked too often, the same that must be quick, and a quick one."""

    gateway: RunningGateway
    project: Project
    specs: dict[str, EndpointSpec]

    def ask(self, endpoint: str, milliseconds: float = 0) -> httpx.Response:
        return self.gateway.predict([{"wait": float(milliseconds)}], endpoint)

    def send(self, content: Any) -> httpx.Response:
        return self.gateway.client.post(
            "/endpoints/narrow/invocations", content=content, headers={"content-type": "application/json"}
        )

    def rows(self, endpoint: str) -> dict[str, list[dict[str, Any]]]:
        """Return the log's rows by request."""
        found: dict[str, list[dict[str, Any]]] = {}
        for row in log_of(self.project, self.specs[endpoint]):
            found.setdefault(row["request_id"], []).append(row)
        return found

    @contextmanager
    def busy(self, endpoint: str, requests: int, milliseconds: float) -> Iterator[list[Future[httpx.Response]]]:
        """Have so many slow requests in flight."""
        with ThreadPoolExecutor(requests) as callers:
            futures = [callers.submit(self.ask, endpoint, milliseconds) for _ in range(requests)]
            time.sleep(0.1)
            yield futures


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    project = kinds.empty_project(tmp_path_factory.mktemp("overload"))
    limits = {"narrow": NARROW, "hasty": HASTY, "loner": LONER}
    specs = {name: kinds.add_endpoint(project, name, more, model="sleeping") for name, more in limits.items()}
    frame = pd.DataFrame({"wait": [0.0] * 20, kinds.LABEL: [0, 1] * 10})
    for spec in specs.values():
        kinds.put_live(project, spec, frame, sleeping)
    specs["linear"] = kinds.add_endpoint(project, "linear")
    kinds.put_live(project, specs["linear"], kinds.training(kinds.numbers(50, seed=1)), kinds.logistic)
    with running_gateway(project) as gateway:
        yield Running(gateway, project, specs)


def _refusal(response: httpx.Response) -> tuple[int, str, str, str]:
    error = response.json()["error"]
    return response.status_code, error["code"], error["message"], error["remedy"]


def test_more_requests_at_once_than_allowed_are_refused_and_those_in_flight_answered(running: Running) -> None:
    with running.busy("narrow", CONCURRENT + 2, 1000) as slow:
        answers = [future.result() for future in slow]
    refused = [answer for answer in answers if answer.status_code != 200]
    remedy = "Try again in a moment, or raise 'limits: {concurrent: ...}' in the endpoint's YAML"
    message = "Endpoint 'narrow' has 3 requests in flight, this worker's limit"
    assert [(503, "overload", message, remedy)] * 2 == [_refusal(response) for response in refused]
    assert ["1", "1"] == [response.headers["retry-after"] for response in refused]
    assert 200 == running.ask("narrow").status_code
    row = running.rows("narrow")[refused[0].json()["error"]["request_id"]][0]
    assert (503, "overload", None) == (row["status"], row["error_code"], row["model_version"])


def test_an_answer_that_takes_too_long_is_given_up_at_the_deadline_and_captured_once(running: Running) -> None:
    started = time.monotonic()
    response = running.ask("hasty", 1900)
    took = time.monotonic() - started
    message = "The prediction took longer than the deadline of 1 s"
    remedy = "Try again later, or raise 'limits: {deadline: ...}' in the endpoint's YAML"
    assert (503, "overload", message, remedy) == _refusal(response)
    assert "1" == response.headers["retry-after"]
    assert DEADLINE_SECONDS <= took < 1.9
    time.sleep(2 - took)  # until the model has answered after all
    after = running.ask("hasty").json()["request_id"]
    late = response.json()["error"]["request_id"]
    rows = running.rows("hasty")
    assert {late: [(503, "overload", "1", None)], after: [(200, None, "1", "0")]} == {
        number: [(row["status"], row["error_code"], row["model_version"], row["prediction"]) for row in of_request]
        for number, of_request in rows.items()
    }


def test_the_rest_of_the_gateway_answers_while_a_slow_model_predicts(running: Running) -> None:
    paths = ("/health/live", "/health/ready", "/endpoints", "/endpoints/narrow", "/endpoints/narrow/metrics")
    with running.busy("narrow", 2, 1200) as slow:
        found = {path: running.gateway.client.get(path).status_code for path in paths}
        row = dict.fromkeys(kinds.NUMBERS, 1.0)
        found["another endpoint"] = running.gateway.predict([row], "linear").status_code
        assert not any(future.done() for future in slow)
    assert {**dict.fromkeys(paths, 200), "another endpoint": 200} == found


def test_however_many_requests_wait_for_one_slow_model_another_one_answers(running: Running) -> None:
    with running.busy("loner", 16, 700) as slow:
        assert 200 == running.ask("narrow").status_code
        assert not any(future.done() for future in slow)
        assert [200] * 16 == [future.result().status_code for future in slow]


@pytest.mark.parametrize("form", ["with its length told", "in parts"])
def test_a_body_that_is_too_large_is_refused_and_is_a_row(running: Running, form: str) -> None:
    body = ROW + b" " * (MIB + 1 - len(ROW))
    parts = (body[start : start + 65536] for start in range(0, len(body), 65536))
    response = running.send(parts if form == "in parts" else body)
    assert (413, "too_large", "The body is over 1 MiB", "Send fewer rows per request") == _refusal(response)
    row = running.rows("narrow")[response.json()["error"]["request_id"]][0]
    assert (413, "too_large", None, 0) == (row["status"], row["error_code"], row["prediction"], row["row_index"])


@pytest.mark.parametrize("form", ["with its length told", "in parts"])
def test_a_body_that_is_as_large_as_allowed_is_answered(running: Running, form: str) -> None:
    body = ROW + b" " * (MIB - len(ROW))
    parts = (body[start : start + 65536] for start in range(0, len(body), 65536))
    assert 200 == running.send(parts if form == "in parts" else body).status_code


@pytest.mark.parametrize(
    "start",
    [b"content-length: 1000\r\n\r\n" + ROW, b"transfer-encoding: chunked\r\n\r\n5\r\n" + ROW[:5] + b"\r\n"],
    ids=["with its length told", "in parts"],
)
def test_a_caller_who_leaves_in_the_middle_of_a_body_leaves_no_row(running: Running, start: bytes) -> None:
    before = len(running.rows("narrow"))
    url = running.gateway.client.base_url
    with socket.create_connection((url.host, url.port)) as caller:
        caller.sendall(b"POST /endpoints/narrow/invocations HTTP/1.1\r\nhost: localhost\r\n" + start)
        assert 200 == running.ask("narrow").status_code
    for _ in range(3):
        assert 200 == running.ask("narrow").status_code
    assert before + 4 == len(running.rows("narrow"))


def test_a_request_that_nobody_waits_for_any_more_costs_the_model_nothing() -> None:
    asked: list[int] = []

    def predict(columns: dict[str, list[Any]]) -> Any:
        asked.append(columns["wait"][0])
        time.sleep(0.05)
        return np.zeros(1)

    async def leave() -> None:
        batcher = Batcher(Model(_VERSION, PredictionPath(predict, "mlflow", None, None), _SPEC))
        futures = [batcher.submit(Rows({"wait": [number]}, 1)) for number in range(20)]
        for future in futures[12:]:
            future.cancel()
        await asyncio.gather(*futures[:12])

    asyncio.run(leave())
    assert list(range(12)) == sorted(asked)


_SPEC = EndpointSpec("slow", "slow", "regression", kinds.LABEL)
_VERSION = kinds.version_of("slow", "1")
