"""Requests made up by machine against a running gateway: from its own OpenAPI document, from rows, from raw bytes.

``--fuzz 50000`` sends more of them, drawn anew; the 600 of each ordinary run are always the same.
"""

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode

from modelops_pipelines.core.access.api_keys import grant
from modelops_pipelines.operations.governance.api_keys import create_key
from modelops_pipelines.operations.release.commands import deploy
from tests.endurance.fuzzed import REPORT, Known, others, prediction
from tests.endurance.fuzzed_bytes import raw
from tests.endurance.fuzzing import Judge, Sent, leaks
from tests.fakes import model_kinds as kinds
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import Project
from tests.support.request_forms import rows_of
from tests.support.untried import versions_are_not_tried

REPEATABLE = 2_000
SECONDS = 120
"""What an answer may take: a version is judged within its request."""
SHARES = {"schema": 0.4, "rows": 0.35, "others": 0.2, "bytes": 0.05}
LIMITED = "  allow_pickle: true\n  limits: {per_user: 3/minute, body_mib: 1}\n"


@dataclass
class World:
    """The gateway, what exists in it, and the judge of all its answers."""

    gateway: RunningGateway
    known: Known
    judge: Judge

    @property
    def url(self) -> str:
        return str(self.gateway.client.base_url).rstrip("/")

    def send(self, sent: Sent) -> None:
        """Send a request and judge its answer; what the client itself refuses to send is left out."""
        content = sent.body if sent.method == "POST" else None
        with suppress(httpx.LocalProtocolError, httpx.InvalidURL):
            answer = self.gateway.client.request(sent.method, sent.path, headers=sent.headers, content=content)
            self.judge.require(sent, answer)
            self.start_again(sent, answer)

    def start_again(self, sent: Sent, answer: httpx.Response) -> None:
        """Start what was stopped: what is stopped answers nothing that could be judged."""
        if sent.path.endswith("/stop") and answer.is_success:
            path = sent.path.removesuffix("stop") + "start"
            self.gateway.client.post(path, json={}, headers={"X-API-Key": self.known.key})


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    project = kinds.empty_project(tmp_path_factory.mktemp("fuzz") / "project", MODELOPS_SEAL_AFTER_SECONDS="10")
    deploy_all(project)
    reports = project.stores.settings.reports / "mixed"
    reports.mkdir(parents=True)
    (reports / REPORT).write_text("<html></html>")
    key = create_key(project.stores, grant("fuzz", ["admin"]), actor="test").text
    spare = [create_key(project.stores, grant(f"spare {n}", ["read"]), actor="test").key.key_id for n in range(20)]
    with running_gateway(project) as gateway:
        own = {"X-API-Key": key}
        examples = gateway.client.get("/endpoints/typed/example", headers=own).json()["dataframe_records"]
        rows = {"mixed": rows_of(kinds.mixed(3, 1)), "typed": examples * 3}
        made = [gateway.predict(given, name, **own).json()["request_id"] for name, given in rows.items()]
        said = [(name, f"{request}-{row}") for name, request in zip(rows, made, strict=True) for row in range(3)]
        given = [
            gateway.client.post(f"/endpoints/{name}/feedback", json={"prediction_id": one, "thumbs": "up"}, headers=own)
            for name, one in said
        ]
        document = gateway.client.get("/openapi.json", headers=own).json()
        yield World(gateway, Known(key, spare, made, [one.json()["feedback_id"] for one in given]), Judge(document))


def deploy_all(project: Project) -> None:
    """Put live an endpoint with a past to roll back to, one of features of every type, and one that serves nothing."""
    mixed = kinds.add_endpoint(project, "mixed")
    for seed in range(3):
        kinds.put_live(project, mixed, kinds.training(kinds.mixed(kinds.TRAINING_ROWS, seed)), kinds.tolerant)
    with versions_are_not_tried():  # they were, when they were put live
        for number in range(30):
            deploy(project.stores, mixed, str(number % 3 + 1), actor="test", reason="test", force=True)
    typed = kinds.add_endpoint(project, "typed", LIMITED, task="multiclass")
    kinds.put_live_as_it_is(project, typed, kinds.typed(), kinds.echo())
    kinds.add_endpoint(project, "idle")


@pytest.fixture
def requests(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--fuzz"))


def many(requests: int, kind: str) -> Any:
    """Return the settings of a run: its share of the requests, nothing kept on disk."""
    return settings(
        max_examples=max(1, int(requests * SHARES[kind])),
        derandomize=requests <= REPEATABLE,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


def test_what_the_openapi_document_describes_and_what_it_does_not_allow(world: World, requests: int) -> None:
    @many(requests, "schema")
    @given(st.one_of(*described(world.judge.document)).filter(_is_sent_as_it_is))
    def run(case: schemathesis.Case) -> None:
        answer = case.call(base_url=world.url, headers={"X-API-Key": world.known.key}, timeout=SECONDS)
        sent, answered = _as_httpx(case, answer, world.url)
        world.judge.require(sent, answered)
        world.start_again(sent, answered)

    run()


def described(document: Mapping[str, Any]) -> Iterator[st.SearchStrategy[schemathesis.Case]]:
    """Yield what each route's description allows and what it does not, for endpoints that there are and any other."""
    opened = json.loads(json.dumps(document))
    for methods in opened["paths"].values():
        for operation in methods.values():
            operation.pop("security", None)  # the key is sent by us: else half of the requests would end at it
    for found in schemathesis.openapi.from_dict(opened).get_all_operations():
        operation = found.ok()
        named = [{"endpoint": name} for name in ("mixed", "typed")] if "{endpoint}" in operation.path else []
        for mode in GenerationMode:
            yield from (operation.as_strategy(generation_mode=mode, path_parameters=name) for name in (*named, {}))


def _is_sent_as_it_is(case: schemathesis.Case) -> bool:
    """Leave out paths that the HTTP client would rewrite."""
    return not any(part in ("", ".", "..") for part in map(str, case.path_parameters.values()))


def _as_httpx(case: schemathesis.Case, answer: Any, url: str) -> tuple[Sent, httpx.Response]:
    request = answer.request
    content = request.body if isinstance(request.body, bytes) else str(request.body or "").encode()
    named = [(str(name).encode(), str(value).encode(errors="replace")) for name, value in request.headers.items()]
    own = [pair for pair in named if pair[0].lower() != b"x-api-key"]
    sent = Sent(case.method, str(request.url).removeprefix(url), own, content, case.operation.path)
    kept = {"content-type": answer.headers.get("content-type", [""])[0]}
    return sent, httpx.Response(answer.status_code, headers=kept, content=answer.content)


def test_rows_in_every_form_right_and_wrong(world: World, requests: int) -> None:
    @many(requests, "rows")
    @given(prediction(world.known))
    def run(sent: Sent) -> None:
        world.send(sent)

    run()


def test_labels_feedback_keys_logs_and_all_the_rest(world: World, requests: int) -> None:
    strategies = list(others(world.known))
    for strategy in strategies:  # one by one: Hypothesis likes to stay with what it has just tried

        @many(requests // len(strategies), "others")
        @given(strategy)
        def run(sent: Sent) -> None:
            world.send(sent)

        run()


def test_bytes_that_are_hardly_a_request(world: World, requests: int) -> None:
    @many(requests, "bytes")
    @given(raw(world.known))
    def run(sent: bytes) -> None:
        answer = _exchange(world, sent).decode("latin-1")
        assert answer[:10] in {"", *(f"HTTP/1.1 {digit}" for digit in "1234")}, (sent, answer)
        assert leaks(answer, sent.decode("latin-1")) == [], (sent, answer)

    run()


def _exchange(world: World, sent: bytes) -> bytes:
    """Send bytes, say that no more will come, and return whatever is answered."""
    port, answer = int(world.url.rpartition(":")[2]), b""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connected, suppress(ConnectionError):
        connected.sendall(sent)
        connected.shutdown(socket.SHUT_WR)
        while part := connected.recv(65536):
            answer += part
    return answer


def test_the_gateway_is_well_after_all_that(world: World, requests: int) -> None:
    own = {"X-API-Key": world.known.key}
    assert world.gateway.predict(rows_of(kinds.mixed(3, 1)), "mixed", **own).status_code == 200
    lines = [json.loads(line) for line in world.gateway.log.read_text().splitlines()]
    assert [line for line in lines if line["level"] not in {"info", "warning"}] == []
    assert requests < REPEATABLE or world.judge.never_answered() == []
    print(f"{requests:,} requests asked for: {dict(sorted(world.judge.statuses.items()))}")
