"""What a page in a browser may make of the gateway: every route by Origin, Host and content type, open and with keys."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from itertools import product
from pathlib import Path

import httpx
import pytest

from modelops_pipelines.core.access.api_keys import grant
from tests.fakes.gateway_routes import ROUTES, Route
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import make_project

JSON, CSV = "application/json", "text/csv"
JSON_TYPES = [JSON, "Application/JSON; charset=utf-8", "application/vnd.own+json"]
FORMS = [None, "application/x-www-form-urlencoded"]
"""What programs send without being told; predictions take JSON under these names too."""
OTHER_TYPES = ["text/plain", "text/plain; application/json", "multipart/form-data; boundary=x", "text/json", "json"]
OWN_ORIGINS = [None, "http://127.0.0.1:{port}", "http://localhost:{port}"]
FOREIGN_ORIGINS = [
    "http://evil.example", "https://evil.example:{port}", "null", "http://localhost:1", "http://localhost",
    "http://localhost.evil.example:{port}", "http://127.0.0.1:{port}.evil.example", "file://",
]  # fmt: skip
OWN_HOSTS = ["127.0.0.1:{port}", "LOCALHOST:{port}", "[::1]:9000"]
FOREIGN_HOSTS = [
    "evil.example", "evil.example:{port}", "localhost.evil.example:{port}", "127.0.0.1.evil.example", "10.0.0.1",
    "localhost@evil.example",
]  # fmt: skip
PREDICTIONS = ("/invocations", "/infer")


@dataclass
class Asked:
    """A gateway, the key of a caller who may do everything (None for one that is open), whether it judges Hosts."""

    gateway: RunningGateway
    key: str | None
    judges_host: bool

    def ask(self, route: Route, origin: str | None, host: str, content_type: str | None) -> httpx.Response:
        port = self.gateway.client.base_url.port
        content = httpx.Request("POST", "http://x", json=route.body).content if route.method == "POST" else None
        given = {"Host": host, "Origin": origin, "Content-Type": content_type, "X-API-Key": self.key}
        headers = {name: value.format(port=port) for name, value in given.items() if value is not None}
        return self.gateway.client.request(route.method, route.path, headers=headers, content=content)


@pytest.fixture(scope="module", params=["open", "with a key", "with a key and a name"])
def asked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    name = {"MODELOPS_ALLOWED_HOSTS": "ml.example.com"} if "name" in request.param else {}
    project = make_project(tmp_path_factory.mktemp("pages") / "project", **name)
    key = None
    if request.param != "open":
        key = project.stores.keys.create(grant("boss", ["admin"]), now=project.stores.now(), actor="test").text
    with running_gateway(project, ready=False) as gateway:
        yield Asked(gateway, key, request.param != "with a key")


def expected(route: Route, origin: str | None, host: str, content_type: str | None, *, judges_host: bool) -> int:
    """Return the status that the documentation promises; a page of the very host that is asked is its own."""
    is_own_page = origin in OWN_ORIGINS or (origin == f"http://{host}" and not judges_host)
    if not is_own_page or (judges_host and host not in OWN_HOSTS):
        return 403
    takes = [*JSON_TYPES]
    if route.path.endswith(PREDICTIONS):
        takes += [*FORMS, CSV] if route.path.endswith("invocations") else FORMS
    return 415 if route.method == "POST" and content_type not in takes else route.status


def combinations() -> Iterator[tuple[str | None, str, str | None]]:
    """Yield each value once beside good ones, and one good and one bad value of each with one another."""
    yield from ((origin, OWN_HOSTS[0], JSON) for origin in [*OWN_ORIGINS, *FOREIGN_ORIGINS])
    yield from ((None, host, JSON) for host in [*OWN_HOSTS, *FOREIGN_HOSTS])
    yield from ((None, OWN_HOSTS[0], given) for given in [*JSON_TYPES, *FORMS, CSV, *OTHER_TYPES])
    yield from product((None, FOREIGN_ORIGINS[0]), (OWN_HOSTS[0], FOREIGN_HOSTS[0]), (JSON, OTHER_TYPES[0], None))


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_no_route_answers_a_foreign_page(asked: Asked, route: Route) -> None:
    for given in combinations():
        answer = asked.ask(route, *given)
        assert expected(route, *given, judges_host=asked.judges_host) == answer.status_code, (given, answer.text)
        if answer.status_code in (403, 415):
            error = answer.json()["error"]
            assert {403: "forbidden", 415: "media_type"}[answer.status_code] == error["code"]
            assert "MODELOPS_ALLOWED_HOSTS" in error["remedy"] or JSON in error["remedy"] or "JSON" in error["remedy"]


@pytest.mark.parametrize("method", ["OPTIONS", "HEAD", "PUT", "PATCH", "DELETE", "GET"])
def test_neither_does_a_route_that_there_is_not_nor_another_method(asked: Asked, method: str) -> None:
    for path in ("/endpoints/cancer/stop", "/nowhere", "/"):
        answer = asked.gateway.client.request(method, path, headers={"Origin": "http://evil.example"})
        assert answer.status_code == 403, (method, path)
        assert [name for name in answer.headers if name.startswith("access-control")] == []


def test_the_name_in_the_setting_is_a_host_beside_loopback(asked: Asked, request: pytest.FixtureRequest) -> None:
    named = "name" in request.node.callspec.id
    for host, is_known in (("127.0.0.1", True), ("ml.example.com:8443", named), ("evil.example", False)):
        status = asked.gateway.client.get("/health/live", headers={"Host": host}).status_code
        assert (200 if is_known or not asked.judges_host else 403) == status, host


def test_the_document_has_the_version_of_the_package(asked: Asked) -> None:
    document = asked.gateway.client.get("/openapi.json", headers={"X-API-Key": asked.key} if asked.key else {}).json()
    assert version("modelops_pipelines") == document["info"]["version"]


def test_no_page_can_frame_the_page_that_executes(asked: Asked) -> None:
    answer = asked.gateway.client.get("/docs", headers={"X-API-Key": asked.key} if asked.key else {})
    assert (200, "DENY") == (answer.status_code, answer.headers["x-frame-options"])


def test_a_page_of_a_name_in_the_setting_may_call(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", MODELOPS_ALLOWED_HOSTS="ml.example.com")
    with running_gateway(project, ready=False) as gateway:
        page = {"Origin": "https://ml.example.com", "Host": "ml.example.com"}
        for headers in (page, page | {"Host": "127.0.0.1"}):
            assert gateway.client.post("/endpoints/cancer/stop", json={}, headers=headers).status_code == 409
        foreign = gateway.client.get("/endpoints", headers={"Host": "evil.example"})
        assert (403, True) == (foreign.status_code, "'evil.example'" in foreign.json()["error"]["message"])


@pytest.mark.parametrize(
    "name",
    ["Origin", "Content-Type", "X-API-Key", "X-User-Id", "X-Session-Id", "X-Client-Request-Id", "X-Event-Time",
     "X-Test-Call", "Idempotency-Key"],
)  # fmt: skip
def test_a_header_that_means_something_is_sent_once(asked: Asked, name: str) -> None:
    """A proxy that sets a user's name and a caller who sends another must not be understood in two ways."""
    value = JSON if name == "Content-Type" else "1"
    for path in ("/endpoints/cancer/invocations", "/endpoints/cancer/stop"):
        answer = asked.gateway.client.post(path, content=b"{}", headers=[(name, value), (name, value)])
        assert (400, "malformed") == (answer.status_code, answer.json()["error"]["code"])
        assert name.lower() in answer.json()["error"]["message"]
