"""Why and where over HTTP: the same as the operations say, page by page, with clear refusals."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.lineage_world import NOW, origin, request, serve, write_feedback, write_set, write_version
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import Project, make_project
from tests.support.waiting import wait_until

E = "/endpoints/cancer"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("lineage") / "project"
    return make_project(folder, MODELOPS_OPENLINEAGE=str(folder / "lineage.jsonl"))


@pytest.fixture(scope="module")
def feedback(project: Project) -> list[str]:
    """Return three pieces of feedback that count in the set of version 2, which is live."""
    stores, spec = project.stores, project.spec
    requests = [request(stores, spec, number) for number in range(3)]
    ids = write_feedback(stores, spec, requests)
    said: dict[str, Any] = {"key_id": "key 1", "known_at": NOW}
    rows = [
        origin(one.prediction_id(0), place, "feedback", source_id=ids[place], author="ann", **said)
        for place, one in enumerate(requests)
    ]
    write_set(stores, spec, "a" * 64, rows)
    write_version(stores, spec, "2", "a" * 64)
    serve(stores, spec, "2", "ann")
    return ids


@pytest.fixture(scope="module")
def gateway(project: Project, feedback: list[str]) -> Iterator[RunningGateway]:
    with running_gateway(project, ready=False) as running:
        yield running


def test_why_over_http_says_what_a_version_was_made_of(gateway: RunningGateway, feedback: list[str]) -> None:
    answer = gateway.client.get(f"{E}/versions/2/why")
    found = answer.json()
    assert 200 == answer.status_code, answer.text
    assert ("a" * 64, 3, NOW.date().isoformat()) == (
        found["training_set"]["content_hash"],
        found["training_set"]["rows"],
        found["registered_at"][:10],
    )
    assert (sorted(feedback), 3) == (found["feedback"]["ids"], found["feedback"]["total"])
    assert [{"name": "ann", "rows": 3}] == found["sources"]["authors"]
    assert ["champion"] == [one["role"] for one in found["live"]]
    assert "no retraining led to it" in found["unknown"]["started_by"]


def test_the_feedback_of_a_version_comes_in_pages_over_http(gateway: RunningGateway, feedback: list[str]) -> None:
    found: list[str] = []
    cursor = ""
    while cursor is not None:
        page = gateway.client.get(f"{E}/versions/2/why?limit=2" + (f"&cursor={cursor}" if cursor else "")).json()
        found += page["feedback"]["ids"]
        cursor = page["feedback"]["next_cursor"]
    assert sorted(feedback) == found


def test_where_over_http_follows_feedback_to_what_is_live(gateway: RunningGateway, feedback: list[str]) -> None:
    answer = gateway.client.get(f"{E}/feedback/{feedback[1]}/where")
    found = answer.json()
    assert 200 == answer.status_code, answer.text
    assert [("a" * 64, 1, True)] == [(one["content_hash"], one["position"], one["counts"]) for one in found["sets"]]
    assert [("2", ["champion"])] == [
        (one["version"], [placed["role"] for placed in one["live"]]) for one in found["versions"]
    ]
    assert False is found["is_deleted"]


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("versions/9/why", 404, "No version '9' of model 'tumours' is recorded here"),
        ("versions/x/why", 422, "version"),
        ("versions/2/why?limit=0", 422, "limit"),
        ("versions/2/why?cursor=", 422, "cursor"),
        ("feedback/nothing/where", 404, "has no feedback 'nothing'"),
        ("feedback/a%20b/where", 422, "feedback_id"),
    ],
)
def test_what_is_not_there_is_refused_in_words(gateway: RunningGateway, path: str, status: int, said: str) -> None:
    answer = gateway.client.get(f"{E}/{path}")
    assert (status, True) == (answer.status_code, said in answer.json()["error"]["message"]), answer.text


def test_a_gateway_sends_openlineage_events(gateway: RunningGateway, project: Project) -> None:
    file = project.folder / "lineage.jsonl"
    wait_until(lambda: file.is_file() and file.read_text().count("\n") >= 6, 120)
    jobs = [json.loads(line)["job"]["name"] for line in file.read_text().splitlines()]
    assert {"cancer.training_set", "cancer.candidate", "cancer.deploy"} == set(jobs)
