"""Keys of teams over HTTP: whose they are, what they reach when endpoints come, move and go, and who makes them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from modelops_pipelines.core.access.api_keys import grant
from modelops_pipelines.operations.governance.api_keys import create_key
from tests.fakes.raised_alerts import raised
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import Project, make_project
from tests.support.waiting import wait_until
from tests.worlds.two_teams import yaml_of

SECONDS = 15


@dataclass
class Desk:
    """A gateway with endpoints of the teams red and blue, and an admin key of red."""

    gateway: RunningGateway
    project: Project
    keys: dict[str, str] = field(default_factory=dict)

    def ask(self, who: str, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = {"X-API-Key": self.keys.get(who, who), "Content-Type": "application/json"}
        return self.gateway.client.request(method, path, headers=headers, json=body)

    def write(self, name: str, team: str) -> None:
        (self.project.folder / "endpoints" / f"{name}.yaml").write_text(yaml_of(name, f"model_of_{name}", team))

    def names(self, who: str) -> list[str]:
        return [one["name"] for one in self.ask(who, "GET", "/endpoints").json()]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    project = make_project(tmp_path_factory.mktemp("keys") / "project", yaml_of("alpha", "alphas", "red"))
    (project.folder / "endpoints" / "betas.yaml").write_text(yaml_of("betas", "shared", "blue"))
    wanted = {
        "boss": grant("boss", ["admin"]),
        "red": grant("red", ["admin"], team="red"),
        "blue": grant("blue", ["admin"], team="blue"),
        "part": grant("part", ["admin"], endpoints=["alpha"], team="red"),
    }
    keys = {who: create_key(project.stores, one, actor="test").text for who, one in wanted.items()}
    with running_gateway(project, ready=False) as gateway:
        yield Desk(gateway, project, keys)
    project.stores.database.close()


def test_an_admin_of_a_team_makes_lists_rotates_and_revokes_the_keys_of_the_team(desk: Desk) -> None:
    body = {"name": "red service", "roles": ["predict", "read"], "team": "red", "endpoints": ["alpha"]}
    made = desk.ask("red", "POST", "/keys", body)
    assert (201, "red", ["alpha"], "red") == (
        made.status_code,
        *(made.json()[name] for name in ("team", "endpoints", "created_by")),
    )
    assert 200 == desk.ask(made.json()["key"], "GET", "/endpoints/alpha").status_code
    rotated = desk.ask("red", "POST", f"/keys/{made.json()['key_id']}/rotate", {})
    assert (201, "red", ["alpha"]) == (rotated.status_code, rotated.json()["team"], rotated.json()["endpoints"])
    ended = desk.ask("red", "DELETE", f"/keys/{rotated.json()['key_id']}")
    assert (200, "revoked") == (ended.status_code, ended.json()["status"])
    assert 401 == desk.ask(rotated.json()["key"], "GET", "/endpoints/alpha").status_code
    listed = desk.ask("red", "GET", "/keys").json()
    assert {"red"} == {one["team"] for one in listed}
    assert {made.json()["key_id"], rotated.json()["key_id"]} < {one["key_id"] for one in listed}
    assert {"red", "blue", None} == {one["team"] for one in desk.ask("boss", "GET", "/keys").json()}


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        ({}, "may not make a key for the whole gateway. Name its own team in 'team': red"),
        ({"endpoints": ["alpha"]}, "may not make a key for the whole gateway"),
        ({"team": "blue"}, "may not make a key of the team 'blue'. Name its own team in 'team': red"),
        ({"team": "green"}, "may not make a key of the team 'green'"),
        ({"team": "red", "endpoints": ["alpha", "betas"]}, "is not scoped to an endpoint 'betas'"),
        ({"team": "red", "endpoints": ["nobody"]}, "is not scoped to an endpoint 'nobody'"),
    ],
)
def test_no_key_is_made_that_reaches_further(desk: Desk, scope: dict[str, Any], said: str) -> None:
    before = desk.ask("boss", "GET", "/keys").json()
    refused = desk.ask("red", "POST", "/keys", {"name": "new", "roles": ["read"], **scope})
    error = refused.json()["error"]
    assert (403, True) == (refused.status_code, said in f"{error['message']}. {error['remedy']}"), refused.text
    assert before == desk.ask("boss", "GET", "/keys").json()


def test_an_admin_of_a_part_of_a_team_administers_no_key(desk: Desk) -> None:
    [number] = [one["key_id"] for one in desk.ask("boss", "GET", "/keys").json() if one["name"] == "part"]
    asked = [
        desk.ask("part", "GET", "/keys"),
        desk.ask("part", "POST", "/keys", {"name": "new", "roles": ["read"], "team": "red", "endpoints": ["alpha"]}),
        desk.ask("part", "POST", f"/keys/{number}/rotate", {}),
        desk.ask("part", "DELETE", f"/keys/{number}"),
    ]
    assert [403] * 4 == [one.status_code for one in asked]


def test_the_whole_gateway_makes_keys_of_teams_and_is_told_of_an_endpoint_that_is_not_the_team_s(desk: Desk) -> None:
    new = {"name": "new", "roles": ["read"]}
    assert 201 == desk.ask("boss", "POST", "/keys", {**new, "team": "team:green"}).status_code
    refused = desk.ask("boss", "POST", "/keys", {**new, "team": "blue", "endpoints": ["alpha"]})
    assert (404, True) == (refused.status_code, "The team 'blue' owns no endpoint 'alpha'" in refused.text)
    for team in ("", " ", "team:", "a\nb", "x" * 101):
        assert 422 == desk.ask("boss", "POST", "/keys", {**new, "team": team}).status_code, team


def test_a_key_follows_the_endpoints_that_come_to_its_team_move_and_go(desk: Desk) -> None:
    number = raised(desk.project.stores, "movable").id
    assert ["alpha"] == desk.names("red")
    desk.write("movable", "red")
    wait_until(lambda: desk.names("red") == ["alpha", "movable"], SECONDS)
    assert [200, 403] == [desk.ask(who, "GET", "/endpoints/movable").status_code for who in ("red", "blue")]
    assert [200, 404] == [desk.ask(who, "GET", f"/alerts/{number}").status_code for who in ("red", "blue")]
    assert (
        201
        == desk.ask(
            "red", "POST", "/keys", {"name": "new", "roles": ["read"], "team": "red", "endpoints": ["movable"]}
        ).status_code
    )
    desk.write("movable", "blue")
    wait_until(lambda: "movable" in desk.names("blue"), SECONDS)
    assert [403, 200] == [desk.ask(who, "GET", "/endpoints/movable").status_code for who in ("red", "blue")]
    assert [404, 200] == [desk.ask(who, "GET", f"/alerts/{number}").status_code for who in ("red", "blue")]
    (desk.project.folder / "endpoints" / "movable.yaml").unlink()
    wait_until(lambda: desk.names("blue") == ["betas"], SECONDS)
    there, nowhere = (desk.ask("blue", "GET", f"/endpoints/{name}") for name in ("movable", "nothing"))
    assert (403, there.text.replace("movable", "nothing")) == (nowhere.status_code, nowhere.text)
    assert [404, 404, 200] == [desk.ask(who, "GET", f"/alerts/{number}").status_code for who in ("red", "blue", "boss")]


def test_a_key_of_a_team_is_no_wider_for_an_endpoint_that_left(desk: Desk) -> None:
    desk.write("leaving", "red")
    wait_until(lambda: "leaving" in desk.names("red"), SECONDS)
    body = {"name": "for one", "roles": ["read"], "team": "red", "endpoints": ["leaving"]}
    key = desk.ask("red", "POST", "/keys", body).json()["key"]
    assert 200 == desk.ask(key, "GET", "/endpoints/leaving").status_code
    desk.write("leaving", "blue")
    wait_until(lambda: "leaving" in desk.names("blue"), SECONDS)
    assert 403 == desk.ask(key, "GET", "/endpoints/leaving").status_code
    assert [] == desk.names(key)


def test_an_unknown_endpoint_is_told_without_those_that_there_are(desk: Desk) -> None:
    answer = desk.ask("boss", "GET", "/endpoints/nothing")
    assert (404, "There is no endpoint 'nothing'") == (answer.status_code, answer.json()["error"]["message"])


def test_what_a_team_does_is_in_the_history_under_the_name_of_its_key(desk: Desk) -> None:
    number = raised(desk.project.stores, "alpha").id
    assert 200 == desk.ask("red", "POST", f"/alerts/{number}/acknowledge", {"note": "on it"}).status_code
    shown = desk.ask("red", "GET", f"/alerts/{number}").json()
    assert ("acknowledged", "red") == (shown["history"][-1]["event"], shown["history"][-1]["actor"])
