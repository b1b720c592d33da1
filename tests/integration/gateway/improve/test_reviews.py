"""The review queue over HTTP: list, take, judge, and what the reviews say."""

from collections.abc import Iterator
from typing import Any

import pytest

from modelops_pipelines.core.access.api_keys import grant
from modelops_pipelines.core.endpoints.improvement import ReviewPolicy
from modelops_pipelines.operations.governance.api_keys import create_key
from modelops_pipelines.operations.improve.review.fill_queue import fill_queue
from tests.support.gateway import RunningGateway, running_gateway
from tests.worlds.reviewed import make_reviewed

POLICY = ReviewPolicy(("random", "costly"), per_day=3, random=4, shared=1.0)
URL = "/endpoints/cancer/review"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningGateway, dict[str, str]]]:
    project, _ = make_reviewed(tmp_path_factory.mktemp("reviews") / "project", POLICY)
    fill_queue(project.stores, project.spec)
    keys = {
        name: create_key(project.stores, grant(name, ["read", "operate"]), actor="a test").text
        for name in ("ann", "bob")
    }
    with running_gateway(project, ready=False) as running:
        yield running, keys


class Client:
    """Asks as a reviewer."""

    def __init__(self, gateway: tuple[RunningGateway, dict[str, str]], who: str) -> None:
        self._client, self._headers = gateway[0].client, {"X-API-Key": gateway[1][who]}

    def get(self, path: str = "", **query: Any) -> Any:
        answer = self._client.get(URL + path, params=query, headers=self._headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, status: int = 200, **body: Any) -> Any:
        answer = self._client.post(URL + path, json=body, headers=self._headers)
        assert answer.status_code == status, answer.text
        return answer.json()


def test_items_are_listed_in_pages_by_reason_status_and_person(
    gateway: tuple[RunningGateway, dict[str, str]],
) -> None:
    ann = Client(gateway, "ann")
    everything = ann.get()["items"]
    assert {"random", "costly"} == {one["reason"] for one in everything}
    first = ann.get(limit=3)
    rest = ann.get(cursor=first["next"])
    assert everything == [*first["items"], *rest["items"]]
    assert rest["next"] is None
    assert {"costly"} == {one["reason"] for one in ann.get(reason="costly")["items"]}
    assert [] == ann.get(status="done")["items"]
    assert [] == ann.get(assignee="bob")["items"]


def test_an_item_is_taken_judged_by_two_and_done(gateway: tuple[RunningGateway, dict[str, str]]) -> None:
    ann, bob = Client(gateway, "ann"), Client(gateway, "bob")
    number = ann.get(reason="random")["items"][0]["id"]
    assert "ann" == ann.post(f"/{number}/assign", assignee="ann")["assignee"]
    assert "is assigned to 'ann'" in bob.post(f"/{number}/assign", 409, assignee="bob")["error"]["message"]
    judged = ann.post(f"/{number}", verdict="correct", label=0, note="seen")
    assert ("open", ["ann"]) == (judged["status"], [one["reviewer"] for one in judged["given"]])
    assert [] == bob.get(f"/{number}")["given"]
    assert "done" == bob.post(f"/{number}", verdict="correct", label="0")["status"]
    refused = bob.post(f"/{number}", 409, verdict="confirm")
    assert "modelops review reopen" in refused["error"]["remedy"]
    assert "open" == bob.post(f"/{number}/reopen", note="the wrong row")["status"]


def test_what_is_no_verdict_is_refused(gateway: tuple[RunningGateway, dict[str, str]]) -> None:
    ann = Client(gateway, "ann")
    number = ann.get(reason="random")["items"][-1]["id"]
    assert "not a class" in ann.post(f"/{number}", 422, verdict="correct", label="7")["error"]["message"]
    assert "needs the right label" in ann.post(f"/{number}", 422, verdict="correct")["error"]["message"]
    ann.post(f"/{number}", 422, verdict="perhaps")
    ann.post("/999999", 404, verdict="confirm")
    ann.post(f"/{number}/reopen", 409, note="not done yet")


def test_the_agreement_and_the_quality_are_shown(gateway: tuple[RunningGateway, dict[str, str]]) -> None:
    ann, bob = Client(gateway, "ann"), Client(gateway, "bob")
    for one in ann.get(reason="random")["items"]:
        ann.post(f"/{one['id']}", verdict="confirm")
        bob.post(f"/{one['id']}", verdict="confirm")
    found = ann.get("/agreement")
    assert ("accuracy", 1.0, 8, 8, 100) == tuple(
        found["quality"][name] for name in ("metric", "value", "judged", "drawn", "predictions")
    )
    assert 0 < found["quality"]["low"] < found["quality"]["high"] == 1
    assert found["agreement"]["shared"] >= 8
    assert 0 == ann.get("/agreement", version="77")["quality"]["drawn"]
