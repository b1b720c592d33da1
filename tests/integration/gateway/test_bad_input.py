"""What callers may get wrong, and what the gateway says to it. Nothing here reaches a person without a remedy."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.endpoints.load import read_endpoint
from modelops_pipelines.operations.improve.retraining import train as trainers
from modelops_pipelines.operations.release.commands import deploy
from tests.integration.gateway.bad_requests import (
    BAD_ADDRESSES,
    BAD_RESPONSES,
    BAD_ROWS,
    BAD_TIMES,
    ROW,
    Expected,
    not_made,
    records,
)
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import Project, cancer_frame, make_project, train_first
from tests.support.waiting import wait_until

SECRET = "a secret of the host that must stay here"
FRAGILE_YAML = """\
type: modelops_pipelines.ModelEndpoint
attributes:
  name: fragile
  model_name: fragile
  task: binary_classification
  label: benign
  allow_pickle: true
"""
EMPTY_YAML = FRAGILE_YAML.replace("fragile", "empty")


@dataclass
class Running:
    """The gateway of this module, its project, and predictions that labels may name."""

    gateway: RunningGateway
    project: Project
    ids: dict[str, str] = field(default_factory=dict)

    def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> Any:
        """Send a body as it is (bytes), or as JSON; '{cancer}' and '{fragile}' in it become predictions' ids."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        for name, value in self.ids.items():
            content = content.replace(f"{{{name}}}".encode(), value.encode())
        return self.gateway.client.post(
            path, content=content, headers={"content-type": "application/json", **(headers or {})}
        )


def fragile(_frame: Any, _context: Any) -> Any:
    """Return a model that raises on a negative radius, and answers text otherwise."""
    import mlflow

    class Fragile(mlflow.pyfunc.PythonModel):  # local, so that it is pickled by value
        def predict(self, context, model_input, params=None):  # noqa: ARG002 - MLflow's own signature; hints would be taken for a signature
            if (model_input["mean_radius"] < 0).any():
                raise ValueError("a secret of the host that must stay here")
            return model_input["mean_radius"].gt(15).map({True: "malignant", False: "benign"}).to_numpy()

    return Fragile()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    project = make_project(tmp_path_factory.mktemp("bad_input"))
    for name, text in (("fragile", FRAGILE_YAML), ("empty", EMPTY_YAML)):
        (project.folder / "endpoints" / f"{name}.yaml").write_text(text)
    version = train_first(project)
    deploy(project.stores, project.spec, version.version, actor="test", reason="test")
    spec = read_endpoint(project.folder / "endpoints" / "fragile.yaml")
    version = trainers.train_first(project.stores, spec, cancer_frame(), fragile)
    deploy(project.stores, spec, version.version, actor="test", reason="test")
    with running_gateway(project, ready=False) as gateway:
        running = Running(gateway, project)
        wait_until(lambda: gateway.predict([ROW], "fragile").status_code == 200, 30)
        for name in ("cancer", "fragile"):
            running.ids[name] = gateway.predict([ROW], name).json()["request_id"]
        yield running


def _check(response: Any, expected: Expected, ids: dict[str, str]) -> None:
    """Assert the one shape of errors, with exactly these values."""
    status, code, message, remedy = expected
    for name, value in ids.items():
        message = message.replace(f"{{{name}}}", value)
    error = response.json()["error"]
    number = error.pop("request_id")
    assert (response.status_code, error) == (status, {"code": code, "message": message, "remedy": remedy})
    assert list(response.json()) == ["error"]
    assert number is None or len(number) == 40
    assert response.headers["content-type"] == "application/json"
    assert not [
        word for word in ("Traceback", "site-packages", "modelops_pipelines", "/home", "/tmp") if word in response.text
    ]


@pytest.mark.parametrize("case", BAD_ROWS)
def test_bad_rows_are_refused_with_the_reason_and_the_remedy(running: Running, case: str) -> None:
    body, expected = BAD_ROWS[case]
    _check(running.post("/endpoints/cancer/invocations", body), expected, running.ids)


@pytest.mark.parametrize("case", BAD_TIMES)
def test_an_event_time_is_refused(running: Running, case: str) -> None:
    endpoint, given, message, remedy = BAD_TIMES[case]
    response = running.post(f"/endpoints/{endpoint}/invocations", records(ROW), {"X-Event-Time": given})
    _check(response, (422, "input", message, remedy), running.ids)


@pytest.mark.parametrize("case", BAD_RESPONSES)
def test_bad_labels_and_feedback_are_refused_with_the_reason_and_the_remedy(running: Running, case: str) -> None:
    path, body, expected = BAD_RESPONSES[case]
    _check(running.post(f"/endpoints/{path}", body), expected, running.ids)


@pytest.mark.parametrize("case", BAD_ADDRESSES)
def test_a_wrong_address_is_answered_in_the_same_shape(running: Running, case: str) -> None:
    method, path, expected = BAD_ADDRESSES[case]
    _check(running.gateway.client.request(method, path), expected, running.ids)


def test_a_model_that_raises_answers_500_without_its_text_and_logs_it_under_the_request_id(running: Running) -> None:
    response = running.post("/endpoints/fragile/invocations", records(ROW | {"mean_radius": -1.0}))
    expected = (500, "prediction", "Version 1 failed on this input", "See the gateway's log for this request id")
    _check(response, expected, running.ids)
    assert SECRET not in response.text
    log = running.gateway.log.read_text()
    assert response.json()["error"]["request_id"] in log
    assert f"ValueError: {SECRET}" in log


def test_a_model_refuses_nulls_that_it_cannot_take_as_a_failure_of_its_own(running: Running) -> None:
    response = running.post("/endpoints/cancer/invocations", records(dict.fromkeys(ROW)))
    expected = (500, "prediction", "Version 1 failed on this input", "See the gateway's log for this request id")
    _check(response, expected, running.ids)


def test_answers_that_are_text_come_as_text(running: Running) -> None:
    response = running.gateway.predict([ROW, ROW | {"mean_radius": 20.0}], "fragile")
    assert (response.status_code, response.json()["predictions"]) == (200, ["benign", "malignant"])


def test_an_endpoint_without_a_deployment_answers_503_and_says_when_to_try_again(running: Running) -> None:
    response = running.gateway.predict([ROW], "empty")
    message, remedy = "Endpoint 'empty' serves no version yet", "Deploy one: POST /endpoints/empty/deployments"
    remedy += ' with {"version": "VERSION"} (modelops deploy empty VERSION)'
    _check(response, (503, "not_ready", message, remedy), running.ids)
    assert response.headers["retry-after"] == "1"


def test_one_bad_label_among_good_ones_refuses_them_all(running: Running) -> None:
    prediction = running.gateway.predict([ROW]).json()["request_id"]
    labels = [{"prediction_id": f"{prediction}-0", "label": 1}, {"prediction_id": f"{prediction}-1", "label": 1}]
    response = running.post("/endpoints/cancer/labels", {"labels": labels})
    _check(response, not_made(f"{prediction}-1"), running.ids)
    assert f"{prediction}-0" not in _stored(running, "labels")


def test_the_same_feedback_twice_is_told_so_and_kept_once(running: Running) -> None:
    prediction = running.gateway.predict([ROW]).json()["request_id"]
    message = {"prediction_id": f"{prediction}-0", "thumbs": "down", "comment": "no", "corrected_label": 0}
    first = running.post("/endpoints/cancer/feedback", message)
    second = running.post("/endpoints/cancer/feedback", message)
    assert (first.status_code, second.status_code) == (202, 202)
    number = first.json()["feedback_id"]
    assert first.json() == {"feedback_id": number, "status": "recorded"}
    assert second.json() == {"feedback_id": number, "status": "already recorded"}
    assert _stored(running, "feedback").count(f"{prediction}-0") == 1


def _stored(running: Running, stream: str) -> list[str]:
    """Ingest what the gateway has taken; return the prediction ids that the lake holds."""
    from modelops_pipelines.core.tables.lake import STREAMS

    stores, spec = running.project.stores, running.project.spec
    spool = Path(stores.settings.spool) / spec.name / stream
    wait_until(lambda: not list(spool.glob("*/*.open")), 20)
    ingest(stores, spec, stream)
    with stores.lake.query(spec.name, [STREAMS[stream]]) as connected:
        return [row[0] for row in connected.execute(f"SELECT prediction_id FROM {STREAMS[stream].name}").fetchall()]
