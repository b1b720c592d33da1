"""Routes are added with a role or not at all, guarded before their body is read, and documented as they are."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Query
from pydantic import BaseModel

from modelops_pipelines.core.access.api_keys import ENTROPY_BYTES, Key, digest_of, id_of, key_text
from modelops_pipelines.gateway.access.keyring import Keyring
from modelops_pipelines.gateway.http.error_handlers import add_error_handlers
from modelops_pipelines.gateway.http.guarded_router import (
    MAX_BODY_BYTES,
    PUBLIC,
    Access,
    CallerOf,
    Router,
    declared_roles,
)
from modelops_pipelines.gateway.routes.docs import for_page
from tests.support.asgi_client import ask, in_parts

TEXT = key_text("live", b"k" * ENTROPY_BYTES)
KEY = Key(str(id_of(TEXT)), "ci", "live", ("read",), ("cancer",), digest_of(TEXT), datetime.now(UTC), "ann")
HEADERS = {"X-API-Key": TEXT}


class Kept:
    """A store of these keys, for a keyring."""

    def __init__(self, *keys: Key) -> None:
        self._keys, self._generation = keys, 1

    def generation(self) -> int:
        return self._generation

    def snapshot(self) -> tuple[int, tuple[Key, ...]]:
        return self._generation, self._keys

    def revoke(self) -> None:
        self._keys = tuple(replace(key, revoked_at=datetime.now(UTC)) for key in self._keys)
        self._generation += 1


class Message(BaseModel):
    """A body."""

    text: str


def application(*keys: Key) -> tuple[FastAPI, Router]:
    keyring = Keyring()
    keyring.refresh(Kept(*keys))  # type: ignore[arg-type]
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    add_error_handlers(app)
    return app, Router(app, keyring)


def code(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


# Adding


@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_a_route_without_a_role_cannot_be_added(method: str) -> None:
    app, router = application()
    with pytest.raises(TypeError, match="role"):
        getattr(router, method)("/things")
    assert app.routes == []


@pytest.mark.parametrize("role", [None, "", "root", "Read", ("read",)])
def test_a_route_with_a_role_that_there_is_not_cannot_be_added(role: Any) -> None:
    app, router = application()
    with pytest.raises(
        ValueError, match=r"GET /things: .* is not a role; use one of predict, feedback, read, operate, admin, publ"
    ):
        router.get("/things", role=role)
    assert app.routes == []


def test_a_route_added_behind_the_routers_back_is_found() -> None:
    app, router = application()
    router.get("/things", role="read")(lambda: None)
    assert {"GET /things": "read"} == declared_roles(app)
    app.get("/secret")(lambda: None)
    with pytest.raises(ValueError, match="GET /secret declares no role"):
        declared_roles(app)


def test_a_mounted_application_is_found_too() -> None:
    app, _ = application()
    app.mount("/files", FastAPI())
    with pytest.raises(ValueError, match="/files declares no role"):
        declared_roles(app)


# Guarding


@pytest.mark.parametrize("body", [b"{not json", b"\xff", b"[1]", b"x" * (MAX_BODY_BYTES + 1)])
def test_a_caller_is_judged_before_the_body_is_looked_at(body: bytes) -> None:
    app, router = application(KEY)
    router.post("/endpoints/{endpoint}/things", role="predict")(_take)
    json = {"content-type": "application/json"}
    assert code(ask(app, "POST", "/endpoints/cancer/things", content=body, headers=json)) == (401, "unauthenticated")
    assert code(ask(app, "POST", "/endpoints/cancer/things", content=body, headers=json | HEADERS)) == (
        403,
        "forbidden",
    )


def _take(endpoint: str, message: Message, caller: CallerOf) -> dict[str, str | None]:
    return {"endpoint": endpoint, "said": message.text, "by": caller.name}


def test_the_handler_knows_who_calls() -> None:
    app, router = application(KEY)
    router.post("/endpoints/{endpoint}/things", role="read")(_take)
    answer = ask(app, "POST", "/endpoints/cancer/things", json={"text": "hello"}, headers=HEADERS)
    assert {"endpoint": "cancer", "said": "hello", "by": "ci"} == answer.json()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{not json", (400, "malformed")),
        (b"\xff\xfe", (400, "malformed")),
        (b"[" * 100_000, (400, "malformed")),
        (b"", (422, "input")),
        (b"{}", (422, "input")),
        (b"null", (422, "input")),
        (b'{"text": "' + b"x" * MAX_BODY_BYTES + b'"}', (413, "too_large")),
    ],
)
def test_a_body_that_cannot_be_taken_is_refused_in_the_one_shape(body: bytes, expected: tuple[int, str]) -> None:
    app, router = application()
    router.post("/endpoints/{endpoint}/things", role="read")(_take)
    json = {"content-type": "application/json"}
    assert expected == code(ask(app, "POST", "/endpoints/cancer/things", content=body, headers=json))


def test_a_key_that_is_revoked_while_the_body_comes_is_refused() -> None:
    kept, keyring = Kept(KEY), Keyring()
    keyring.refresh(kept)  # type: ignore[arg-type]
    app = FastAPI()
    add_error_handlers(app)
    Router(app, keyring).post("/endpoints/{endpoint}/things", role="read")(_take)

    async def body() -> AsyncIterator[bytes]:
        yield b'{"text"'
        kept.revoke()
        keyring.refresh(kept)  # type: ignore[arg-type]
        yield b': "hello"}'

    headers = {"content-type": "application/json", **HEADERS}
    answer = ask(app, "POST", "/endpoints/cancer/things", content=body(), headers=headers)
    assert (401, "unauthenticated") == code(answer)


def test_a_body_without_a_length_is_counted_as_it_comes() -> None:
    app, router = application()
    router.post("/endpoints/{endpoint}/things", role="read")(_take)
    json = {"content-type": "application/json"}
    path = "/endpoints/cancer/things"
    answer = ask(app, "POST", path, content=in_parts(b'{"text"', b': "a', b'b"}'), headers=json)
    assert answer.json()["said"] == "ab"
    mib = b"x" * 2**20
    too_much = in_parts(b'{"text": "', *[mib] * (MAX_BODY_BYTES // 2**20), b'"}')
    assert code(ask(app, "POST", path, content=too_much, headers=json)) == (413, "too_large")


def test_what_nobody_foresaw_says_nothing_of_itself() -> None:
    app, router = application()

    def broken() -> None:
        raise RuntimeError("a secret")

    router.get("/things", role="read")(broken)
    answer = ask(app, "GET", "/things")
    assert code(answer) == (500, "internal")
    assert "secret" not in answer.text


def test_a_method_that_a_path_has_not_is_told_those_that_it_has() -> None:
    app, router = application(KEY)
    router.get("/things", role="read")(lambda: None)
    router.post("/things", role="admin")(lambda: None)
    answer = ask(app, "PUT", "/things")
    assert (*code(answer), answer.headers["allow"]) == (405, "unknown", "GET, POST")
    answer = ask(app, "PUT", "/nothing")
    assert (*code(answer), answer.headers.get("allow")) == (404, "unknown", None)
    assert code(ask(app, "GET", "/things/")) == (404, "unknown")


def test_who_sends_no_key_is_told_how() -> None:
    app, router = application(KEY)
    router.get("/things", role="read")(lambda: None)
    answer = ask(app, "GET", "/things")
    assert answer.headers["www-authenticate"] == 'ApiKey realm="modelops", header="X-API-Key"'


# Queries


def _filter(
    thumbs: str | None = None,
    state: Annotated[list[str] | None, Query()] = None,
    rows: Annotated[int, Query(alias="limit")] = 5,
) -> list[Any]:
    return [thumbs, state, rows]


@pytest.mark.parametrize(
    ("query", "message", "remedy"),
    [
        (
            "thumb=down",
            "There is no query parameter 'thumb'",
            "Did you mean 'thumbs'? This route takes thumbs, state, limit",
        ),
        (
            "thumbs=up&Limit=3",
            "There is no query parameter 'Limit'",
            "Did you mean 'limit'? This route takes thumbs, state, limit",
        ),
        ("rows=3", "There is no query parameter 'rows'", "This route takes thumbs, state, limit"),
        ("zzz", "There is no query parameter 'zzz'", "This route takes thumbs, state, limit"),
        ("limit=1&limit=2", "The query parameter 'limit' is given 2 times", "Give it once"),
        (f"{'q' * 500}=1", f"There is no query parameter '{'q' * 80}'", "This route takes thumbs, state, limit"),
    ],
)
@pytest.mark.parametrize("role", [PUBLIC, "read"])
def test_a_query_that_a_route_would_ignore_is_refused(role: Access, query: str, message: str, remedy: str) -> None:
    app, router = application()
    router.get("/things", role=role)(_filter)
    answer = ask(app, "GET", f"/things?{query}")
    error = answer.json()["error"]
    assert (422, message, remedy) == (answer.status_code, error["message"], error["remedy"])


def test_a_query_that_a_route_has_is_taken_also_through_a_dependency() -> None:
    app, router = application()
    router.get("/things", role="read")(_filter)

    def others(found: Annotated[list[Any], Depends(_filter)]) -> list[Any]:
        return found

    router.get("/others", role="read")(others)
    for path in ("/things", "/others"):
        assert ["up", ["a", "b"], 2] == ask(app, "GET", f"{path}?thumbs=up&state=a&state=b&limit=2").json()


def test_a_route_without_parameters_takes_none_unless_it_is_public() -> None:
    app, router = application()
    router.get("/things", role="read")(lambda: None)
    router.delete("/things", role="read")(lambda: None)
    router.get("/live", role=PUBLIC)(lambda: None)
    for method in ("GET", "DELETE"):
        error = ask(app, method, "/things?dry_run=1").json()["error"]
        assert ("input", "This route takes no query parameters") == (error["code"], error["remedy"])
    assert ask(app, "GET", "/live?probe=7").status_code == 200


def test_a_stranger_learns_no_parameter() -> None:
    app, router = application(KEY)
    router.get("/things", role="read")(_filter)
    assert code(ask(app, "GET", "/things?thumb=down")) == (401, "unauthenticated")


# Documenting


def test_each_route_declares_what_it_may_refuse_with() -> None:
    app, router = application()
    router.get("/public", role=PUBLIC)(lambda: None)
    router.get("/things", role="read")(lambda: None)
    router.post("/endpoints/{endpoint}/things", role="predict", error_statuses=(409,))(_take)
    paths = app.openapi()["paths"]
    assert set(paths["/public"]["get"]["responses"]) == {"200", "400", "403", "500", "503"}
    assert set(paths["/things"]["get"]["responses"]) == {"200", "400", "401", "403", "422", "429", "500", "503"}
    responses = paths["/endpoints/{endpoint}/things"]["post"]["responses"]
    refusals = {"400", "401", "403", "404", "408", "409", "413", "415", "422", "429", "500", "503"}
    assert set(responses) == {"200", *refusals}
    shapes = {str(said["content"]["application/json"]["schema"]) for status, said in responses.items() if status > "3"}
    assert shapes == {"{'$ref': '#/components/schemas/ErrorBody'}"}
    assert "security" not in paths["/public"]["get"]
    assert paths["/things"]["get"]["security"] == [{"api_key": []}]


def test_the_page_shows_the_document_as_openapi_3_0_has_it() -> None:
    document = {
        "openapi": "3.1.0",
        "a": {"anyOf": [{"type": "string"}, {"type": "null"}], "title": "A"},
        "b": [{"anyOf": [{"$ref": "#/c"}, {"type": "integer"}, {"type": "null"}]}],
        "c": {"const": "x"},
    }
    assert for_page(document) == {
        "openapi": "3.0.3",
        "a": {"allOf": [{"type": "string"}], "nullable": True, "title": "A"},
        "b": [{"anyOf": [{"$ref": "#/c"}, {"type": "integer"}], "nullable": True}],
        "c": {"enum": ["x"]},
    }
