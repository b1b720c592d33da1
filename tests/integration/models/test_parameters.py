"""Parameters of a version's signature reach its model, typed and with their defaults; what it does not take is refused."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from mlflow.models import infer_signature

from modelops_pipelines.operations.release.commands import deploy
from tests.fakes import model_kinds as kinds
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import Project

FRAME = pd.DataFrame({"x": [0.25, 1.5]})
DEFAULTS = {"factor": 1.0, "unit": "m", "shifts": [0.0]}
EXAMPLE = {"factor": 4.0}
ROW = {"dataframe_records": [{"x": 0.25}]}
pytestmark = pytest.mark.filterwarnings("ignore:.*Add type hints")


def scaled() -> Any:
    """Return a model that answers x times a factor plus shifts, in a unit."""

    class Scaled(mlflow.pyfunc.PythonModel):  # local, so that it is pickled by value
        def predict(self, context, model_input, params=None):  # noqa: ARG002 - MLflow's own signature
            given = dict(params or {})
            answer = model_input["x"] * given.get("factor", 1.0) + sum(given.get("shifts", [0.0]))
            return answer * (100 if given.get("unit") == "cm" else 1)

    return Scaled()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """Return a gateway with the endpoint ``scaled``, and ``plain``, whose signature declares nothing."""
    project = kinds.empty_project(tmp_path_factory.mktemp("parameters"))
    folder = tmp_path_factory.mktemp("models")
    _put_live(project, "scaled", folder / "scaled", params=DEFAULTS, example=(FRAME, EXAMPLE))
    _put_live(project, "plain", folder / "plain", params=None, example=FRAME)
    with running_gateway(project) as running:
        yield running


@pytest.mark.parametrize(
    ("params", "answer"),
    [
        ({}, 0.25),
        (None, 0.25),
        ({"factor": 2.0}, 0.5),
        ({"factor": 2}, 0.5),
        ({"factor": 2.0, "unit": "cm"}, 50.0),
        ({"shifts": [1.0, 2.0]}, 3.25),
    ],
)
def test_parameters_reach_the_model_with_the_defaults_of_the_others(
    gateway: RunningGateway, params: Any, answer: float
) -> None:
    assert [answer] == _ask(gateway, "scaled", {**ROW, "params": params}).json()["predictions"]


def test_the_open_inference_protocol_takes_them_as_its_parameters(gateway: RunningGateway) -> None:
    tensor = {"name": "x", "shape": [1], "datatype": "FP64", "data": [0.25]}
    body = {"inputs": [tensor], "parameters": {"factor": 2.0}}
    answer = gateway.client.post("/v2/models/scaled/infer", json=body).json()
    assert [0.5] == answer["outputs"][0]["data"]
    refused = gateway.client.post("/v2/models/plain/infer", json=body)
    assert (422, "input") == (refused.status_code, refused.json()["error"]["code"])


def test_without_any_the_defaults_of_the_signature_hold(gateway: RunningGateway) -> None:
    assert [0.25] == _ask(gateway, "scaled", ROW).json()["predictions"]


@pytest.mark.parametrize(
    ("endpoint", "params", "problem", "remedy"),
    [
        ("scaled", {"facto": 2.0}, "no parameter 'facto'", "factor (double, default 1.0), unit (string, default 'm')"),
        ("scaled", {"factor": "2"}, "'factor' is '2', not of type double", "The version takes factor"),
        ("scaled", {"factor": [2.0]}, "'factor' is [2.0], not of type double", "The version takes factor"),
        ("scaled", {"shifts": 1.0}, "'shifts' is 1.0, not of type list of double", "The version takes factor"),
        ("scaled", [2.0], "'params' is not an object", "by their names"),
        ("plain", {"factor": 2.0}, "takes no parameters, and the request has 'factor'", "params={...}"),
    ],
)
def test_what_the_version_does_not_take_is_refused_with_what_it_takes(
    gateway: RunningGateway, endpoint: str, params: Any, problem: str, remedy: str
) -> None:
    response = _ask(gateway, endpoint, {**ROW, "params": params})
    error = response.json()["error"]
    assert (422, "input") == (response.status_code, error["code"])
    assert problem in error["message"]
    assert remedy in error["remedy"]


def test_the_log_keeps_a_request_s_parameters(gateway: RunningGateway) -> None:
    for params, kept in (({"factor": 2.0}, '{"factor":2.0}'), ({}, None)):
        answer = _ask(gateway, "scaled", {**ROW, "params": params}).json()
        found = gateway.client.get("/endpoints/scaled/logs", params={"request_id": answer["request_id"]}).json()
        assert [kept] == [row["request_params"] for row in found["rows"]]


def test_requests_with_different_parameters_at_once_get_their_own_answers(gateway: RunningGateway) -> None:
    factors = [float(number % 7) for number in range(200)]

    def ask(factor: float) -> float:
        body = {**ROW, "params": {"factor": factor}} if factor else ROW
        answers: list[float] = _ask(gateway, "scaled", body).json()["predictions"]
        return answers[0]

    with ThreadPoolExecutor(16) as callers:
        found = list(callers.map(ask, factors))
    assert [0.25 * (factor or 1.0) for factor in factors] == found


def test_the_example_shows_the_values_and_parameters_that_the_version_was_logged_with(gateway: RunningGateway) -> None:
    example = gateway.client.get("/endpoints/scaled/example").json()
    assert {"dataframe_records": [{"x": 0.25}], "params": EXAMPLE} == example
    assert [1.0] == _ask(gateway, "scaled", example).json()["predictions"]
    assert ROW == gateway.client.get("/endpoints/plain/example").json()


def _ask(gateway: RunningGateway, endpoint: str, body: Any) -> Any:
    return gateway.client.post(f"/endpoints/{endpoint}/invocations", json=body)


def _put_live(project: Project, name: str, folder: Path, *, params: Any, example: Any) -> None:
    spec = kinds.add_endpoint(project, name, "  allow_pickle: true\n", task="regression")
    signature = infer_signature(FRAME, pd.Series([0.5]), params=params)
    mlflow.pyfunc.save_model(
        folder, python_model=scaled(), signature=signature, input_example=example, pip_requirements=["mlflow"]
    )
    registry = project.stores.registry
    registry._ensure_model(name)
    version = str(registry._client.create_model_version(name, folder.as_uri()).version)
    project.stores.deployments.record_version(replace(registry.describe(name, version), trained_here=True))
    deploy(project.stores, spec, version, actor="test", reason="test")
