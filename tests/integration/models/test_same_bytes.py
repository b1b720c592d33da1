"""Byte for byte: whatever form rows come in, and whoever else asks, they are answered as MLflow itself answers them."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from modelops_pipelines.store.state.release.model_versions import ModelVersion
from tests.fakes import model_kinds as kinds
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.request_forms import FORMS, answers_of

ROWS = 10_000
MOST_ROWS = 200
CONNECTIONS = 16
PICKLE = "  allow_pickle: true\n"
WAYS = {"linear": "array", "forest": "array", "by_name": "frame", "own": "mlflow"}
TRAINERS = {"linear": kinds.logistic, "forest": kinds.forest, "by_name": kinds.by_name, "own": kinds.own}
DEMEANED = "demeaned"


@dataclass
class Running:
    """One gateway that serves a version of each kind."""

    gateway: RunningGateway
    versions: dict[str, ModelVersion]

    def ask(self, kind: str, form: Any, frame: pd.DataFrame) -> list[Any]:
        """Return what the gateway answers to these rows in this form."""
        path, content_type, body = form(frame)
        response = self.gateway.client.post(
            f"/endpoints/{kind}/{path}", content=body, headers={"content-type": content_type}
        )
        assert response.status_code == 200, response.text
        return answers_of(response.json())

    def by_mlflow(self, kind: str, frame: pd.DataFrame) -> "np.ndarray[Any, Any]":
        """Return what the same version answers in MLflow's own hands, computed by one thread, as the gateway does."""
        with threadpool_limits(1):
            return np.asarray(mlflow.pyfunc.load_model(self.versions[kind].artifact_uri).predict(frame))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    project = kinds.empty_project(tmp_path_factory.mktemp("same_bytes"))
    versions = {}
    for name, trainer in {**TRAINERS, DEMEANED: kinds.demeaned}.items():
        spec = kinds.add_endpoint(project, name, PICKLE if name in ("own", DEMEANED) else "")
        frame = kinds.training(_frame(name, kinds.TRAINING_ROWS, seed=1))
        versions[name] = kinds.put_live(project, spec, frame, trainer)
    with running_gateway(project) as gateway:
        yield Running(gateway, versions)


@pytest.mark.parametrize("kind", TRAINERS)
def test_ten_thousand_rows_are_answered_as_mlflow_answers_them_all_at_once(running: Running, kind: str) -> None:
    frame = _frame(kind, ROWS, seed=2)
    whole = running.by_mlflow(kind, frame)
    requests = _cut(frame, seed=3)
    alone, together = requests[: len(requests) // 3], requests[len(requests) // 3 :]
    answered = [running.ask(kind, form, part) for form, part in alone]
    with ThreadPoolExecutor(CONNECTIONS) as callers:
        answered += callers.map(lambda request: running.ask(kind, *request), together)
    assert _bytes(whole) == _bytes([row for answers in answered for row in answers])
    assert f"version 1 of {kind}: {{'path': '{WAYS[kind]}', 'merged_rows': 2048" in running.gateway.log.read_text()


def test_a_model_that_looks_at_the_rows_beside_each_is_answered_as_mlflow_answers_each_request(
    running: Running,
) -> None:
    requests = _cut(_frame(DEMEANED, ROWS // 5, seed=4), seed=5)
    expected = [_bytes(running.by_mlflow(DEMEANED, part)) for _, part in requests]
    with ThreadPoolExecutor(CONNECTIONS) as callers:
        answered = list(callers.map(lambda request: running.ask(DEMEANED, *request), requests))
    assert expected == [_bytes(answers) for answers in answered]


def _frame(kind: str, rows: int, seed: int) -> pd.DataFrame:
    return kinds.mixed(rows, seed) if kind == "by_name" else kinds.numbers(rows, seed)


def _cut(frame: pd.DataFrame, seed: int) -> list[tuple[Any, pd.DataFrame]]:
    """Return the rows in order, cut into requests of any size, each in one of the forms."""
    draw = random.Random(seed)
    requests: list[tuple[Any, pd.DataFrame]] = []
    start = 0
    while start < len(frame):
        end = start + draw.randint(1, MOST_ROWS)
        requests.append((draw.choice(FORMS), frame.iloc[start:end]))
        start = end
    return requests


def _bytes(answers: Any) -> list[str]:
    """Return each row's answer as its bytes in hexadecimal, so that a difference is told by its row."""
    return [row.tobytes().hex() for row in np.asarray(answers, dtype=np.float64)]
