"""Working with alerts over HTTP: who may do what, on whose endpoints, and under whose name."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from modelops_pipelines.core.access.api_keys import grant
from tests.fakes.raised_alerts import given_up, raised
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import CANCER_YAML, Project, make_project

OTHER_YAML = CANCER_YAML.replace("cancer", "other").replace("tumours", "others")
RULE = {"rule": {"kind": "latency", "percentile": 99, "above": 800}}


@dataclass
class Desk:
    """A gateway with keys: of an operator of all endpoints (ann), of one (bob), and of a reader (eve)."""

    gateway: RunningGateway
    project: Project
    keys: dict[str, str]

    def ask(self, method: str, path: str, who: str = "bob", body: Any = None, **headers: str) -> httpx.Response:
        given = {"X-API-Key": self.keys[who]} | headers
        return self.gateway.client.request(method, path, headers=given, json=body)

    def get(self, path: str, who: str = "bob") -> Any:
        answer = self.ask("GET", path, who)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    project = make_project(tmp_path_factory.mktemp("alerts") / "project")
    (project.folder / "endpoints" / "other.yaml").write_text(OTHER_YAML)
    store, now = project.stores.keys, project.stores.now()
    wanted = {
        "ann": grant("ann", ["operate"], "live", None),
        "bob": grant("bob", ["operate"], "live", ["cancer"]),
        "eve": grant("eve", ["read"], "live", ["cancer"]),
    }
    keys = {name: store.create(given, now=now, actor="test").text for name, given in wanted.items()}
    with running_gateway(project, ready=False) as gateway:
        yield Desk(gateway, project, keys)
    project.stores.database.close()


def test_an_alert_is_acknowledged_and_resolved_under_the_name_of_the_key(desk: Desk) -> None:
    number = raised(desk.project.stores).id
    assert "open" == desk.get(f"/alerts/{number}")["state"]
    taken = desk.ask("POST", f"/alerts/{number}/acknowledge", body={"note": "on it"}).json()
    assert ("acknowledged", "bob", "on it") == (taken["state"], taken["acknowledged_by"], taken["note"])
    assert number in [one["id"] for one in desk.get("/alerts?state=acknowledged")]
    assert 422 == desk.ask("POST", f"/alerts/{number}/resolve", body={}).status_code
    ended = desk.ask("POST", f"/alerts/{number}/resolve", "ann", {"reason": "rolled back"}).json()
    assert ("resolved", "ann", "rolled back") == (ended["state"], ended["resolved_by"], ended["resolution"])
    assert 409 == desk.ask("POST", f"/alerts/{number}/acknowledge", body={}).status_code
    shown = desk.get(f"/alerts/{number}", "eve")
    assert [("opened", None), ("acknowledged", "bob"), ("resolved", "ann")] == [
        (event["event"], event["actor"]) for event in shown["history"]
    ]
    assert number not in [one["id"] for one in desk.get("/alerts")]
    assert number in [one["id"] for one in desk.get("/alerts?state=resolved&endpoint=cancer")]


def test_a_reader_changes_nothing(desk: Desk) -> None:
    number = raised(desk.project.stores, rule="drift").id
    silence = {"matchers": {"endpoint": "cancer"}, "reason": "x", "until": "2100-01-01T00:00:00Z"}
    asked = [
        desk.ask("POST", f"/alerts/{number}/acknowledge", "eve", {}),
        desk.ask("POST", f"/alerts/{number}/resolve", "eve", {"reason": "x"}),
        desk.ask("POST", "/silences", "eve", silence),
        desk.ask("DELETE", "/silences/1", "eve"),
        desk.ask("POST", "/endpoints/cancer/alert-rules", "eve", RULE),
        desk.ask("DELETE", "/endpoints/cancer/alert-rules/x", "eve"),
        desk.ask("POST", "/dead-letters/resend", "eve", {"message_ids": ["x"]}),
    ]
    assert [403] * 7 == [answer.status_code for answer in asked]


def test_a_key_for_one_endpoint_knows_nothing_of_another_s_alerts(desk: Desk) -> None:
    number = raised(desk.project.stores, "other").id
    home = raised(desk.project.stores, "(home)", "disk_full").id
    for one in (number, home):
        answers = [
            desk.ask("GET", f"/alerts/{one}"),
            desk.ask("POST", f"/alerts/{one}/acknowledge", body={}),
            desk.ask("POST", f"/alerts/{one}/resolve", body={"reason": "x"}),
        ]
        assert [404] * 3 == [answer.status_code for answer in answers]
        assert answers[0].text == desk.ask("GET", "/alerts/999").text.replace("999", str(one))
    assert {"cancer"} >= {one["endpoint"] for one in desk.get("/alerts")}
    assert {"other", "(home)"} <= {one["endpoint"] for one in desk.get("/alerts", "ann")}
    assert [] == desk.get("/alerts?endpoint=other")


def test_a_silence_of_a_key_for_one_endpoint_names_that_endpoint_exactly(desk: Desk) -> None:
    until = {"reason": "moving house", "until": "2100-01-01T00:00:00Z"}
    for matchers in ({"rule": "drift"}, {"endpoint": "*"}, {"endpoint": "other"}, {"endpoint": "cance?"}):
        refused = desk.ask("POST", "/silences", body={"matchers": matchers, **until})
        assert (403, True) == (refused.status_code, "'endpoint'" in refused.text)
    own = desk.ask("POST", "/silences", body={"matchers": {"endpoint": "cancer"}, **until})
    assert (201, "active", "bob") == (own.status_code, own.json()["status"], own.json()["created_by"])
    others = desk.ask("POST", "/silences", "ann", {"matchers": {"endpoint": "other"}, **until}).json()
    every = desk.ask("POST", "/silences", "ann", {"matchers": {"severity": "warning"}, **until}).json()
    assert {own.json()["id"], every["id"]} == {one["id"] for one in desk.get("/silences")}
    assert {others["id"]} < {one["id"] for one in desk.get("/silences", "ann")}
    assert [404, 404, 200, 409] == [
        desk.ask("DELETE", f"/silences/{number}").status_code
        for number in (others["id"], every["id"], own.json()["id"], own.json()["id"])
    ]
    assert [own.json()["id"]] == [one["id"] for one in desk.get("/silences?status=over")]


@pytest.mark.parametrize(
    "change", [{"matchers": {}}, {"matchers": {"colour": "red"}}, {"until": "2001-01-01T00:00:00Z"}, {"until": None}]
)
def test_a_silence_that_cannot_be_is_refused(desk: Desk, change: dict[str, Any]) -> None:
    body = {"matchers": {"endpoint": "cancer"}, "reason": "x", "until": "2100-01-01T00:00:00Z"} | change
    assert 422 == desk.ask("POST", "/silences", "ann", body).status_code


def test_rules_are_made_and_removed_at_run_time(desk: Desk) -> None:
    path = "/endpoints/cancer/alert-rules"
    made = desk.ask("POST", path, body=RULE)
    assert (201, "latency_p99", 1, "bob") == (
        made.status_code, *(made.json()[name] for name in ("name", "version", "actor"))
    )  # fmt: skip
    sources = {one["rule"]: one["source"] for one in desk.get(path, "eve")}
    assert ("run time", "yaml") == (sources["latency_p99"], sources["error_rate"])
    assert 409 == desk.ask("POST", path, body={"rule": {"kind": "error_rate", "above": 0.5}}).status_code
    assert 422 == desk.ask("POST", path, body={"rule": {"kind": "latency", "colour": 1}}).status_code
    assert 403 == desk.ask("POST", path, body={"rule": {"kind": "sql", "sql": "/etc/passwd"}}).status_code
    assert (403, 409) == (
        desk.ask("POST", "/endpoints/other/alert-rules", body=RULE).status_code,
        desk.ask("DELETE", f"{path}/error_rate").status_code,
    )
    assert None is desk.ask("DELETE", f"{path}/latency_p99").json()["rule"]


def test_dead_letters_are_those_of_the_key_s_endpoints_and_are_sent_again(desk: Desk) -> None:
    given_up(desk.project.stores, raised(desk.project.stores, rule="quality"), "msg_own")
    given_up(desk.project.stores, raised(desk.project.stores, "other", "quality"), "msg_other")
    assert ["msg_own"] == [one["message_id"] for one in desk.get("/dead-letters", "eve")]
    assert {"msg_own", "msg_other"} == {one["message_id"] for one in desk.get("/dead-letters", "ann")}
    both = desk.ask("POST", "/dead-letters/resend", body={"message_ids": ["msg_own", "msg_other"]})
    assert (404, 2) == (both.status_code, len(desk.get("/dead-letters", "ann")))
    own = desk.ask("POST", "/dead-letters/resend", body={"message_ids": ["msg_own"]})
    assert {"resent": ["msg_own"]} == own.json()


def test_a_foreign_page_and_a_body_of_another_type_change_nothing(desk: Desk) -> None:
    path = f"/alerts/{raised(desk.project.stores, rule='latency_p95_ms').id}/acknowledge"
    assert 403 == desk.ask("POST", path, body={}, Origin="https://evil.example").status_code
    headers = {"X-API-Key": desk.keys["bob"], "Content-Type": "text/plain"}
    assert 415 == desk.gateway.client.post(path, headers=headers, content="{}").status_code
    assert "open" == desk.get(path.removesuffix("/acknowledge"))["state"]
