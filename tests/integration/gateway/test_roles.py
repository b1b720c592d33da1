"""Every route with every role, on its own endpoint and on another's, and with every key that is none: who may what.

The table of roles is written here by hand, so that a change of the code's own table is seen.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from modelops_pipelines.core.access.api_keys import grant
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from tests.fakes.forged_keys import STRANGER, forged
from tests.fakes.gateway_routes import ROUTES, Route
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import CANCER_YAML, Project, cancer_frame, make_project, rows_of, train_first
from tests.support.waiting import wait_until

OTHER_YAML = CANCER_YAML.replace("cancer", "other").replace("tumours", "others")
PERMITTED = {
    "predict": {"predict", "feedback"},
    "feedback": {"feedback"},
    "read": {"read"},
    "operate": {"operate", "read"},
    "admin": {"predict", "feedback", "read", "operate", "admin"},
}
SCOPES: dict[str, list[str] | None] = {"all": None, "own": ["cancer"], "another": ["other"], "a missing": ["ghost"]}
GOOD = [f"{role} on {scope} endpoint{'s' * (scope == 'all')}" for role in PERMITTED for scope in SCOPES]
BAD = ["no key", "revoked", "expired", "malformed", "unknown", "wrong"]


E = "/endpoints/cancer"
PREDICTIONS = {
    "POST /endpoints/{endpoint}/invocations", "POST /endpoints/{endpoint}/infer", "POST /v2/models/{endpoint}/infer"
}  # fmt: skip
UNREAD = {"GET /health/live", "GET /docs/static/{name}", *PREDICTIONS}
"""Routes that take any query, and use none of it."""


@dataclass
class Guarded:
    """A running gateway that asks for keys, and a key of each kind."""

    gateway: RunningGateway
    project: Project
    keys: dict[str, str | None]

    def ask(self, route: Route, key: str) -> httpx.Response:
        return self.send(route.method, route.path, self.keys[key], route.body)

    def send(self, method: str, path: str, key: str | None, body: Any = None) -> httpx.Response:
        headers = {"Content-Type": "application/json"} | ({} if key is None else {"X-API-Key": key})
        return self.gateway.client.request(method, path, headers=headers, json=body)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    project = make_project(tmp_path_factory.mktemp("roles") / "project")
    (project.folder / "endpoints" / "other.yaml").write_text(OTHER_YAML)
    keys = keys_of(project)
    with running_gateway(project, ready=False) as gateway:
        yield Guarded(gateway, project, keys)


def keys_of(project: Project) -> dict[str, str | None]:
    """Make a key of each kind."""
    store, now = project.stores.keys, project.stores.now()
    good = {
        f"{role} on {scope} endpoint{'s' * (scope == 'all')}": store.create(
            grant(f"{role} {scope}", [role], "live", endpoints), now=now, actor="test"
        ).text
        for role in PERMITTED
        for scope, endpoints in SCOPES.items()
    }
    revoked = store.create(grant("revoked", ["admin"]), now=now, actor="test")
    store.revoke(revoked.key.key_id, now)
    day = timedelta(days=1)
    expired = store.create(grant("expired", ["admin"]), now=now - 2 * day, actor="test", expires_at=now - day)
    bad = {
        "no key": None,
        "revoked": revoked.text,
        "expired": expired.text,
        "malformed": f"{good['admin on all endpoints']}x",
        "unknown": STRANGER,
        "wrong": forged(expired.key.key_id),
    }
    return good | bad


def expected(route: Route, key: str) -> int:
    """Return the status that the specification asks for."""
    if route.role == "public":
        return route.status
    if key in BAD:
        return 401
    role, _, scope = key.partition(" on ")
    if route.role not in PERMITTED[role]:
        return 403
    within = scope == "all endpoints" or route.lists or ("{endpoint}" in route.template and scope == "own endpoint")
    return route.status if within else 403


@pytest.mark.parametrize("key", [*GOOD, *BAD])
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_a_route_is_for_those_whom_its_role_names(guarded: Guarded, route: Route, key: str) -> None:
    answer = guarded.ask(route, key)
    assert expected(route, key) == answer.status_code, answer.text
    if answer.status_code in (401, 403):
        error = answer.json()["error"]
        assert {401: "unauthenticated", 403: "forbidden"}[answer.status_code] == error["code"]
        assert set(error) == {"code", "message", "remedy", "request_id"}
        assert (guarded.keys[key] or "sk_") not in answer.text


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_a_query_parameter_that_a_route_does_not_have_is_refused_by_name(guarded: Guarded, route: Route) -> None:
    if route.name in UNREAD:
        return
    answer = guarded.send(route.method, f"{route.path}?thumb=down", guarded.keys["admin on all endpoints"], route.body)
    error = answer.json()["error"]
    assert (422, "There is no query parameter 'thumb'") == (answer.status_code, error["message"])
    documented = guarded.send("GET", "/openapi.json", guarded.keys["read on all endpoints"]).json()["paths"]
    said = documented.get(route.template, {}).get(route.method.lower(), {}).get("parameters", [])
    names = [one["name"] for one in said if one["in"] == "query"]
    assert error["remedy"].endswith(", ".join(names) if names else "This route takes no query parameters")


def test_the_table_here_has_every_route_of_the_application(guarded: Guarded) -> None:
    document = guarded.send("GET", "/openapi.json", guarded.keys["read on all endpoints"]).json()
    documented = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}
    hidden = {"GET /docs", "GET /openapi.json", "GET /docs/static/{name}"}
    assert documented | hidden == {route.name for route in ROUTES}
    for route in ROUTES:
        if route.template in document["paths"]:
            said = document["paths"][route.template][route.method.lower()]
            assert ("security" in said) == (route.role != "public"), route.name
            assert str(route.status) in said["responses"], route.name


def test_an_endpoint_out_of_scope_is_refused_alike_whether_or_not_it_exists(guarded: Guarded) -> None:
    key = guarded.keys["read on own endpoint"]
    there, not_there = (guarded.send("GET", f"/endpoints/{name}", key) for name in ("other", "ghost"))
    assert (there.status_code, not_there.status_code) == (403, 403)
    assert there.text.replace("'other'", "'ghost'") == not_there.text


def test_a_key_for_some_endpoints_sees_only_these_in_a_list(guarded: Guarded) -> None:
    def listed(key: str) -> list[str]:
        return [endpoint["name"] for endpoint in guarded.send("GET", "/endpoints", guarded.keys[key]).json()]

    assert listed("read on all endpoints") == ["cancer", "other"]
    assert listed("read on own endpoint") == ["cancer"]
    assert listed("read on another endpoint") == ["other"]
    assert listed("read on a missing endpoint") == []


def test_readiness_tells_the_public_no_more_than_that(guarded: Guarded) -> None:
    assert guarded.send("GET", "/health/ready", None).json() == {
        "status": "not ready",
        "not_loaded": 0,
        "not_resident": 0,
    }


# Keys by HTTP


@pytest.fixture
def boss(guarded: Guarded) -> str:
    return str(guarded.keys["admin on all endpoints"])


def test_a_key_made_by_http_is_shown_once_and_good_at_once(guarded: Guarded, boss: str) -> None:
    body = {"name": "ci", "roles": ["read"], "endpoints": ["cancer"], "mode": "test", "expires_in": "2h"}
    answer = guarded.send("POST", "/keys", boss, body)
    made = answer.json()
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    assert ("ci", "test", ["read"], ["cancer"], "active", "admin all", None, None) == tuple(
        made[name] for name in ("name", "mode", "roles", "endpoints", "status", "created_by", "revoked_at", "replaces")
    )
    assert guarded.send("GET", E, made["key"]).status_code == 200
    listed = guarded.send("GET", "/keys", boss)
    assert {name: value for name, value in made.items() if name != "key"} in listed.json()
    assert made["key"] not in listed.text
    assert "digest" not in listed.text


def test_a_rotated_key_is_good_beside_the_new_one_and_a_revoked_one_is_not(guarded: Guarded, boss: str) -> None:
    old = guarded.send("POST", "/keys", boss, {"name": "ci", "roles": ["read"]}).json()
    answer = guarded.send("POST", f"/keys/{old['key_id']}/rotate", boss, {"overlap": "1h"})
    new = answer.json()
    assert (answer.status_code, new["replaces"], answer.headers["cache-control"]) == (201, old["key_id"], "no-store")
    assert [guarded.send("GET", E, made["key"]).status_code for made in (old, new)] == [200, 200]
    again = guarded.send("POST", f"/keys/{old['key_id']}/rotate", boss)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "conflict")
    for _ in range(2):
        gone = guarded.send("DELETE", f"/keys/{new['key_id']}", boss)
        assert (gone.status_code, gone.json()["status"]) == (200, "revoked")
        assert [guarded.send("GET", E, made["key"]).status_code for made in (old, new)] == [200, 401]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"roles": ["read"]}, "name: Field required"),
        ({"name": "a\nb", "roles": ["read"]}, "name: String should match pattern"),
        ({"name": "ci", "roles": []}, "roles: List should have at least 1 item"),
        (
            {"name": "ci", "roles": ["root"]},
            "roles.0: Input should be 'predict', 'feedback', 'read', 'operate' or 'admin'",
        ),
        ({"name": "ci", "roles": ["read"], "endpoints": []}, "endpoints: List should have at least 1 item"),
        ({"name": "ci", "roles": ["read"], "expires_in": "soon"}, "expires_in: String should match pattern"),
        ({"name": "ci", "roles": ["read"], "mode": "prod"}, "mode: Input should be 'live' or 'test'"),
        ({"name": "ci", "roles": ["read"], "colour": "red"}, "colour: Extra inputs are not permitted"),
    ],
)
def test_a_key_that_cannot_be_made_is_refused_by_field(guarded: Guarded, boss: str, body: Any, said: str) -> None:
    answer = guarded.send("POST", "/keys", boss, body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "input")
    assert answer.json()["error"]["message"].startswith(said)


def test_no_key_is_ever_in_the_gateways_log(guarded: Guarded) -> None:
    log = guarded.gateway.log.read_text()
    assert [key for key in guarded.keys.values() if key and key[19:71] in log] == []


def test_a_key_made_or_revoked_elsewhere_is_known_in_a_moment(guarded: Guarded) -> None:
    store = guarded.project.stores.keys
    issued = store.create(grant("cli", ["read"]), now=guarded.project.stores.now(), actor="test")
    wait_until(lambda: guarded.send("GET", E, issued.text).status_code == 200, 30)
    store.revoke(issued.key.key_id, guarded.project.stores.now())
    wait_until(lambda: guarded.send("GET", E, issued.text).status_code == 401, 30)


FORCES = {
    "a deploy": (f"{E}/deployments", {"version": "7"}, 404),
    "a promotion": (f"{E}/promote", {"version": "7"}, 404),
    "an undo": (f"{E}/rollback", {"undo": True}, 409),
    "the end of an A/B test": (f"{E}/ab-tests/bolder/end", {"decision": "promote"}, 404),
}


@pytest.mark.parametrize(("path", "body", "status"), FORCES.values(), ids=FORCES)
def test_force_needs_the_role_admin_and_a_reason(guarded: Guarded, path: str, body: Any, status: int) -> None:
    forced = {**body, "force": True, "reason": "why"}
    refused = guarded.send("POST", path, guarded.keys["operate on own endpoint"], forced)
    assert (403, True) == (refused.status_code, "lacks the required role 'admin'" in refused.text)
    for key in ("admin on all endpoints", "admin on own endpoint"):
        silent = guarded.send("POST", path, guarded.keys[key], {**forced, "reason": " "})
        assert (422, "input") == (silent.status_code, silent.json()["error"]["code"])
        assert "requires a reason" in silent.text
        assert status == guarded.send("POST", path, guarded.keys[key], forced).status_code
    plain = guarded.send("POST", path, guarded.keys["operate on own endpoint"], {**forced, "force": False})
    assert status == plain.status_code


# An open gateway, and a rollback


def test_the_first_key_closes_an_open_gateway(tmp_path: Path) -> None:
    with running_gateway(make_project(tmp_path / "project"), ready=False) as gateway:
        assert gateway.client.get("/keys").json() == []
        made = gateway.client.post("/keys", json={"name": "boss", "roles": ["admin"]}).json()
        assert made["created_by"] == "anonymous"
        assert gateway.client.get("/keys").status_code == 401
        assert gateway.client.get("/keys", headers={"X-API-Key": made["key"]}).status_code == 200


def test_a_rollback_by_http_is_done_when_it_is_answered_and_the_history_says_by_whose_key(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    versions: list[ModelVersion] = [train_first(project, cancer_frame().head(rows)) for rows in (569, 300)]
    for version in versions:
        deploy(project.stores, project.spec, version.version, actor="ann", reason="test", force=True)
    now = project.stores.now()
    key = project.stores.keys.create(grant("oncall", ["operate"], "test", ["cancer"]), now=now, actor="test")
    with running_gateway(project) as gateway:
        headers = {"X-API-Key": key.text}
        answer = gateway.client.post(f"{E}/rollback", json={"reason": "it drifts"}, headers=headers)
        done = answer.json()
        assert (answer.status_code, done["from_version"], done["to_version"], done["workers"]) == (200, "2", "1", 1)
        assert gateway.client.get(E, headers=headers).json()["variants"][0]["version"] == "1"
        event = project.stores.deployments.events("cancer")[-1]
        assert ("oncall", "rollback", "it drifts") == (event.actor, event.action, event.reason)
        again = gateway.client.post(f"{E}/rollback", json={}, headers=headers)
        assert (again.status_code, again.json()["error"]["code"]) == (409, "conflict")
        assert "modelops rollback cancer --undo --reason TEXT" in again.json()["error"]["remedy"]
        undo = {"undo": True, "reason": "it was the season"}
        undone = gateway.client.post(f"{E}/rollback", json=undo, headers=headers).json()
        assert ("undo", "1", "2", 1) == tuple(
            undone[name] for name in ("action", "from_version", "to_version", "workers")
        )
        assert "version 2 was rolled back" in undone["note"]
        both = gateway.client.post(f"{E}/rollback", json={**undo, "to": "1"}, headers=headers)
        assert (422, "input") == (both.status_code, both.json()["error"]["code"])
        asked = gateway.client.post(f"{E}/rollback", json={"to": "7"}, headers=headers)
        assert "Version 7 is not an earlier champion" in asked.json()["error"]["message"]


def test_a_request_is_logged_with_the_key_that_asked_and_a_test_key_s_as_a_test(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    deploy(project.stores, project.spec, train_first(project).version, actor="ann", reason="test", force=True)
    made = [
        project.stores.keys.create(grant("ci", ["predict"], mode), now=project.stores.now(), actor="test")
        for mode in ("live", "test")
    ]
    with running_gateway(project) as gateway:
        for issued in made:
            assert gateway.predict(rows_of(cancer_frame().head(2)), **{"X-API-Key": issued.text}).status_code == 200
    ingest(project.stores, project.spec, "predictions")
    with project.stores.lake.query("cancer", []) as connected:
        files = project.stores.lake.files("cancer", "inference_log")
        rows = connected.execute("SELECT DISTINCT key_id, source FROM read_parquet(?)", [files]).fetchall()
    assert {(made[0].key.key_id, "live"), (made[1].key.key_id, "test")} == set(rows)
