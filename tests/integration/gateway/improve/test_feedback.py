"""The family of feedback's routes over HTTP, with two workers: read at once, changed by many, deleted for good."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from modelops_pipelines.core.access.api_keys import grant
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.release.commands import deploy
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.paths import ROOT
from tests.support.project import Project, cancer_frame, make_project, rows_of, train_first

E = "/endpoints/cancer"
ROWS = rows_of(cancer_frame().head(4))
ACCEPT = """
import sys
from concurrent.futures import ThreadPoolExecutor
from modelops_pipelines.operations.endpoints.lookup import endpoint_named
from modelops_pipelines.operations.improve.feedback.act_on_feedback import accept
from modelops_pipelines.store.stores import Stores

stores = Stores()
spec = endpoint_named(stores, "cancer")
with ThreadPoolExecutor(10) as threads:
    done = list(threads.map(lambda n: accept(stores, spec, sys.argv[1], f"process {n}")[1], range(20)))
print(sum(done))
"""


@dataclass
class Asked:
    """A gateway of two workers that asks for keys, and the keys of who sends feedback and who works it off."""

    project: Project
    gateway: RunningGateway
    sender: str
    operator: str
    sender_id: str

    def post(self, path: str, body: Any = None, key: str | None = None) -> httpx.Response:
        headers = {"X-API-Key": key or self.operator}
        with httpx.Client(base_url=self.gateway.client.base_url, timeout=60) as client:  # any of the workers
            return client.post(f"{E}/{path}", json={} if body is None else body, headers=headers)

    def get(self, path: str, **query: Any) -> Any:
        headers = {"X-API-Key": self.operator}
        with httpx.Client(base_url=self.gateway.client.base_url, timeout=60) as client:
            answer = client.get(f"{E}/{path}", params=query, headers=headers)
        return answer.json() if answer.status_code == 200 else (answer.status_code, answer.json()["error"]["message"])

    def delete(self, feedback_id: str) -> httpx.Response:
        return self.gateway.client.delete(f"{E}/feedback/{feedback_id}", headers={"X-API-Key": self.operator})

    def say(self, row: int = 0, **said: Any) -> str:
        """Ask for predictions and give feedback on one of them; return its id."""
        answer = self.gateway.predict(ROWS, **{"X-API-Key": self.sender})
        said = {"prediction_id": f"{answer.json()['request_id']}-{row}", **said}
        sent = self.post("feedback", said, self.sender)
        assert sent.status_code == 202, sent.text
        return str(sent.json()["feedback_id"])


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    project = make_project(tmp_path_factory.mktemp("feedback") / "project", MODELOPS_WORKERS="2")
    deploy(project.stores, project.spec, train_first(project).version, actor="test", reason="test", force=True)
    keys, now = project.stores.keys, project.stores.now()
    sender = keys.create(grant("app", ["predict"]), now=now, actor="test")
    operator = keys.create(grant("ann", ["operate"]), now=now, actor="test")
    with running_gateway(project) as gateway:
        yield Asked(project, gateway, sender.text, operator.text, sender.key.key_id)


def test_feedback_is_found_by_every_worker_as_soon_as_it_is_acknowledged(asked: Asked) -> None:
    said = {"rating": 2, "thumbs": "down", "comment": "<b>späť</b>", "categories": ["b", "a", "b"], "user_id": "u1"}
    number = asked.say(1, **said, corrected_label=0, given_at="2026-03-01T12:00:00+02:00")
    for _ in range(4):
        found = asked.get(f"feedback/{number}")
        assert {**said, "categories": ["a", "b"], "corrected_label": "0"}.items() <= found.items()
        assert ("1", "2026-03-01T10:00:00Z") == (found["model_version"], found["given_at"])
        assert asked.sender_id == found["key_id"]
        assert number == asked.get("feedback/recent", limit=1)["feedback"][0]["feedback_id"]
        assert [number] == [one["feedback_id"] for one in asked.get("feedback", text="SPÄŤ")["feedback"]]
    assert asked.get(f"feedback/{number}/history") == []


def test_the_same_feedback_is_one_by_its_content_and_categories_and_time_are_content(asked: Asked) -> None:
    answer = asked.gateway.predict(ROWS, **{"X-API-Key": asked.sender}).json()["request_id"]
    base = {"prediction_id": f"{answer}-0", "rating": 4}
    bodies = [base, base, {**base, "categories": ["x"]}, {**base, "categories": ["x", "x"]}]
    bodies += [{**base, "given_at": "2026-03-01T12:00:00Z"}, {**base, "given_at": "2026-03-01T13:00:00+01:00"}]
    numbers = [asked.post("feedback", body, asked.sender).json()["feedback_id"] for body in bodies]
    assert 3 == len(set(numbers))
    assert [numbers[0], numbers[2], numbers[4]] == [numbers[1], numbers[3], numbers[5]]
    assert 3 == len(asked.get("feedback", prediction_id=base["prediction_id"])["feedback"])


def test_flags_and_assignments_are_kept_with_who_and_what_was_before(asked: Asked) -> None:
    number = asked.say(rating=1)
    assert asked.post(f"feedback/{number}/flag", {"note": "odd"}).json()["flagged"] is True
    assert asked.post(f"feedback/{number}/assign", {"assignee": "bob"}).json()["assignee"] == "bob"
    assert asked.post(f"feedback/{number}/unflag").json()["flagged"] is False
    history = asked.get(f"feedback/{number}/history")
    assert [("flagged", "ann", "odd"), ("assigned", "ann", None), ("unflagged", "ann", None)] == [
        (one["action"], one["actor"], one["note"]) for one in history
    ]
    assert {"flagged": True, "assignee": "bob"} == history[2]["detail"]["before"]
    assert [number] == [one["feedback_id"] for one in asked.get("feedback", assignee="bob")["feedback"]]


def test_two_reviewers_who_flag_at_once_are_both_in_the_history(asked: Asked) -> None:
    number = asked.say(rating=1, comment="race")
    with ThreadPoolExecutor(8) as threads:
        ways = ["flag", "unflag"] * 8
        assert {200} == set(threads.map(lambda way: asked.post(f"feedback/{number}/{way}").status_code, ways))
    history = asked.get(f"feedback/{number}/history")
    assert 16 == len(history)
    assert (history[-1]["action"] == "flagged") == asked.get(f"feedback/{number}")["flagged"]


def test_a_hundred_conversions_at_once_from_threads_workers_and_processes_give_one_row(asked: Asked) -> None:
    before = len(asked.project.stores.accepted_feedback.of("cancer"))
    number = asked.say(2, corrected_label=1)
    environment = {**asked.project.environment, "PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-c", ACCEPT, number]
    others = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, cwd=ROOT) for _ in range(2)]
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda _: asked.post(f"feedback/{number}/to-training"), range(60)))
    outputs = [int(process.communicate(timeout=120)[0]) for process in others]
    assert {200} == {answer.status_code for answer in answers}
    by_http = sum(answer.json()["status"] == "accepted" for answer in answers)
    assert 1 == by_http + sum(outputs)
    accepted = asked.project.stores.accepted_feedback.of("cancer")
    assert [before + 1, ("1", f"{accepted[-1].prediction_id}")] == [
        len(accepted),
        (accepted[-1].label, asked.get(f"feedback/{number}")["prediction_id"]),
    ]
    assert ["accepted"] == [one["action"] for one in asked.get(f"feedback/{number}/history")]
    assert (before + 1, "already accepted") == tuple(
        asked.post(f"feedback/{number}/to-training").json()[name] for name in ("training_rows", "status")
    )


def test_the_label_is_the_one_given_or_the_corrected_one_or_with_thumbs_up_the_prediction(asked: Asked) -> None:
    praised, corrected, rated = asked.say(thumbs="up"), asked.say(corrected_label=0), asked.say(rating=1)
    predicted = asked.get(f"feedback/{praised}")["prediction"]
    assert predicted == asked.post(f"feedback/{praised}/to-training").json()["label"]
    assert "0" == asked.post(f"feedback/{corrected}/to-training").json()["label"]
    refused = asked.post(f"feedback/{rated}/to-training")
    assert (409, "conflict") == (refused.status_code, refused.json()["error"]["code"])
    assert "names no true label" in refused.json()["error"]["message"]
    assert 422 == asked.post(f"feedback/{rated}/to-training", {"label": "maybe"}).status_code
    assert "1" == asked.post(f"feedback/{rated}/to-training", {"label": True}).json()["label"]
    other = asked.post(f"feedback/{rated}/to-training", {"label": 0})
    assert (409, True) == (other.status_code, "accepted with the label '1' by ann" in other.text)


def test_deleted_feedback_is_gone_everywhere_at_once_and_stays_gone(asked: Asked) -> None:
    number = asked.say(3, rating=5, corrected_label=1, comment="to be deleted")
    asked.post(f"feedback/{number}/flag")
    asked.post(f"feedback/{number}/to-training")
    before = asked.get("feedback/stats")["feedback"]
    answers = [asked.delete(number) for _ in range(2)]
    assert ["deleted", "already deleted"] == [answer.json()["status"] for answer in answers]
    for ingested in (False, True):
        if ingested:
            ingest(asked.project.stores, asked.project.spec, "feedback")
        assert asked.get(f"feedback/{number}")[0] == 404
        assert "was deleted at" in asked.get(f"feedback/{number}")[1]
        assert [] == asked.get("feedback", text="to be deleted")["feedback"]
        assert before - 1 == asked.get("feedback/stats")["feedback"]
        assert 404 == asked.post(f"feedback/{number}/to-training", {"label": 1}).status_code
    assert number not in {one.feedback_id for one in asked.project.stores.accepted_feedback.of("cancer")}
    actions = [one["action"] for one in asked.get(f"feedback/{number}/history")]
    assert ["flagged", "accepted", "deleted"] == actions


def test_pages_by_http_follow_their_cursor(asked: Asked) -> None:
    numbers = [asked.say(rating=3, comment=f"page {n}") for n in range(5)]
    first = asked.get("feedback", text="page ", limit=2)
    second = asked.get("feedback", text="page ", limit=2, cursor=first["next"])
    third = asked.get("feedback", text="page ", limit=2, cursor=second["next"])
    assert numbers[::-1] == [one["feedback_id"] for page in (first, second, third) for one in page["feedback"]]
    assert third["next"] is None
    assert asked.get("feedback", cursor="nonsense") == (422, "'nonsense' is not a cursor")


def test_feedback_of_another_endpoint_is_not_there(asked: Asked) -> None:
    number = asked.say(rating=3)
    answer = asked.gateway.client.get(f"/endpoints/nobody/feedback/{number}", headers={"X-API-Key": asked.operator})
    assert 404 == answer.status_code


def test_who_may_only_predict_reads_no_feedback(asked: Asked) -> None:
    number = asked.say(rating=3)
    for path in ("feedback", f"feedback/{number}", "feedback/stats"):
        answer = asked.gateway.client.get(f"{E}/{path}", headers={"X-API-Key": asked.sender})
        assert 403 == answer.status_code
