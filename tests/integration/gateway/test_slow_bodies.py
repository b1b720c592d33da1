"""A request whose body comes long after its header is judged when the body has come: key, endpoint, version."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from modelops_pipelines.core.access.api_keys import grant
from modelops_pipelines.operations.release import commands as releases
from tests.fakes.gateway_routes import ROUTES
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import Project, cancer_frame, copied_project, rows_of
from tests.support.raw_http import RawConnection, request
from tests.support.waiting import wait_until

BODY = json.dumps({"dataframe_records": rows_of(cancer_frame().head(1))}).encode()
E = "/endpoints/cancer"
WHO = {"actor": "test", "reason": "test"}


@dataclass
class Slow:
    """A gateway that serves version 2, with version 1 before it, and a key for all."""

    gateway: RunningGateway
    project: Project
    key: str

    def connect(self) -> RawConnection:
        port = self.gateway.client.base_url.port
        assert port is not None
        return RawConnection(port)

    def begin(self, caller: RawConnection, path: str, body: bytes, key: str | None = None) -> RawConnection:
        """Send the header and a part of the body, and wait until the gateway has seen these."""
        caller.send(request(path, length=len(body), X_API_Key=key or self.key), body[:1])
        self.gateway.client.get("/health/live")
        return caller

    def status_of(self, key: str) -> int:
        return self.gateway.client.get("/endpoints", headers={"X-API-Key": key}).status_code


@pytest.fixture(scope="module")
def slow(trained_world: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slow]:
    project = copied_project(trained_world, tmp_path_factory.mktemp("slow") / "project")
    for version in "12":
        releases.deploy(project.stores, project.spec, version, force=True, **WHO)
    key = project.stores.keys.create(grant("boss", ["admin"]), now=project.stores.now(), actor="test").text
    with running_gateway(project) as gateway:
        yield Slow(gateway, project, key)


@pytest.fixture
def short_lived(slow: Slow) -> str:
    """Return a key that is about to be revoked."""
    issued = slow.project.stores.keys.create(grant("brief", ["admin"]), now=slow.project.stores.now(), actor="test")
    wait_until(lambda: slow.status_of(issued.text) == 200, 20)
    return issued.text


@pytest.mark.parametrize("path", [f"{E}/invocations", f"{E}/infer", "/v2/models/cancer/infer"])
def test_what_is_stopped_meanwhile_answers_no_more(slow: Slow, path: str) -> None:
    with slow.connect() as caller:
        slow.begin(caller, path, BODY)
        releases.stop(slow.project.stores, slow.project.spec, **WHO)
        answer = caller.send(BODY[1:]).answer()
        releases.start(slow.project.stores, slow.project.spec, **WHO)
    assert (503, "not_ready", "Endpoint 'cancer' is stopped") == (
        answer.status, answer.code, answer.json["error"]["message"],
    )  # fmt: skip


def test_the_version_is_the_one_that_is_live_when_the_body_has_come(slow: Slow) -> None:
    with slow.connect() as caller:
        slow.begin(caller, f"{E}/invocations", BODY)
        releases.roll_back(slow.project.stores, slow.project.spec, **WHO)
        answer = caller.send(BODY[1:]).answer()
        releases.deploy(slow.project.stores, slow.project.spec, "2", force=True, **WHO)
    assert (200, "1") == (answer.status, answer.json["model_version"])


@pytest.mark.parametrize("over_http", [True, False], ids=["by this worker", "elsewhere"])
def test_a_key_that_is_revoked_meanwhile_opens_no_route(slow: Slow, short_lived: str, *, over_http: bool) -> None:
    with ExitStack() as stack:
        routes = [route for route in ROUTES if route.method == "POST"]
        callers = [
            slow.begin(stack.enter_context(slow.connect()), route.path, json.dumps(route.body).encode(), short_lived)
            for route in routes
        ]
        key_id = next(key.key_id for key in slow.project.stores.keys.list() if key.key_id in short_lived)
        if over_http:
            slow.gateway.client.delete(f"/keys/{key_id}", headers={"X-API-Key": slow.key}).raise_for_status()
        else:
            slow.project.stores.keys.revoke(key_id, slow.project.stores.now())
            wait_until(lambda: slow.status_of(short_lived) == 401, 20)
        for route, caller in zip(routes, callers, strict=True):
            answer = caller.send(json.dumps(route.body).encode()[1:]).answer()
            assert (401, "unauthenticated") == (answer.status, answer.code), route.name
            assert "is revoked" in answer.json["error"]["message"]


def test_a_key_made_first_closes_an_open_gateway_for_bodies_on_their_way(
    trained_world: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    project = copied_project(trained_world, tmp_path_factory.mktemp("first") / "project")
    with running_gateway(project, ready=False) as gateway, ExitStack() as stack:
        opened = Slow(gateway, project, "none")
        callers = [
            opened.begin(stack.enter_context(opened.connect()), path, b"{}")
            for path in (f"{E}/invocations", f"{E}/stop", "/keys")
        ]
        gateway.client.post("/keys", json={"name": "boss", "roles": ["admin"]}).raise_for_status()
        assert [401, 401, 401] == [caller.send(b"}").answer().status for caller in callers]
