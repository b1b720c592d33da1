"""An endpoint without a model, over HTTP and the command line: what it takes, and what it refuses in words."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.capture.elsewhere.mapping import LogMapping
from modelops_pipelines.core.errors import InputError
from modelops_pipelines.core.tables.feature_columns import column_of
from modelops_pipelines.operations.capture.ingest import ingest
from tests.fakes.foreign_logs import YAML, imported, rows_of_days, stored, write_csv, write_lines
from tests.support.command_line import modelops
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import CANCER_YAML, Project, make_project
from tests.support.waiting import wait_until

E = "/endpoints/fraud"
NOW = datetime.now(UTC)
AT = (NOW - timedelta(hours=1)).isoformat()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = make_project(tmp_path_factory.mktemp("elsewhere") / "project", YAML)
    (made.folder / "endpoints" / "cancer.yaml").write_text(CANCER_YAML)
    return made


@pytest.fixture(scope="module")
def gateway(project: Project) -> Iterator[RunningGateway]:
    with running_gateway(project, ready=False) as running:
        yield running


def sent(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"http-{number}", "time": AT, "version": "v7", "prediction": "ok", **more}


def post(gateway: RunningGateway, *predictions: dict[str, Any], endpoint: str = "fraud") -> Any:
    return gateway.client.post(f"/endpoints/{endpoint}/log", json={"predictions": list(predictions)})


def take_in(project: Project, rows: int) -> None:
    """Ingest until the log has so many rows."""

    def ingested() -> bool:
        for stream in ("predictions", "labels"):
            ingest(project.stores, project.spec, stream)
        return len(stored(project)) >= rows

    wait_until(ingested, 30)


def test_predictions_are_taken_once_with_features_and_labels_and_by_file_too(
    project: Project, gateway: RunningGateway, tmp_path: Any
) -> None:
    features = {"amount": 12, "country": "de", "is_new": True, "nothing": None}
    made = [
        sent(1, features=features, score=0.25, user="ann", label="fraud", latency_ms=3),
        sent(2, probabilities={"ok": 0.2, "fraud": 0.8}, prediction=None),
        sent(3, score=0.9, prediction=None, version=None),
        sent(4, status=503, prediction=None, error="down"),
    ]
    answer = post(gateway, *made)
    assert 202 == answer.status_code, answer.text
    said = answer.json()
    assert (4, 1, None) == (said["accepted"], said["labels"], said["prediction_ids"][3])
    assert said["prediction_ids"] == post(gateway, *made).json()["prediction_ids"]
    take_in(project, 4)
    post(gateway, *made)
    ids = {one for one in said["prediction_ids"] if one}
    known = gateway.client.post(f"{E}/labels", json={"labels": [{"prediction_id": min(ids), "label": "fraud"}]})
    assert 202 == known.status_code
    rows = [{**row, "call": "http-2", "asked_at": AT} for row in rows_of_days(1, 1)]
    again = imported(project, write_csv(tmp_path / "same.csv", rows))
    assert (0, 1) == (again.predictions, again.repeated)
    take_in(project, 4)
    found = {row["client_request_id"]: row for row in stored(project)}
    assert 4 == len(found) == len(stored(project))
    one = found["http-1"]
    assert (12.0, "de", True, "ann", 3.0, 0.25) == tuple(
        one[name] for name in ("amount", "country", "is_new", "user_id", "latency_ms", "score")
    )
    assert [("fraud", 0.8), ("fraud", 0.9), (None, None)] == [
        (found[f"http-{n}"]["prediction"], found[f"http-{n}"]["score"]) for n in (2, 3, 4)
    ]
    assert ("unversioned", 503, "down") == (
        found["http-3"]["model_version"],
        found["http-4"]["status"],
        found["http-4"]["error_code"],
    )
    logs = gateway.client.get(f"{E}/logs", params={"since": "2h"}).json()["rows"]
    assert {"http-1", "http-2", "http-3", "http-4"} <= {row["client_request_id"] for row in logs}


@pytest.mark.parametrize(
    ("wrong", "status", "said"),
    [
        (sent(1, prediction="maybe"), 422, "none of the endpoint's classes"),
        (sent(1, time=(NOW + timedelta(days=1)).isoformat()), 422, "in the future"),
        (sent(1, time="yesterday"), 422, "not a time"),
        (sent(1, prediction=None), 422, "neither a prediction nor"),
        (sent(1, features={"is_fraud": 1}), 422, "is that of the label"),
        (sent(1, features={"IS_FRAUD": 1}), 422, "but for capitals"),
        (
            sent(1, features={"Amount": 1}),
            422,
            "predictions[1]: the features 'amount' and 'Amount' differ in capitals only",
        ),
        (sent(1, features={"new": 1, "NEW": 2}), 422, "predictions[1]: the features 'new' and 'NEW' differ"),
        (sent(1, features={"a\0b": 1}), 422, "is no text that can be kept"),
        (sent(1, user="a\0b"), 422, "the user is no text that can be kept"),
        (sent(1, version="a\0b"), 422, "the version is no text that can be kept"),
        (sent(1, id="a\0b"), 422, "the id is no text that can be kept"),
        (sent(1, features={"  ": 1}), 422, "is empty"),
        (sent(1, features={"amount": "many"}), 422, "is not a number"),
        (sent(1, features={"x": [1]}), 422, ""),
        (sent(1, score=1.5), 422, ""),
        (sent(1, probabilities={"ok": 1.0}), 422, "not one for each class"),
        (sent(1, unknown=1), 422, ""),
        (sent(1, label="maybe"), 422, "the label is none"),
    ],
)
def test_one_wrong_prediction_refuses_all_of_its_call_by_its_number(
    gateway: RunningGateway, project: Project, wrong: dict[str, Any], status: int, said: str
) -> None:
    post(gateway, sent(0, features={"amount": 1.0}))
    answer = post(gateway, sent(90), wrong)
    assert status == answer.status_code, answer.text
    assert said in answer.text
    assert "1" in answer.text


def test_features_that_are_called_as_columns_of_ours_are_taken_sent_and_imported(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", YAML)
    odd = {"date": "monday", "Status": 3.0, "score": 2.0, "feature:date": 1.0, 'a "b"; c.d': 4.0, "model_VERSION": 5.0}
    with running_gateway(project, ready=False) as running:
        answer = post(running, sent(1, features=odd))
        assert 202 == answer.status_code, answer.text
        take_in(project, 1)
        (row,) = running.client.get(f"{E}/logs", params={"since": "2h"}).json()["rows"]
        assert odd == row["features"]
    line = {"id": "file-1", "time": AT, "version": "v7", "prediction": "ok", **odd}
    given = LogMapping(id=("id",), time="time", prediction="prediction", features=tuple(odd), types={"Status": "float"})
    imported(project, write_lines(tmp_path / "log.jsonl", [line]), mapping=given)
    columns = {column_of(name): value for name, value in odd.items()}
    rows = stored(project)
    assert 2 == len(rows)
    for row in rows:
        assert columns == {name: row[name] for name in columns}
        assert ("ok", 200, None) == (row["prediction"], row["status"], row["score"])


def test_columns_that_differ_in_capitals_only_are_refused_and_can_be_renamed(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", YAML)
    line = {"id": "1", "time": AT, "prediction": "ok", "Amount": 1.0, "amount": 2.0}
    source, mapping = write_lines(tmp_path / "log.jsonl", [line]), LogMapping(("id",), "time", prediction="prediction")
    with pytest.raises(InputError, match="'Amount' and 'amount' differ in capitals only"):
        imported(project, source, mapping=mapping)
    renamed = replace(mapping, rename={"Amount": "net"})
    assert 1 == imported(project, source, mapping=renamed).predictions
    later = write_lines(tmp_path / "later.jsonl", [{**line, "id": "2", "NET": 1.0}])
    with pytest.raises(InputError, match="'net' and 'NET' of endpoint 'fraud' differ in capitals only"):
        imported(project, later, mapping=replace(mapping, features=("NET",)))


def test_what_needs_a_model_is_refused_in_words(gateway: RunningGateway) -> None:
    asked = gateway.client.post(f"{E}/invocations", json={"instances": [[1]]})
    assert (409, "conflict") == (asked.status_code, asked.json()["error"]["code"])
    assert "there is no model here" in asked.text
    assert 409 == gateway.client.post("/v2/models/fraud/infer", json={"inputs": []}).status_code
    for path, body in (
        ("deployments", {"version": "1", "reason": "x"}),
        ("promote", {"version": "1", "reason": "x"}),
        ("rollback", {"reason": "x"}),
        ("stop", {"reason": "x"}),
        ("evaluations", {"version": "1"}),
    ):
        answer = gateway.client.post(f"{E}/{path}", json=body)
        assert 409 == answer.status_code, f"{path}: {answer.text}"
        assert "served elsewhere" in answer.text
    assert 409 == gateway.client.get(f"{E}/example").status_code
    answer = post(gateway, sent(1), endpoint="cancer")
    assert (409, True) == (answer.status_code, "is served here" in answer.text)


def test_it_is_listed_and_described_without_a_model(gateway: RunningGateway, project: Project) -> None:
    shown = gateway.client.get(E).json()
    assert ("elsewhere", "elsewhere", None, ["ok", "fraud"]) == (
        shown["status"],
        shown["served"],
        shown["model_name"],
        shown["classes"],
    )
    for path in ("metrics", "versions", "slos", "health-score", "alert-rules", "feedback", "review"):
        assert 200 == gateway.client.get(f"{E}/{path}").status_code, path
    row = next(one for one in modelops(project, "endpoint", "list", "--json").json if one["endpoint"] == "fraud")
    assert ("elsewhere", None, None) == (row["status"], row["model"], row["problem"])
    assert "elsewhere" == modelops(project, "endpoint", "show", "fraud", "--json").json["served"]


@pytest.mark.parametrize(
    "command",
    [
        ("deploy", "fraud", "1"),
        ("promote", "fraud", "1"),
        ("rollback", "fraud"),
        ("retrain", "fraud"),
        ("evaluate", "fraud", "1"),
        ("try", "fraud"),
        ("snippet", "fraud"),
        ("endpoint", "stop", "fraud"),
        ("shadow", "start", "fraud", "1"),
    ],
    ids=" ".join,
)
def test_commands_that_need_a_model_say_that_there_is_none(project: Project, command: tuple[str, ...]) -> None:
    done = modelops(project, *command)
    assert 3 == done.code, done
    assert "served elsewhere" in done.err


def test_a_file_is_imported_by_the_command_with_a_dry_run_before(project: Project, tmp_path: Any) -> None:
    rows = rows_of_days(3)
    source = write_csv(tmp_path / "log.csv", [*rows, {**rows[0], "call": "late", "asked_at": "2999-01-01"}])
    columns = ("--id", "call", "--time", "asked_at", "--version", "model", "--prediction", "said", "--score", "chance")
    columns = (*columns, "--feature", "amount", "--label", "truth")
    preview = modelops(project, "log", "import", "fraud", str(source), *columns, "--dry-run", "--json").json
    assert (13, 1, 10, {"amount": "float"}) == (
        preview["read"],
        preview["refused"],
        len(preview["rows"]),
        {"amount": preview["features"]["amount"]},
    )
    done = modelops(project, "log", "import", "fraud", str(source), *columns)
    assert 0 == done.code, done
    assert "13 row(s) read: 12 new prediction(s), 0 stored before, 6 new label(s), 1 refused." in done.out
    assert "log.csv, row 13: the time is" in done.err
    assert (project.folder / "home" / "imports" / "fraud.refused.jsonl").read_text().count("\n") == 1
    assert "--time" in modelops(project, "log", "import", "fraud", str(source), "--id", "call").err
