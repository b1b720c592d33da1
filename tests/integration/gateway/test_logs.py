"""What the gateway says on stderr: one JSON object a line, and nothing that a caller sent."""

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import httpx
import pytest

from modelops_pipelines.core.access.api_keys import grant
from modelops_pipelines.core.errors import AcknowledgementError
from modelops_pipelines.operations.improve.retraining import train as trainers
from modelops_pipelines.operations.release.commands import deploy
from tests.fakes import model_kinds as kinds
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import Project
from tests.support.request_forms import rows_of
from tests.support.versions import record_as_foreign

PICKLE = "  allow_pickle: true\n  limits: {body_mib: 1}\n"
FORGED = "sk_live_4710_forged"
CALLER = {"X-User-Id": "user-4711", "X-Session-Id": "session-4712", "X-Client-Request-Id": "order-4713"}
CITY, INCOME = "Atlantis-4714", 47154715.5
SECRETS = (FORGED, *CALLER.values(), CITY, "4715471", "id-4716", "path-4717")
ROW = {**rows_of(kinds.mixed(1, seed=1))[0], "age": 1.0, "city": CITY, "income": INCOME}
RAISING = ROW | {"age": -1.0}
CAUSE = "the model's own words"


@dataclass
class Running:
    """A gateway that asks for keys, a model that may raise or warn, and what it has logged."""

    gateway: RunningGateway
    project: Project
    spec: Any
    key: str

    def post(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        """Send a request full of what must not be logged; a body that is given as ``content`` goes as it is."""
        given = {"content": json.dumps(body)} if body is not None else {}
        headers = {"X-API-Key": self.key, "content-type": "application/json", **CALLER, **options.pop("headers", {})}
        return self.gateway.client.post(path, headers=headers, **given, **options)

    def lines(self) -> list[dict[str, Any]]:
        """Return the log, every line of it parsed."""
        return [json.loads(line) for line in self.gateway.log.read_text().splitlines()]


def moody(_frame: Any, _context: Any) -> Any:
    """Return a model that raises on a negative age, and warns of one over 100."""
    import mlflow

    class Moody(mlflow.pyfunc.PythonModel):  # local, so that it is pickled by value
        def predict(self, context, model_input, params=None):  # noqa: ARG002 - MLflow's own signature; hints would be taken for a signature
            import warnings

            import numpy as np

            if (model_input["age"].between(-1, -1)).any():
                raise ValueError("the model's own words")
            if (model_input["age"] == 101).any():
                warnings.warn("the model's own warning", stacklevel=1)
            return np.full(len(model_input), 0.25)

    return Moody()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    project = kinds.empty_project(tmp_path_factory.mktemp("logs"))
    spec = kinds.add_endpoint(project, "moody", PICKLE)
    frame = kinds.training(kinds.mixed(50, seed=1))
    kinds.put_live(project, spec, frame, moody)
    issued = project.stores.keys.create(grant("tests", ["admin"]), now=project.stores.now(), actor="test")
    with running_gateway(project) as gateway:
        yield Running(gateway, project, spec, issued.text)


REQUESTS: dict[str, tuple[int, str, dict[str, Any]]] = {
    "good": (200, "moody/invocations", {"body": {"instances": [ROW]}}),
    "good tensors": (
        200,
        "moody/infer",
        {
            "body": {
                "id": "id-4716",
                "inputs": [{"name": k, "shape": [1], "datatype": "x", "data": [v]} for k, v in ROW.items()],
            }
        },
    ),
    "a warning": (200, "moody/invocations", {"body": {"instances": [ROW | {"age": 101.0}]}}),
    "no JSON": (400, "moody/invocations", {"content": f'{{"instances": [{{"city": "{CITY}"'}),
    "a wrong key": (401, "moody/invocations", {"body": {"instances": [ROW]}, "headers": {"X-API-Key": FORGED}}),
    "an unknown endpoint": (404, "path-4717/invocations", {"body": {"instances": [ROW]}}),
    "an unknown route": (404, "moody/path-4717", {"body": {"instances": [ROW]}}),
    "too large": (413, "moody/invocations", {"content": f'{{"instances": ["{CITY}{" " * 2**20}"]}}'}),
    "a wrong value": (422, "moody/invocations", {"body": {"instances": [ROW | {"age": CITY}]}}),
    "a wrong label": (422, "moody/labels", {"body": {"labels": CITY}}),
    "a CSV": (422, "moody/invocations", {"content": f"city\n{CITY}", "headers": {"content-type": "text/csv"}}),
    "a model that raises": (500, "moody/invocations", {"body": {"instances": [RAISING]}}),
}


@pytest.mark.parametrize("case", REQUESTS)
def test_no_line_of_the_log_holds_what_a_caller_sent(running: Running, case: str) -> None:
    status, path, options = REQUESTS[case]
    response = running.post(f"/endpoints/{path}", **options)
    assert status == response.status_code, response.text
    told = running.gateway.log.read_text()
    assert [] == [secret for secret in (*SECRETS, running.key) if secret in told]


def test_the_search_above_would_find_what_the_model_itself_says(running: Running) -> None:
    response = running.post("/endpoints/moody/invocations", {"instances": [RAISING]})
    number = response.json()["error"]["request_id"]
    (line,) = [line for line in running.lines() if line["request_id"] == number]
    expected = ("error", "modelops.gateway", "Version 1 failed on this input", "moody")
    assert expected == (line["level"], line["logger"], line["message"], line["endpoint"])
    assert f"ValueError: {CAUSE}" in line["exception"]
    assert CAUSE not in response.text


def test_every_line_is_an_object_that_tells_when_how_bad_who_and_which_request(running: Running) -> None:
    running.post("/endpoints/moody/invocations", {"instances": [RAISING]})
    running.post("/endpoints/moody/invocations", {"instances": [ROW | {"age": 101.0}]})
    url = running.gateway.client.base_url
    with socket.create_connection((url.host, url.port)) as caller:
        caller.sendall(f"{CITY} is no HTTP\r\n\r\n".encode())
        caller.recv(1000)
    _deploy_a_broken_version(running)
    lines = running.lines()
    assert [] == [line for line in lines if not {"time", "level", "worker", "request_id", "message"} <= line.keys()]
    assert {"info", "warning", "error"} == {line["level"] for line in lines}
    assert 1 == len({line["worker"].split("/")[0] for line in lines}), "a version's process names its worker first"
    assert all(datetime.fromisoformat(line["time"]).tzinfo for line in lines)
    said = " ".join(line["message"] for line in lines)
    for expected in (
        "the model's own warning",
        "Invalid HTTP request",
        "keeps serving generation 1; generation 2 failed, next attempt in 10 s",
    ):
        assert expected in said


def _deploy_a_broken_version(running: Running) -> None:
    frame = kinds.training(kinds.mixed(30, seed=2))
    version = trainers.train_first(running.project.stores, running.spec, frame, moody)
    next(version.folder.glob("*.pkl")).write_bytes(b"damaged")
    foreign = record_as_foreign(running.project, version)
    running.project.stores.deployments.record_version(replace(foreign, trained_here=True))
    with pytest.raises(AcknowledgementError):
        deploy(running.project.stores, running.spec, version.version, actor="test", reason="test", force=True)
