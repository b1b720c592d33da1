"""Every declared route, asked by a team with the ids of another: answered as if there were no such thing (BOLA)."""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from tests.support.team_cells import LISTS, NOTHING, PLAIN, WHOLE, Ask, Cell, cells_of, declared, without_ids
from tests.worlds.two_teams import TwoTeams, two_teams

ROUTES = declared()
OTHERS = [
    *(f"{team} {role}" for team in ("red", "nobody") for role in ("predict", "feedback", "read", "operate", "admin")),
    "red part",
    "no team",
]
"""Keys that have nothing of team blue."""
REFUSED = {403, 404, 409, 422}
VARYING = {"date", "content-length"}
OWN = {**NOTHING, "endpoint": "gamma", "version": "1"}
STEADY = (
    "/silences", "/dead-letters", "/keys", "/deployments", "/endpoints/betas/feedback",
    "/endpoints/betas/feedback/{feedback_id}/history", "/endpoints/betas/review/{item}", "/endpoints/betas/alert-rules",
    "/endpoints/betas/training-sets", "/endpoints/betas/evaluations", "/endpoints/betas/versions",
)  # fmt: skip
"""What only a caller changes."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoTeams]:
    with two_teams(tmp_path_factory.mktemp("teams") / "project") as made:
        before = seen_by_blue(made)
        yield made
        assert before == seen_by_blue(made), "something of the other team was changed"


def send(world: TwoTeams, who: str, ask: Ask) -> httpx.Response:
    return world.ask(who, ask.method, ask.path, ask.body)


def cells(*methods: str) -> list[Cell]:
    return [cell for route in ROUTES for cell in cells_of(route) if not methods or cell.method in methods]


def name_of(cell: Cell) -> str:
    return f"{cell.method} {cell.path}{' ' + cell.body if cell.body != 'null' else ''}{' own' * cell.is_own}"


def seen_by_blue(world: TwoTeams) -> dict[str, Any]:
    """Return what there is of team blue that does not change by itself."""
    alert = world.ask("blue admin", "GET", f"/alerts/{world.ids['alert']}").json()
    acts = {name: alert[name] for name in ("state", "acknowledged_by", "note", "resolved_by", "history")}
    return acts | {path: world.ask("blue admin", "GET", path.format(**world.ids)).text for path in STEADY}


def comparable(answer: httpx.Response, cell: Cell, ids: Mapping[str, str]) -> tuple[int, dict[str, str], str]:
    headers = {name: value for name, value in answer.headers.items() if name not in VARYING}
    return answer.status_code, headers, without_ids(answer.text, cell, ids)


def test_every_declared_route_has_a_cell_or_is_known_to_name_nothing() -> None:
    assert len(ROUTES) > 60
    for route in ROUTES:
        assert (cells_of(route) == []) <= (route in WHOLE | PLAIN | LISTS), route
    assert set(ROUTES) >= WHOLE | PLAIN | LISTS


ABSENT = {
    "GET /endpoints/{endpoint}/example": 503,
    "GET /endpoints/{endpoint}/ab-tests/{name}": 404,
    "GET /endpoints/{endpoint}/shadow": 409,
}
"""What the world's endpoints do not have: a version in memory, an A/B test, a shadow."""


@pytest.mark.parametrize("who", OTHERS)
@pytest.mark.parametrize("cell", cells(), ids=name_of)
def test_what_another_team_has_is_answered_as_what_nobody_has(world: TwoTeams, cell: Cell, who: str) -> None:
    theirs = send(world, who, cell.ask(world.ids))
    nobodys = send(world, who, cell.ask(world.nothing))
    assert comparable(nobodys, cell, world.nothing) == comparable(theirs, cell, world.ids)
    if cell.route not in LISTS and "?" not in cell.path:
        assert theirs.status_code in REFUSED
    if not cell.is_own and "/endpoints/" in cell.path:
        assert 403 == theirs.status_code


@pytest.mark.parametrize(
    "cell", [cell for cell in cells("GET") if not cell.is_own and cell.route not in LISTS], ids=name_of
)
def test_the_other_team_itself_is_answered_what_the_whole_gateway_is(world: TwoTeams, cell: Cell) -> None:
    """So the cells compare something with nothing, not nothing with nothing."""
    theirs, whole = (send(world, who, cell.ask(world.ids)) for who in ("blue admin", "whole admin"))
    nobodys = send(world, "whole admin", cell.ask(world.nothing))
    found = {200, ABSENT.get(cell.route, 200)}
    assert (theirs.status_code, nobodys.status_code) in {(status, 404) for status in found}, theirs.text
    assert whole.status_code == theirs.status_code


@pytest.mark.parametrize("route", sorted(LISTS))
def test_a_list_has_what_is_the_team_s_and_nothing_of_another(world: TwoTeams, route: str) -> None:
    path = route.removeprefix("GET ")
    whole, blue = (world.ask(who, "GET", path).text for who in ("whole admin", "blue admin"))
    assert [True, True] == [any(one in text for one in world.secrets) for text in (whole, blue)]
    for who in OTHERS:
        answer = world.ask(who, "GET", path)
        assert answer.status_code in {200, 403}
        assert [] == [one for one in world.secrets if one in answer.text]
    assert "blue" not in world.ask("red admin", "GET", path).text
    assert "[]" in world.ask("nobody admin", "GET", path).text.replace('"items":[]', "[]") or path == "/keys"
    assert not any(word in blue for word in ("alpha", "gamma", "red "))


@pytest.mark.parametrize("route", sorted(WHOLE))
def test_a_route_of_the_whole_gateway_is_no_team_s(world: TwoTeams, route: str) -> None:
    for who in OTHERS:
        answer = world.ask(who, "GET", route.removeprefix("GET "))
        assert 403 == answer.status_code
        assert [] == [one for one in world.secrets if one in answer.text]


@pytest.mark.parametrize("cell", [cell for cell in cells("GET") if "{endpoint}" in cell.path], ids=name_of)
def test_an_endpoint_that_shares_a_model_tells_nothing_of_the_other_one(world: TwoTeams, cell: Cell) -> None:
    answer = send(world, "red admin", Cell(cell.route, cell.method, cell.path, cell.body, is_own=False).ask(OWN))
    assert [] == [one for one in world.secrets if one in answer.text]


@pytest.mark.parametrize("path", ["/endpoints/gamma", "/endpoints/gamma/versions", "/endpoints/gamma/versions/1/why"])
def test_the_whole_gateway_is_told_of_both(world: TwoTeams, path: str) -> None:
    whole, red = (world.ask(who, "GET", path) for who in ("whole admin", "red admin"))
    assert (200, 200) == (whole.status_code, red.status_code)
    assert world.ids["content_hash"] in whole.text
    assert [] == [one for one in world.secrets if one in red.text]


def test_what_names_an_endpoint_is_asked_for_a_key_even_where_probes_need_none(world: TwoTeams) -> None:
    client = world.gateway.client
    assert 200 == client.get("/health/ready").status_code
    answers = [client.get("/health/ready", params={"endpoint": name}) for name in ("betas", "ghost")]
    assert [401, 401] == [one.status_code for one in answers]
    assert answers[0].text == answers[1].text
    for who in ("blue predict", "blue read", "whole operate"):
        assert 200 == world.ask(who, "GET", "/health/ready?endpoint=betas").status_code


def test_an_idempotency_key_of_another_team_is_a_new_one(world: TwoTeams) -> None:
    body = {"version": "1"}
    answers = [
        world.ask("red admin", "POST", "/endpoints/gamma/deployments", body, **{"Idempotency-Key": key}).json()
        for key in (world.ids["idempotency_key"], NOTHING["idempotency_key"])
    ]
    assert [False, False] == [one["changed"] for one in answers]
    assert [None, None] == [one["deployment_id"] for one in answers]


def test_a_sql_file_of_the_host_is_no_team_s(world: TwoTeams) -> None:
    rule = {"rule": {"kind": "sql", "sql": "endpoints/endpoint.yaml"}}
    for who in ("red admin", "red part", "no team"):
        answer = world.ask(who, "POST", "/endpoints/alpha/alert-rules", rule)
        assert (403, True) == (answer.status_code, "routes of the whole gateway" in answer.text)


def test_a_team_predicts_with_its_endpoints_alone(world: TwoTeams) -> None:
    row = {
        "dataframe_records": [{"mean_radius": 1.0, "mean_texture": 1.0, "mean_smoothness": 1.0, "mean_concavity": 1.0}]
    }
    asked = {
        (team, name): world.ask(f"{team} predict", "POST", f"/endpoints/{name}/invocations", row).status_code
        for team in ("red", "blue")
        for name in ("gamma", "betas")
    }
    expected = {("red", "gamma"): 200, ("red", "betas"): 403, ("blue", "gamma"): 403, ("blue", "betas"): 200}
    assert expected == asked
