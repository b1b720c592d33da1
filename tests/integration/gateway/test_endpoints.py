"""What the gateway tells of an endpoint, and of its newest requests."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pyarrow as pa
import pytest

from modelops_pipelines.core.tables.lake import QUALITY_METRICS
from modelops_pipelines.operations.release.commands import deploy, roll_back
from modelops_pipelines.store.lake.arrow_schemas import arrow_schema
from modelops_pipelines.store.state.improve.gates import Gate
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from tests.fakes.model_kinds import add_endpoint, echo, put_live_as_it_is, typed
from tests.support.captured_log import take_in
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import Project, cancer_frame, make_project, rows_of, train_first

E = "/endpoints/cancer"
HOUR = datetime(2026, 3, 1, 22, tzinfo=UTC)
LATER = HOUR + timedelta(hours=1)
NUMBERS = {"reason": "better", "improvement": 0.1, "lower_bound": None}
MOMENT = "2026-01-31T12:00:00Z"


@dataclass
class Information:
    """A gateway whose endpoint ``cancer`` has a past, and ``typed`` features of every type."""

    gateway: RunningGateway
    project: Project
    versions: list[ModelVersion]

    def get(self, path: str, **query: Any) -> httpx.Response:
        return self.gateway.client.get(path, params=query)


@pytest.fixture(scope="module")
def information(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Information]:
    project = make_project(tmp_path_factory.mktemp("information") / "project")
    spec = add_endpoint(project, "typed", "  allow_pickle: true\n", task="multiclass")
    put_live_as_it_is(project, spec, typed(), echo())
    add_endpoint(project, "idle")
    versions = [train_first(project, cancer_frame().head(rows)) for rows in (569, 300, 400)]
    for version, actor in zip(versions, ("ann", "bob", "eve"), strict=True):
        deploy(project.stores, project.spec, version.version, actor=actor, reason=f"by {actor}", force=True)
    deploy(project.stores, project.spec, "1", share=20, actor="bob", reason="a trial")
    for reason in ("no trial", "it drifts"):
        roll_back(project.stores, project.spec, actor="ann", reason=reason)
    project.stores.gates.record(Gate("cancer", "2", "1", "d", "g", "fail", {}, HOUR))
    project.stores.gates.record(Gate("cancer", "2", "1", "e", "g", "pass", NUMBERS, LATER))
    project.stores.gates.record(Gate("cancer", "3", "2", "e", "g", "fail", {}, LATER + timedelta(hours=1)))
    write_quality(project)
    with running_gateway(project) as gateway:
        yield Information(gateway, project, versions)


def write_quality(project: Project) -> None:
    windows = [(HOUR, "2", 5), (LATER, "2", 7), (LATER, "3", 9), (LATER + timedelta(hours=1), "2", 0)]
    rows = [
        {"window_start": start, "model_version": version, "predictions": 10, "labelled": labelled, "accuracy": 0.9}
        | {"coverage": labelled / 10, "feedback": 0, "complaints": 0, "date": start.date()}
        for start, version, labelled in windows
    ]
    table = pa.Table.from_pylist(rows, schema=arrow_schema(QUALITY_METRICS))
    project.stores.writer.replace_windows("cancer", QUALITY_METRICS, table, sorted({start for start, _, _ in windows}))


# What an endpoint is


def test_an_endpoint_tells_what_its_champion_is_and_how_it_is_served(information: Information) -> None:
    shown = information.get(E).json()
    version = information.versions[1]
    assert (shown["version"], shown["output"], shown["classes"]) == ("2", "probabilities", ["0", "1"])
    assert (shown["training_set"], shown["inputs"]) == (version.training_set, version.inputs)
    assert shown["variants"] == [{"version": "2", "role": "champion", "share": 100}]
    assert shown["way"] == {
        "path": "array",
        "merged_rows": 2048,
        "probe_ms": shown["way"]["probe_ms"],
        "own_process": False,
        "isolation": None,
    }
    assert shown["way"]["probe_ms"] > 0


def test_an_endpoint_tells_its_champions_the_newest_first(information: Information) -> None:
    shown = information.get(E).json()["champions"]
    expected = [
        ("2", "ann", "rollback", "it drifts"),
        ("3", "eve", "deploy", "by eve"),
        ("2", "bob", "deploy", "by bob"),
        ("1", "ann", "deploy", "by ann"),
    ]
    assert expected == [(one["version"], one["actor"], one["action"], one["reason"]) for one in shown]
    assert [one["since"] for one in shown] == sorted((one["since"] for one in shown), reverse=True)


def test_an_endpoint_tells_the_champion_s_newest_verdict_and_its_newest_labelled_window(
    information: Information,
) -> None:
    shown = information.get(E).json()
    assert shown["evaluation"] == {"verdict": "pass", "champion": "1", "at": "2026-03-01T23:00:00Z", "numbers": NUMBERS}
    assert (shown["quality"]["window_start"], shown["quality"]["labelled"]) == ("2026-03-01T23:00:00Z", 7)
    assert (shown["quality"]["accuracy"], shown["quality"]["auc"]) == (0.9, None)


def test_an_endpoint_that_serves_nothing_tells_so_by_null(information: Information) -> None:
    shown = information.get("/endpoints/idle").json()
    names = ("version", "output", "way", "evaluation", "quality", "inputs", "training_set")
    assert {name: shown[name] for name in names} == dict.fromkeys(names)
    assert (shown["champions"], shown["variants"]) == ([], [])


@pytest.mark.parametrize("path", ["", "/example", "/logs", "/metrics"])
def test_an_endpoint_that_is_none_is_unknown(information: Information, path: str) -> None:
    answer = information.get(f"/endpoints/nobody{path}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown")


@pytest.mark.parametrize("endpoint", ["cancer", "typed"])
def test_the_example_is_a_body_that_is_answered(information: Information, endpoint: str) -> None:
    body = information.get(f"/endpoints/{endpoint}/example").json()
    answer = information.gateway.client.post(f"/endpoints/{endpoint}/invocations", json=body)
    assert (answer.status_code, len(answer.json()["predictions"])) == (200, 1)


def test_an_endpoint_that_serves_nothing_has_no_example(information: Information) -> None:
    answer = information.get("/endpoints/idle/example")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_ready")
    assert answer.headers["retry-after"] == "1"


def test_only_the_last_twenty_champions_are_told(information: Information) -> None:
    spec = information.project.spec
    for number in range(22):
        deploy(information.project.stores, spec, "13"[number % 2], actor="ann", reason=str(number), force=True)
    assert [str(number) for number in range(21, 1, -1)] == [
        one["reason"] for one in information.get(E).json()["champions"]
    ]


# What it was asked lately


def test_a_request_is_in_the_log_as_soon_as_it_is_answered_and_stays_there(information: Information) -> None:
    [row] = rows_of(cancer_frame().head(1))
    answer = information.gateway.predict([row, row], **{"X-User-Id": "ann", "X-Session-Id": "s"}).json()
    found = information.get(f"{E}/logs", user="ann").json()
    assert [f"{answer['request_id']}-{number}" for number in (0, 1)] == [one["prediction_id"] for one in found["rows"]]
    assert all(one["features"] == row for one in found["rows"])
    assert (found["endpoint"], found["ingested_up_to"], found["complete"]) == ("cancer", None, True)
    take_in(information.project, information.project.spec)
    later = information.get(f"{E}/logs", user="ann").json()
    assert later["rows"] == found["rows"]
    assert later["ingested_up_to"][:22] == found["rows"][0]["received_at"][:22]


def test_a_refused_request_is_found_by_its_status_and_its_id(information: Information) -> None:
    request = information.gateway.client.post(f"{E}/invocations", json={"inputs": {}}).json()["error"]["request_id"]
    [row] = information.get(f"{E}/logs", request_id=request, status="error").json()["rows"]
    assert (row["status"], row["error_code"], row["features"], row["prediction"]) == (422, "input", None, None)
    assert information.get(f"{E}/logs", request_id=request, status="ok").json()["rows"] == []
    assert request in {one["request_id"] for one in information.get(f"{E}/logs", status="error").json()["rows"]}


def test_features_of_every_type_are_shown_as_they_were_sent(information: Information) -> None:
    row = {"number": 0.5, "whole": 2**53 + 1, "flag": True, "word": "Oslo", "moment": MOMENT}
    answer = information.gateway.predict([row], "typed").json()
    [shown] = information.get("/endpoints/typed/logs", request_id=answer["request_id"]).json()["rows"]
    assert shown["features"] == row


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"limit": "0"}, "query.limit: Input should be greater than or equal to 1"),
        ({"limit": "1001"}, "query.limit: Input should be less than or equal to 1000"),
        ({"limit": "x"}, "query.limit: Input should be a valid integer, unable to parse string as an integer"),
        ({"since": "31d"}, "'31d' is not a duration of at most 30d"),
        ({"since": ""}, "'' is not a duration of at most 30d"),
        ({"status": "bad"}, "query.status: Input should be 'ok' or 'error'"),
        ({"user": "x" * 201}, "query.user: String should have at most 200 characters"),
        ({"request_id": "x"}, "'x' is not a request id"),
    ],
)
def test_what_cannot_be_asked_of_the_log_is_refused(
    information: Information, query: dict[str, str], message: str
) -> None:
    answer = information.get(f"{E}/logs", **query)
    assert (answer.status_code, answer.json()["error"]["message"]) == (422, message)
