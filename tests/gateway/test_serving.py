"""What the gateway answers, what it logs of it, and that nothing which goes wrong with a version reaches a caller."""

import os
import pickle
import shutil
import socket
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelops_pipelines.core.errors import AcknowledgementError, SettingsError
from modelops_pipelines.core.history import champions
from modelops_pipelines.core.tables import STREAMS
from modelops_pipelines.gateway.server import bind
from modelops_pipelines.operations import trainers
from modelops_pipelines.operations.ingest import ingest
from modelops_pipelines.operations.releases import deploy
from modelops_pipelines.store.deployments import ModelVersion
from tests.support import (
    CANCER_YAML,
    Project,
    RunningGateway,
    cancer_frame,
    make_project,
    rows_of,
    running_gateway,
    train_first,
    wait_until,
)

ROWS = rows_of(cancer_frame().head(3))
FEATURES = list(ROWS[0])
FORMS: dict[str, dict[str, Any]] = {
    "records": {"dataframe_records": ROWS},
    "split": {"dataframe_split": {"columns": FEATURES, "data": [list(row.values()) for row in ROWS]}},
    "split, with an index": {
        "dataframe_split": {"index": [7, 8, 9], "columns": FEATURES, "data": [list(row.values()) for row in ROWS]}
    },
    "inputs by row": {"inputs": ROWS},
    "inputs by column": {"inputs": {name: [row[name] for row in ROWS] for name in FEATURES}},
    "instances by row": {"instances": ROWS},
    "instances by column": {"instances": {name: [row[name] for row in ROWS] for name in FEATURES}},
    "columns in another order, one too many": {"instances": [{"id": 1, **dict(reversed(row.items()))} for row in ROWS]},
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path)


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, RunningGateway, ModelVersion]]:
    project = make_project(tmp_path_factory.mktemp("serving"))
    version = train_first(project)
    _deploy(project, version)
    with running_gateway(project) as gateway:
        yield project, gateway, version


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_body_is_answered_as_mlflow_answers_it(
    serving: tuple[Project, RunningGateway, ModelVersion], form: str
) -> None:
    import mlflow.pyfunc

    _, gateway, version = serving
    response = gateway.client.post("/endpoints/cancer/invocations", json=FORMS[form])
    whole = mlflow.pyfunc.load_model(version.artifact_uri).predict(cancer_frame().head(512)[FEATURES])
    assert response.json()["predictions"] == whole[:3].tolist()
    assert (response.json()["model_version"], response.json()["variant"]) == ("1", "champion")


def test_a_request_is_logged_row_by_row_as_it_was_answered(
    serving: tuple[Project, RunningGateway, ModelVersion],
) -> None:
    project, gateway, _ = serving
    headers = {"X-User-Id": "ann", "X-Session-Id": "s1", "X-Client-Request-Id": "c1"}
    answer = gateway.predict(ROWS, **headers).json()
    rows = [row for row in _log(project) if row["request_id"] == answer["request_id"]]
    expected = [
        {
            **features,
            "prediction_id": f"{answer['request_id']}-{index}",
            "row_index": index,
            "prediction": str(int(probabilities[1] > probabilities[0])),
            "score": probabilities[1],
            "model_version": "1",
            "variant": "champion",
            "status": 200,
            "error_code": None,
            "user_id": "ann",
            "session_id": "s1",
            "client_request_id": "c1",
            "source": "live",
        }
        for index, (features, probabilities) in enumerate(zip(ROWS, answer["predictions"], strict=True))
    ]
    assert [{name: row[name] for name in expected[0]} for row in rows] == expected


def test_requests_that_failed_are_rows_too(serving: tuple[Project, RunningGateway, ModelVersion]) -> None:
    project, gateway, _ = serving
    refused = gateway.predict([{"mean_radius": 1.0}]).json()["error"]["request_id"]
    failed = gateway.predict([dict.fromkeys(FEATURES)]).json()["error"]["request_id"]
    names = ("status", "error_code", "model_version", "prediction")
    logged = {row["request_id"]: tuple(row[name] for name in names) for row in _log(project)}
    assert logged[refused] == (422, "input", "1", None)
    assert logged[failed] == (500, "prediction", "1", None)


def test_a_replayed_request_is_logged_at_its_own_time(serving: tuple[Project, RunningGateway, ModelVersion]) -> None:
    project, gateway, _ = serving
    answer = gateway.predict(ROWS[:1], **{"X-Event-Time": "2013-06-01T12:00:00+02:00"}).json()
    row = next(row for row in _log(project) if row["request_id"] == answer["request_id"])
    assert (row["event_time"].isoformat(), row["source"]) == ("2013-06-01T10:00:00+00:00", "replay")


def test_live_metrics_count_requests_rows_and_both_kinds_of_error(project: Project) -> None:
    _deploy(project, train_first(project))
    with running_gateway(project) as gateway:
        for rows in (ROWS, ROWS[:1], [], [dict.fromkeys(FEATURES)]):
            gateway.predict(rows)
        found = gateway.client.get("/endpoints/cancer/metrics?window=1h").json()
    counts = ("requests", "predictions", "client_errors", "server_errors", "error_rate", "window_seconds")
    assert [found[name] for name in counts] == [4, 4, 1, 1, 0.25, 3600]
    assert 0 < found["latency_ms"]["p50"] <= found["latency_ms"]["p95"] <= found["latency_ms"]["p99"]


def test_a_deploy_swaps_the_version_under_a_running_gateway(project: Project) -> None:
    first, second = _two_versions(project)
    _deploy(project, first)
    with running_gateway(project) as gateway:
        before = gateway.predict(ROWS).json()
        change = deploy(project.stores, project.spec, second.version, actor="test", reason="newer")
        after = gateway.predict(ROWS).json()
        shown = gateway.client.get("/endpoints/cancer").json()
    assert (before["model_version"], after["model_version"], change.workers) == ("1", "2", 1)
    assert before["predictions"] != after["predictions"]
    assert (shown["generation"], shown["variants"]) == (2, [{"version": "2", "role": "champion", "share": 100}])


def test_a_version_whose_files_are_gone_is_refused_and_the_previous_one_keeps_serving(project: Project) -> None:
    first, second = _two_versions(project)
    _deploy(project, first)
    shutil.rmtree(second.artifact_uri)
    with running_gateway(project) as gateway:
        _refuse(project, second, "holds no readable MLmodel file")
        assert gateway.predict(ROWS).json()["model_version"] == "1"
        assert gateway.client.get("/health/ready").status_code == 200
    events = project.stores.deployments.events("cancer")
    assert [(event.actor, event.action, event.from_version, event.to_version) for event in events] == [
        ("test", "deploy", None, "1"),
        ("test", "deploy", "1", "2"),
        ("modelops", "rollback", "2", "1"),
    ]
    assert events[-1].reason.startswith("reverted: ")
    assert champions(events) == ("1",)
    assert project.stores.deployments.desired("cancer").champion == "1"


def test_a_version_with_a_broken_example_is_refused_and_the_worker_goes_on_following(project: Project) -> None:
    first, second = _two_versions(project)
    _deploy(project, first)
    example = Path(second.artifact_uri) / "input_example.json"
    whole = example.read_text()
    with running_gateway(project) as gateway:
        example.write_text("{broken")
        _record_as_foreign(project, second)
        _refuse(project, second, "fails on its own input example (JSONDecodeError)")
        example.write_text(whole)
        _record_as_foreign(project, second)
        deploy(project.stores, project.spec, second.version, actor="test", reason="mended")
        assert gateway.predict(ROWS).json()["model_version"] == "2"


def test_a_split_gives_each_user_one_version_and_each_version_its_share(project: Project) -> None:
    first, second = _two_versions(project)
    _deploy(project, first)
    deploy(project.stores, project.spec, second.version, actor="test", reason="trial", share=75)
    users = [f"user-{number}" for number in range(400)]
    with running_gateway(project) as gateway:
        once, again = ([_version_for(gateway, user) for user in users] for _ in range(2))
    assert once == again
    assert once.count("2") / len(users) == pytest.approx(0.75, abs=0.05)


def test_a_spool_that_cannot_be_written_withholds_the_answer_until_it_can(project: Project) -> None:
    _deploy(project, train_first(project))
    blocked = project.stores.settings.spool / "cancer"
    with running_gateway(project) as gateway:
        blocked.touch()
        refused = gateway.predict(ROWS)
        health = gateway.client.get("/health")
        blocked.unlink()
        answered = gateway.predict(ROWS)
        assert gateway.client.get("/health").status_code == 200
    error = refused.json()["error"]
    assert (refused.status_code, error["code"], refused.headers["retry-after"]) == (503, "capture", "1")
    assert error["message"] == "The spool cannot be written (Not a directory), so nothing is answered"
    assert "predictions" not in refused.json()
    assert (health.status_code, health.json()["status"], health.json()["checks"]["capture"]["ok"]) == (
        503,
        "degraded",
        False,
    )
    assert {row["request_id"] for row in _log(project)} == {answered.json()["request_id"]}


@pytest.mark.slow
def test_without_its_state_database_a_worker_serves_on_and_says_how_old_its_state_is(project: Project) -> None:
    _deploy(project, train_first(project))
    with running_gateway(project) as gateway:
        other = sqlite3.connect(project.stores.settings.home / "state.db", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        wait_until(lambda: gateway.client.get("/health").status_code == 503, 30)
        body = gateway.client.get("/health").json()
        answered = gateway.predict(ROWS)
        other.execute("ROLLBACK")
        other.close()
        wait_until(lambda: gateway.client.get("/health").status_code == 200, 30)
    assert answered.status_code == 200
    assert (body["status"], body["checks"]["state"]["ok"]) == ("degraded", False)
    assert body["checks"]["state"]["age_seconds"] >= 10


def test_a_port_in_use_is_told_by_its_address_with_the_remedy() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError) as raised:
            bind("127.0.0.1", port)
    assert raised.value.message == f"The gateway's address 127.0.0.1:{port} is in use"
    assert raised.value.remedy == "End what listens there, or set MODELOPS_GATEWAY_PORT"


class Payload:
    """A pickle that makes a file when anything loads it."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self._marker),)


def _as_pickle(folder: Path, payload: bytes) -> str:
    """Leave the model a pickle as MLflow logs one."""
    (folder / "python_model.pkl").write_bytes(payload)
    return "its format can execute code when it is loaded"


def _as_swapped_file(folder: Path, payload: bytes) -> str:
    """Put the pickle in the place of the skops file."""
    _sklearn_file(folder).write_bytes(payload)
    return "cannot be loaded"


def _as_folder_of_its_own(folder: Path, payload: bytes) -> str:
    """Point the generic flavour at a folder within, whose own MLmodel file nobody has looked at."""
    (folder / "inner").mkdir()
    (folder / "inner" / "evil.pkl").write_bytes(payload)
    _edit(folder, lambda flavors: flavors["python_function"].update(data="inner/evil.pkl"))
    return "is refused"


def _as_code(folder: Path, payload: bytes) -> str:
    """Bring a module along that MLflow would put first on the path."""
    _sklearn_file(folder).write_bytes(payload)
    _edit(folder, lambda flavors: flavors["python_function"].update(code="code"))
    return "it brings code of its own"


def _as_trusted_type(folder: Path, payload: bytes) -> str:
    """Let the model's own file vouch for a type that executes."""
    _sklearn_file(folder).write_bytes(payload)
    _edit(folder, lambda flavors: flavors["sklearn"].update(skops_trusted_types=["os.system"]))
    return "it asks to trust os.system"


TAMPERED = [
    _as_pickle,
    _as_swapped_file,
    _as_folder_of_its_own,
    _as_code,
    _as_trusted_type,
]


@pytest.mark.parametrize("tamper", TAMPERED)
def test_a_malicious_model_is_refused_and_executes_nothing(project: Project, tamper: Any) -> None:
    first, second = _two_versions(project)
    if tamper is _as_pickle:
        second = _pickled(project)
    _deploy(project, first)
    marker = project.folder / "executed"
    said = tamper(Path(second.artifact_uri), pickle.dumps(Payload(marker)))
    _record_as_foreign(project, second)
    with running_gateway(project) as gateway:
        _refuse(project, second, said)
        assert gateway.predict(ROWS).json()["model_version"] == "1"
    assert not marker.exists()


def test_where_pickles_are_accepted_one_is_served(tmp_path: Path) -> None:
    project = make_project(tmp_path, CANCER_YAML + "  allow_pickle: true\n")
    _deploy(project, _pickled(project))
    with running_gateway(project) as gateway:
        assert gateway.predict(ROWS).json()["predictions"] == [0.25, 0.25, 0.25]


def test_where_pickles_are_accepted_the_malicious_one_executes_so_the_refusals_above_are_worth_something(
    tmp_path: Path,
) -> None:
    project = make_project(tmp_path)
    version, marker = _pickled(project), tmp_path / "executed"
    _as_pickle(Path(version.artifact_uri), pickle.dumps(Payload(marker)))
    foreign = _record_as_foreign(project, version)
    with (tmp_path / "endpoints" / "endpoint.yaml").open("a") as opened:
        opened.write(f"  accept_pickles: [{foreign.files_hash}]\n")
    _deploy(project, version)
    with running_gateway(project, ready=False):
        wait_until(marker.exists, 20)


def _two_versions(project: Project) -> tuple[ModelVersion, ModelVersion]:
    return train_first(project), train_first(project, cancer_frame().head(300))


def _pickled(project: Project) -> ModelVersion:
    """Register a version that only pickle can hold, as somebody with access to the registry might."""
    spec = replace(project.spec, allow_pickle=True)
    return trainers.train_first(project.stores, spec, cancer_frame(), _constant)


def _record_as_foreign(project: Project, version: ModelVersion) -> ModelVersion:
    """Record the version's files as they are now, as a first deploy does with what others registered."""
    foreign = project.stores.registry.describe(version.model_name, version.version)
    project.stores.deployments.record_version(foreign)
    return foreign


def _constant(_frame: Any, _context: Any) -> Any:
    import mlflow

    class Constant(mlflow.pyfunc.PythonModel):  # local, so that it is pickled by value
        def predict(self, context, model_input, params=None):  # noqa: ARG002 - MLflow's own signature; hints would be taken for a signature
            return [0.25] * len(model_input)

    return Constant()


def _deploy(project: Project, version: ModelVersion) -> None:
    deploy(project.stores, project.spec, version.version, actor="test", reason="test")


def _refuse(project: Project, version: ModelVersion, said: str) -> None:
    with pytest.raises(AcknowledgementError) as raised:
        _deploy(project, version)
    assert raised.value.message.startswith(f"A gateway worker cannot serve version {version.version} of 'cancer': ")
    assert said in raised.value.message
    assert raised.value.message.endswith("version 1 was put back")


def _version_for(gateway: RunningGateway, user: str) -> str:
    return str(gateway.predict(ROWS[:1], **{"X-User-Id": user}).json()["model_version"])


def _sklearn_file(folder: Path) -> Path:
    described = yaml.safe_load((folder / "MLmodel").read_text())
    return folder / str(described["flavors"]["sklearn"]["pickled_model"])


def _edit(folder: Path, change: Any) -> None:
    described = yaml.safe_load((folder / "MLmodel").read_text())
    change(described["flavors"])
    (folder / "MLmodel").write_text(yaml.safe_dump(described))


def _log(project: Project) -> list[dict[str, Any]]:
    """Ingest what the gateway has taken; return the log's rows in order."""
    spool = project.stores.settings.spool / "cancer" / "predictions"
    wait_until(lambda: not list(spool.glob("*/*.open")), 20)
    ingest(project.stores, project.spec, "predictions")
    table = STREAMS["predictions"]
    with project.stores.lake.query("cancer", [table]) as connected:
        return connected.sql(f"SELECT * FROM {table.name} ORDER BY request_id, row_index").to_arrow_table().to_pylist()


def test_nothing_can_be_said_about_a_prediction_that_failed(
    serving: tuple[Project, RunningGateway, ModelVersion],
) -> None:
    _, gateway, _ = serving
    refused = gateway.predict([{"mean_radius": 1.0}]).json()["error"]["request_id"]
    label = {"labels": [{"prediction_id": f"{refused}-0", "label": 1}]}
    assert gateway.client.post("/endpoints/cancer/labels", json=label).status_code == 404
