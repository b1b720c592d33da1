"""What the gateway answers, what it logs of it, and that nothing which goes wrong with a version reaches a caller."""

import json
import shutil
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.errors import ModelError, SettingsError
from modelops_pipelines.core.release.event_log import champions
from modelops_pipelines.core.tables.lake import STREAMS
from modelops_pipelines.gateway.server import bind
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import Project, cancer_frame, make_project, rows_of, train_first
from tests.support.versions import assert_refused, deploy_version, record_as_foreign, registered_folder, two_versions
from tests.support.waiting import wait_until

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
    deploy_version(project, version)
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


def test_nothing_can_be_said_about_a_prediction_that_failed(
    serving: tuple[Project, RunningGateway, ModelVersion],
) -> None:
    _, gateway, _ = serving
    refused = gateway.predict([{"mean_radius": 1.0}]).json()["error"]["request_id"]
    label = {"labels": [{"prediction_id": f"{refused}-0", "label": 1}]}
    assert gateway.client.post("/endpoints/cancer/labels", json=label).status_code == 404


def test_a_replayed_request_is_logged_at_its_own_time(serving: tuple[Project, RunningGateway, ModelVersion]) -> None:
    project, gateway, _ = serving
    answer = gateway.predict(ROWS[:1], **{"X-Event-Time": "2013-06-01T12:00:00+02:00"}).json()
    row = next(row for row in _log(project) if row["request_id"] == answer["request_id"])
    assert (row["event_time"].isoformat(), row["source"]) == ("2013-06-01T10:00:00+00:00", "replay")


def test_live_metrics_count_requests_rows_and_both_kinds_of_error_and_no_test_call(project: Project) -> None:
    deploy_version(project, train_first(project))
    with running_gateway(project) as gateway:
        for rows in (ROWS, ROWS[:1], [], [dict.fromkeys(FEATURES)]):
            gateway.predict(rows)
            gateway.predict(rows, **{"X-Test-Call": "1"})  # is in no metric: nobody is woken by a try
        found = gateway.client.get("/endpoints/cancer/metrics?window=1h").json()
    counts = ("requests", "predictions", "client_errors", "server_errors", "error_rate", "window_seconds")
    assert [found[name] for name in counts] == [4, 4, 1, 1, 0.25, 3600]
    assert 0 < found["latency_ms"]["p50"] <= found["latency_ms"]["p95"] <= found["latency_ms"]["p99"]


def test_a_deploy_swaps_the_version_under_a_running_gateway(trained: Project) -> None:
    first, second = two_versions(trained)
    deploy_version(trained, first)
    with running_gateway(trained) as gateway:
        before = gateway.predict(ROWS).json()
        change = deploy(trained.stores, trained.spec, second.version, actor="test", reason="newer", force=True)
        after = gateway.predict(ROWS).json()
        shown = gateway.client.get("/endpoints/cancer").json()
    assert (before["model_version"], after["model_version"], change.workers) == ("1", "2", 1)
    assert before["predictions"] != after["predictions"]
    assert (shown["generation"], shown["variants"]) == (2, [{"version": "2", "role": "champion", "share": 100}])


def test_a_version_whose_files_are_gone_everywhere_is_refused_before_anything_changes(trained: Project) -> None:
    first, second = two_versions(trained)
    deploy_version(trained, first)
    shutil.rmtree(second.artifact_uri)
    shutil.rmtree(registered_folder(trained, second))
    with pytest.raises(ModelError, match="The files of version 2 of model 'tumours' cannot be read from the registry"):
        deploy_version(trained, second)
    assert trained.stores.deployments.desired("cancer").champion == "1"


def test_a_version_that_cannot_be_loaded_is_refused_and_the_previous_one_keeps_serving(trained: Project) -> None:
    first, second = two_versions(trained)
    deploy_version(trained, first)
    next(second.folder.glob("*.skops")).write_bytes(b"damaged")
    record_as_foreign(trained, second)
    with running_gateway(trained) as gateway:
        assert_refused(trained, second, "its skops file cannot be judged (BadZipFile)")
        assert gateway.predict(ROWS).json()["model_version"] == "1"
        assert gateway.client.get("/health/ready").status_code == 200
    events = trained.stores.deployments.events("cancer")
    assert [(event.actor, event.action, event.from_version, event.to_version) for event in events] == [
        ("test", "deploy", None, "1"),
        ("test", "deploy", "1", "2"),
        ("modelops", "rollback", "2", "1"),
    ]
    assert events[-1].reason.startswith("reverted: ")
    assert champions(events) == ("1",)
    assert trained.stores.deployments.desired("cancer").champion == "1"


def test_a_version_that_fails_on_its_example_is_refused_and_the_worker_goes_on_following(trained: Project) -> None:
    first, second = two_versions(trained)
    deploy_version(trained, first)
    example = Path(second.artifact_uri) / "input_example.json"
    whole = example.read_text()
    with running_gateway(trained) as gateway:
        names = json.loads(whole)["columns"]
        example.write_text(json.dumps({"columns": names, "data": [[None] * len(names)]}))
        record_as_foreign(trained, second)
        assert_refused(trained, second, "fails on its own input example (1 row): ValueError: Input … contains NaN")
        example.write_text(whole)
        record_as_foreign(trained, second)
        deploy(trained.stores, trained.spec, second.version, actor="test", reason="mended", force=True)
        assert gateway.predict(ROWS).json()["model_version"] == "2"


def test_a_split_gives_each_user_one_version_and_each_version_its_share(trained: Project) -> None:
    first, second = two_versions(trained)
    deploy_version(trained, first)
    deploy(trained.stores, trained.spec, second.version, actor="test", reason="trial", share=75)
    users = [f"user-{number}" for number in range(400)]
    with running_gateway(trained) as gateway:
        once, again = ([_version_for(gateway, user) for user in users] for _ in range(2))
    assert once == again
    assert once.count("2") / len(users) == pytest.approx(0.75, abs=0.05)


def test_a_spool_that_cannot_be_written_withholds_the_answer_until_it_can(project: Project) -> None:
    deploy_version(project, train_first(project))
    blocked = project.stores.settings.spool / "cancer"
    with running_gateway(project) as gateway:
        blocked.touch()
        refused = gateway.predict(ROWS)
        health = gateway.client.get("/health")
        blocked.unlink()
        answered = gateway.predict(ROWS)
        wait_until(lambda: gateway.client.get("/health").status_code == 200, 30)
    error = refused.json()["error"]
    assert (refused.status_code, error["code"], refused.headers["retry-after"]) == (503, "capture", "1")
    assert error["message"] == "The spool cannot be written (Not a directory), so the answer is withheld"
    assert "predictions" not in refused.json()
    assert (health.status_code, health.json()["status"], health.json()["checks"]["capture"]["ok"]) == (
        503,
        "degraded",
        False,
    )
    assert {row["request_id"] for row in _log(project)} == {answered.json()["request_id"]}


@pytest.mark.slow
def test_without_its_state_database_a_worker_serves_on_and_says_how_old_its_state_is(project: Project) -> None:
    deploy_version(project, train_first(project))
    with running_gateway(project) as gateway:
        other = sqlite3.connect(project.stores.settings.home / "state.db", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        wait_until(lambda: not gateway.client.get("/health").json()["checks"]["state"]["ok"], 30)
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
    assert raised.value.remedy == "Stop the process that listens there, or set MODELOPS_GATEWAY_PORT to a free port"


def _version_for(gateway: RunningGateway, user: str) -> str:
    return str(gateway.predict(ROWS[:1], **{"X-User-Id": user}).json()["model_version"])


def _log(project: Project) -> list[dict[str, Any]]:
    """Ingest what the gateway has taken; return the log's rows in order."""
    spool = project.stores.settings.spool / "cancer" / "predictions"
    wait_until(lambda: not list(spool.glob("*/*.open")), 20)
    ingest(project.stores, project.spec, "predictions")
    table = STREAMS["predictions"]
    with project.stores.lake.query("cancer", [table]) as connected:
        return connected.sql(f"SELECT * FROM {table.name} ORDER BY request_id, row_index").to_arrow_table().to_pylist()
