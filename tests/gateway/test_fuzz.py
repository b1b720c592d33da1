"""Requests made up by machine against a running gateway: from its own OpenAPI document, from rows, from raw bytes.

``--fuzz 50000`` sends more of them, drawn anew; the 2,000 of each run are always the same.
"""

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode

from modelops_pipelines.core.keys import grant
from modelops_pipelines.operations.keys import create_key
from modelops_pipelines.operations.releases import deploy
from tests.gateway import kinds
from tests.gateway.forms import rows_of
from tests.gateway.fuzzing import ANY, JSON, LEAKS, TIMES, Judge, Sent, body, headers, path_of
from tests.support import Project, RunningGateway, running_gateway

REPEATABLE = 2_000
SHARES = {"schema": 0.4, "rows": 0.35, "others": 0.2, "bytes": 0.05}
LIMITS = "  allow_pickle: true\n  limits: {per_user: 50/second, body_mib: 1}\n"
REPORT = "drift-2026-01-31T12.html"
E = "/endpoints/{endpoint}"
INPUTS = {
    "mixed": {**dict.fromkeys(kinds.NUMBERS, "float"), "city": "text"},
    "typed": {"number": "float", "whole": "int", "flag": "bool", "word": "text", "moment": "timestamp"},
}


@dataclass
class World:
    """The gateway, the key that may do everything, predictions that were made, and the judge of all answers."""

    gateway: RunningGateway
    project: Project
    key: str
    spare: list[str]
    made: dict[str, str]
    judge: Judge

    def send(self, sent: Sent) -> None:
        try:
            answer = self.gateway.client.request(
                sent.method, sent.path, headers=sent.headers, content=sent.body if sent.method == "POST" else None
            )
        except (httpx.LocalProtocolError, httpx.InvalidURL):
            return  # the client itself does not send such a thing
        self.judge.require(sent, answer)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    project = kinds.empty_project(tmp_path_factory.mktemp("fuzz") / "project", MODELOPS_SEAL_AFTER_SECONDS="10")
    mixed = kinds.add_endpoint(project, "mixed")
    for seed in range(3):
        kinds.put_live(project, mixed, kinds.training(kinds.mixed(kinds.TRAINING_ROWS, seed)), kinds.tolerant)
    for number in range(30):
        deploy(project.stores, mixed, str(number % 3 + 1), actor="test", reason="a past to roll back to")
    typed = kinds.add_endpoint(project, "typed", LIMITS, task="multiclass")
    kinds.put_live_as_it_is(project, typed, kinds.typed(), kinds.echo())
    kinds.add_endpoint(project, "idle")
    (project.stores.settings.reports / "mixed").mkdir(parents=True)
    (project.stores.settings.reports / "mixed" / REPORT).write_text("<html></html>")
    key = create_key(project.stores, grant("fuzz", ["admin"]), actor="test").text
    spare = [create_key(project.stores, grant(f"spare {n}", ["read"]), actor="test").key.key_id for n in range(20)]
    with running_gateway(project) as gateway:
        gateway.client.headers = httpx.Headers({"X-API-Key": key})
        rows = {"mixed": rows_of(kinds.mixed(3, 1)), "typed": _examples(gateway)}
        made = {name: gateway.predict(given, name).json()["request_id"] for name, given in rows.items()}
        document = gateway.client.get("/openapi.json").json()
        gateway.client.headers = httpx.Headers()
        yield World(gateway, project, key, spare, made, Judge(document))


def _examples(gateway: RunningGateway) -> list[dict[str, Any]]:
    return list(gateway.client.get("/endpoints/typed/example").json()["dataframe_records"]) * 3


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
    document = json.loads(json.dumps(world.judge._document))
    for methods in document["paths"].values():
        for operation in methods.values():
            operation.pop("security", None)  # the key is sent by us: else half of the requests would end at it
    strategies = []
    for found in schemathesis.openapi.from_dict(document).get_all_operations():
        operation = found.ok()
        names = [{"endpoint": name} for name in ("mixed", "typed")] if "{endpoint}" in operation.path else [{}]
        for mode in GenerationMode:
            strategies += [operation.as_strategy(generation_mode=mode, path_parameters=name) for name in (*names, {})]

    @many(requests, "schema")
    @given(st.one_of(strategies).filter(_can_be_sent))
    def run(case: schemathesis.Case) -> None:
        made = case.call(base_url=str(world.gateway.client.base_url), headers={"X-API-Key": world.key})
        request = made.request
        content = request.body if isinstance(request.body, bytes) else str(request.body or "").encode()
        named = [(str(name).encode(), str(value).encode(errors="replace")) for name, value in request.headers.items()]
        path = str(request.url).partition(str(world.gateway.client.base_url).rstrip("/"))[2]
        given_headers = [pair for pair in named if pair[0].lower() != b"x-api-key"]
        answer = httpx.Response(made.status_code, headers=_plain(made.headers), content=made.content)
        world.judge.require(Sent(case.method, path, given_headers, content, case.operation.path), answer)

    run()


def _can_be_sent(case: schemathesis.Case) -> bool:
    """Leave out what the HTTP client would not send, and paths that it would rewrite."""
    return not any(part in ("", ".", "..") for part in map(str, case.path_parameters.values()))


def _plain(named: dict[str, list[str]]) -> dict[str, str]:
    return {
        name: values[0] for name, values in named.items() if name.lower() not in {"content-encoding", "content-length"}
    }


def test_rows_in_every_form_right_and_wrong(world: World, requests: int) -> None:
    @st.composite
    def prediction(draw: st.DrawFn) -> Sent:
        endpoint = draw(st.sampled_from(["mixed", "typed"]))
        route, kind, content = draw(body(INPUTS[endpoint]))
        name = draw(st.sampled_from([endpoint] * 18 + ["idle", "ghost"]))
        template = f"{E}/{route}"
        if route == "infer" and draw(st.booleans()):
            template = "/v2/models/{endpoint}/infer"
        return Sent("POST", path_of(template, endpoint=name), draw(headers(world.key, kind)), content, template)

    @many(requests, "rows")
    @given(prediction())
    def run(sent: Sent) -> None:
        world.send(sent)

    run()


def test_labels_feedback_keys_logs_and_all_the_rest(world: World, requests: int) -> None:
    ids = st.sampled_from([f"{one}-{row}" for one in world.made.values() for row in range(4)]) | st.text(max_size=60)
    labels = st.one_of(st.sampled_from(["0", "1", 1, 0, True, 1.0, "maybe"]), ANY)
    names = st.sampled_from(["mixed", "typed", "idle"]) | st.text(min_size=1, max_size=120)
    told = st.fixed_dictionaries(
        {},
        optional={"rating": st.integers(-1, 7) | ANY, "thumbs": st.sampled_from(["up", "down", "left"]) | ANY}
        | {"comment": st.text(max_size=30) | ANY, "corrected_label": labels, "user_id": st.text(max_size=9), "x": ANY},
    )
    label = st.fixed_dictionaries(
        {"prediction_id": ids, "label": labels}, optional={"labelled_at": TIMES.map(bytes.decode)}
    )
    wanted = st.fixed_dictionaries(
        {"name": st.text(max_size=12) | st.just("ci"), "roles": st.lists(st.sampled_from(["read", "predict", "root"]))},
        optional={"endpoints": st.lists(names, max_size=2), "mode": st.sampled_from(["live", "test", "x"])}
        | {"expires_in": st.sampled_from(["1h", "90d", "0d", "9999d", "soon"])},
    )
    bodies: dict[str, st.SearchStrategy[Any]] = {
        f"{E}/labels": st.fixed_dictionaries({"labels": st.lists(label, max_size=3)}),
        f"{E}/feedback": st.tuples(ids, told).map(lambda pair: {"prediction_id": pair[0], **pair[1]}),
        f"{E}/rollback": st.fixed_dictionaries(
            {}, optional={"reason": st.text(max_size=9) | ANY, "to": st.text(max_size=9)}
        ),
        "/keys": wanted,
        "/keys/{key_id}/rotate": st.fixed_dictionaries({}, optional={"overlap": st.sampled_from(["1h", "0h", "400d"])}),
    }
    queries = st.dictionaries(
        st.sampled_from(["limit", "since", "status", "user", "request_id", "window", "x"]),
        st.sampled_from(["5", "1000", "0", "24h", "30d", "31d", "ok", "error", "5m", "61m", *world.made.values()])
        | st.text(max_size=45),
        max_size=3,
    )
    gets = [E, f"{E}/logs", f"{E}/logs", f"{E}/metrics", f"{E}/example", f"{E}/reports/{{name}}", "/endpoints", "/keys"]
    others = ["/health", "/health/ready", "/health/live", "/docs", "/openapi.json", "/docs/static/{name}", "/{name}"]
    reports = st.sampled_from([REPORT, "drift-2026-01-01T00.html", "../../state.db", "swagger-ui.css"]) | st.text(
        max_size=30
    )

    @st.composite
    def request(draw: st.DrawFn) -> Sent:
        template = draw(st.sampled_from([*bodies] * 2 + gets + others + ["/keys/{key_id}"]))
        key_id = draw(st.sampled_from(world.spare) | st.text(alphabet="abc234567", min_size=1, max_size=11))
        path = path_of(template, endpoint=draw(names), key_id=key_id, name=draw(reports))
        given_headers = draw(headers(world.key))
        if template in bodies:
            content = json.dumps(draw(bodies[template] | ANY if draw(st.integers(0, 5)) == 0 else bodies[template]))
            return Sent("POST", path, given_headers, content.encode(errors="replace"), template)
        method = draw(st.sampled_from(["GET"] * 9 + ["PUT", "HEAD", "OPTIONS", "PATCH"]))
        method = "DELETE" if template == "/keys/{key_id}" else method
        query = urlencode(draw(queries), errors="replace")
        return Sent(method, f"{path}?{query}" if query else path, given_headers, b"", template)

    @many(requests, "others")
    @given(request())
    def run(sent: Sent) -> None:
        world.send(sent)

    run()


def test_bytes_that_are_hardly_a_request(world: World, requests: int) -> None:
    content = json.dumps({"dataframe_records": _examples_of("typed")}).encode()
    length = st.sampled_from([b"Content-Length: %d" % (len(content) + more) for more in (-5, 0, 0, 7)])
    odd = st.sampled_from(
        [
            b"Content-Length: -1",
            b"Content-Length: 1e3",
            b"Content-Length: 99999999999999999999",
            b"Transfer-Encoding: chunked",
        ]
        + [
            b"Content-Length: \xb2",
            b"Content-Length: +5",
            b"Transfer-Encoding: x",
            b"X-User-Id: a\x00b",
            b"X-Api-Key",
            b"\xff: 1",
        ]
        + [
            b"Content-Encoding: gzip",
            b"Expect: 100-continue",
            b"Upgrade: websocket\r\nConnection: Upgrade",
            b"Connection: close",
        ]
    )
    line = st.sampled_from(
        [b"POST /endpoints/typed/invocations HTTP/1.1"] * 4
        + [b"POST /endpoints/typed/labels HTTP/1.1", b"POST /keys HTTP/1.0", b"GET /endpoints/%ff%00/logs HTTP/1.1"]
        + [b"POST //endpoints/typed/infer HTTP/1.1", b"PRI * HTTP/2.0", b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1"]
    )
    key = b"X-API-Key: " + world.key.encode()

    @many(requests, "bytes")
    @given(line, st.lists(length | odd, min_size=1, max_size=3), st.booleans() | st.binary(max_size=200))
    def run(first: bytes, more: list[bytes], given: bytes | bool) -> None:
        sent = given if isinstance(given, bytes) else content
        head = b"\r\n".join([first, b"Host: gateway", key, b"Content-Type: " + JSON, *more])
        answer = _exchange(world, head + b"\r\n\r\n" + sent).decode("latin-1")
        assert answer[:10] in {"", *(f"HTTP/1.1 {digit}" for digit in "1234")}, (head, sent, answer)
        found = [match[0] for leak in LEAKS for match in leak.finditer(answer)]
        assert [one for one in found if one not in (head + sent).decode("latin-1")] == [], (head, sent, answer)

    run()


def _exchange(world: World, sent: bytes) -> bytes:
    """Send bytes, say that no more will come, and return whatever is answered."""
    port = int(world.project.environment["MODELOPS_GATEWAY_PORT"])
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connected:
        answer = b""
        try:
            connected.sendall(sent)
            connected.shutdown(socket.SHUT_WR)
            while part := connected.recv(65536):
                answer += part
        except ConnectionError:
            pass
        return answer


def _examples_of(endpoint: str) -> list[dict[str, Any]]:
    values = {"float": 1.5, "int": 1, "bool": True, "text": "a", "timestamp": "2026-01-31T12:00:00Z"}
    return [{name: values[kind] for name, kind in INPUTS[endpoint].items()}]


def test_the_gateway_is_well_after_all_that(world: World, requests: int) -> None:
    predicted = world.gateway.predict(_examples_of("typed"), "typed", **{"X-API-Key": world.key})
    assert predicted.status_code == 200, predicted.text
    lines = [json.loads(line) for line in world.gateway.log.read_text().splitlines()]
    assert [line for line in lines if line["level"] not in {"info", "warning"}] == []
    told = {
        f"{method.upper()} {path}" for path, methods in world.judge._document["paths"].items() for method in methods
    }
    unanswered = sorted(one for one in told if not {200, 201, 202} & world.judge.reached.get(one, set()))
    assert unanswered == [], "these routes were never answered with success"
    print(f"{requests} requests: {sorted(world.judge.statuses.items())}")
