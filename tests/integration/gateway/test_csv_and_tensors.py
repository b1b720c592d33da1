"""Bodies in CSV and in the Open Inference Protocol's form: what is taken, as what, and what is refused with which words."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.fakes import model_kinds as kinds
from tests.integration.gateway import bodies
from tests.support.captured_log import log_of
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import Project

PICKLE = "  allow_pickle: true\n"
NUMBERS = kinds.numbers(2, seed=1)


@dataclass
class Running:
    """A gateway with an endpoint that answers what it was given, and others that answer numbers of every shape."""

    gateway: RunningGateway
    project: Project
    specs: dict[str, Any]

    def csv(self, body: bytes, content_type: str = "text/csv") -> httpx.Response:
        return self.gateway.client.post(
            "/endpoints/echo/invocations", content=body, headers={"content-type": content_type}
        )

    def infer(self, body: Any, path: str = "/endpoints/echo/infer", **headers: str) -> httpx.Response:
        return self.gateway.client.post(path, content=bodies.as_json(body), headers=headers)


def counting(_frame: Any, _context: Any) -> Any:
    """Return a model that answers whole numbers."""
    import mlflow

    class Counting(mlflow.pyfunc.PythonModel):  # local, so that it is pickled by value
        def predict(self, context, model_input, params=None):  # noqa: ARG002 - MLflow's own signature; hints would be taken for a signature
            return (model_input["age"] // 1).astype("int64").to_numpy()

    return Counting()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    project = kinds.empty_project(tmp_path_factory.mktemp("bodies"))
    specs = {
        "echo": kinds.add_endpoint(project, "echo", PICKLE, task="multiclass"),
        "chances": kinds.add_endpoint(project, "chances"),
        "counts": kinds.add_endpoint(project, "counts", PICKLE, task="regression"),
    }
    kinds.put_live_as_it_is(project, specs["echo"], kinds.typed(), kinds.echo())
    frame = kinds.training(kinds.numbers(50, seed=2))
    kinds.put_live(project, specs["chances"], frame, kinds.logistic)
    kinds.put_live(project, specs["counts"], frame, counting)
    with running_gateway(project) as gateway:
        yield Running(gateway, project, specs)


def _check(response: httpx.Response, expected: bodies.Expected) -> None:
    error = response.json()["error"]
    assert len(error.pop("request_id")) == 40
    status, code, message, remedy = expected
    assert (status, {"code": code, "message": message, "remedy": remedy}) == (response.status_code, error)


@pytest.mark.parametrize("case", bodies.GOOD_CSV)
def test_a_csv_is_read_as_it_is_meant(running: Running, case: str) -> None:
    body, expected = bodies.GOOD_CSV[case]
    response = running.csv(body)
    assert (200, expected) == (response.status_code, response.json().get("predictions")), response.text


@pytest.mark.parametrize("content_type", ["text/csv; charset=utf-8", "Text/CSV", "application/csv"])
def test_a_csv_is_known_by_its_content_type(running: Running, content_type: str) -> None:
    body, expected = bodies.GOOD_CSV["a row"]
    assert expected == running.csv(body, content_type).json()["predictions"]


@pytest.mark.parametrize("case", bodies.BAD_CSV)
def test_a_bad_csv_is_refused_with_the_reason_and_the_remedy(running: Running, case: str) -> None:
    body, expected = bodies.BAD_CSV[case]
    _check(running.csv(body), expected)


@pytest.mark.parametrize("path", ["/endpoints/echo/infer", "/v2/models/echo/infer"])
@pytest.mark.parametrize("case", bodies.GOOD_INFER)
def test_tensors_are_read_as_they_are_meant_at_both_addresses(running: Running, case: str, path: str) -> None:
    response = running.infer(bodies.GOOD_INFER[case], path)
    body = response.json()
    number = body["parameters"]["request_id"]
    assert body == {
        "model_name": "echo",
        "model_version": "1",
        "id": number,
        "parameters": {"request_id": number, "variant": "champion"},
        "outputs": [{"name": "predictions", "shape": [2], "datatype": "BYTES", "data": bodies.ANSWERS}],
    }


@pytest.mark.parametrize("case", bodies.BAD_INFER)
def test_bad_tensors_are_refused_with_the_reason_and_the_remedy(running: Running, case: str) -> None:
    body, expected = bodies.BAD_INFER[case]
    _check(running.infer(body), expected)


def test_an_answer_of_probabilities_is_one_tensor_of_a_row_for_each(running: Running) -> None:
    body = {"inputs": [bodies.tensor("rows", NUMBERS.to_numpy().tolist(), list(NUMBERS.shape))]}
    tensor = running.infer(body, "/v2/models/chances/infer").json()["outputs"][0]
    data = tensor.pop("data")
    assert tensor == {"name": "predictions", "shape": [2, 2], "datatype": "FP64"}
    assert [1.0, 1.0] == pytest.approx([data[0] + data[1], data[2] + data[3]])


def test_an_answer_of_whole_numbers_says_that_it_is_one(running: Running) -> None:
    body = {"inputs": [bodies.tensor("rows", NUMBERS.to_numpy().tolist(), list(NUMBERS.shape))]}
    tensor = running.infer(body, "/v2/models/counts/infer").json()["outputs"][0]
    expected = [int(age // 1) for age in NUMBERS["age"]]
    assert tensor == {"name": "predictions", "shape": [2], "datatype": "INT64", "data": expected}


def test_a_callers_own_id_comes_back_and_is_logged_and_wins_over_the_header(running: Running) -> None:
    asked = {"id": "order 7", "inputs": bodies.tensors()}
    by_body = running.infer(asked, **{"X-Client-Request-Id": "another"}).json()
    by_header = running.infer({"inputs": bodies.tensors()}, **{"X-Client-Request-Id": "another"}).json()
    assert ("order 7", "another") == (by_body["id"], by_header["id"])
    logged = {row["request_id"]: row["client_request_id"] for row in log_of(running.project, running.specs["echo"])}
    given = {answer["parameters"]["request_id"]: answer["id"] for answer in (by_body, by_header)}
    assert given == {number: logged[number] for number in given}


def test_values_of_every_type_are_logged_as_they_were_sent(running: Running) -> None:
    answer = running.infer({"inputs": bodies.tensors()}).json()
    number = answer["parameters"]["request_id"]
    rows = [row for row in log_of(running.project, running.specs["echo"]) if row["request_id"] == number]
    names = ("number", "whole", "flag", "word")
    assert [(1.5, 2, True, "Oslo"), (None, 3, False, None)] == [tuple(row[name] for name in names) for row in rows]
    assert ["2026-01-31T12:00:00+00:00", None] == [row["moment"] and row["moment"].isoformat() for row in rows]
