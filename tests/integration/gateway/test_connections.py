"""What a stranger may take from the gateway before it knows who calls: bytes of headers and bodies, time, connections.

The gateway asks for a key, and few of these callers have one.
"""

import json
import select
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from modelops_pipelines.core.access.api_keys import grant
from modelops_pipelines.operations.endpoints.load import read_endpoint
from modelops_pipelines.operations.release.commands import deploy
from tests.support.gateway import RunningGateway, running_gateway, worker_pids
from tests.support.project import CANCER_YAML, Project, cancer_frame, copied_project, rows_of
from tests.support.raw_http import RawConnection, chunks, request
from tests.support.waiting import wait_until

KIB, MIB = 1024, 1024 * 1024
MOST, HEADER_KIB, BODIES_MIB, IDLE_SECONDS = 40, 16, 48, 2
BOUNDS = {
    "MODELOPS_CONNECTIONS": str(MOST),
    "MODELOPS_HEADER_KIB": str(HEADER_KIB),
    "MODELOPS_BODIES_MIB": str(BODIES_MIB),
    "MODELOPS_REQUEST_SECONDS": "4",
    "MODELOPS_IDLE_SECONDS": str(IDLE_SECONDS),
}
HASTY = CANCER_YAML.replace("name: cancer", "name: hasty") + "  limits: {deadline: 1s}\n"
ROW = rows_of(cancer_frame().head(1))
BODY = json.dumps({"dataframe_records": ROW}).encode()
PATH = "/endpoints/cancer/invocations"
WAIT = 60


@dataclass
class Bounded:
    """A gateway with narrow bounds that asks for a key, and such a key."""

    gateway: RunningGateway
    key: str

    def connect(self, *, receive_buffer: int | None = None) -> RawConnection:
        port = self.gateway.client.base_url.port
        assert port is not None
        return RawConnection(port, receive_buffer=receive_buffer)

    def is_well(self) -> bool:
        return self.gateway.predict(ROW, **{"X-API-Key": self.key}).status_code == 200

    @contextmanager
    def grows_by_less_than(self, most: int) -> Iterator[None]:
        """Assert that the worker's memory, at its most meanwhile, grows by less than so many bytes."""
        (worker,) = worker_pids(self.gateway)
        Path(f"/proc/{worker}/clear_refs").write_text("5")  # the peak counts from now
        before = _most_bytes(worker)
        yield
        assert _most_bytes(worker) - before < most


@pytest.fixture(scope="module")
def bounded(trained_world: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bounded]:
    project = copied_project(trained_world, tmp_path_factory.mktemp("bounds") / "project")
    hasty = project.folder / "endpoints" / "hasty.yaml"
    hasty.write_text(HASTY)
    for spec in (project.spec, read_endpoint(hasty)):
        deploy(project.stores, spec, "1", actor="test", reason="test", force=True)
    key = project.stores.keys.create(grant("boss", ["admin"]), now=project.stores.now(), actor="test").text
    project.environment.update(BOUNDS)
    with running_gateway(project) as gateway:
        bounded = Bounded(gateway, key)
        assert bounded.is_well()
        yield bounded
        assert bounded.is_well()


# Headers


LARGE = {
    "a value": request(PATH, BODY, X_Large="x" * HEADER_KIB * KIB),
    "a name": request(PATH, BODY, **{"X" * HEADER_KIB * KIB: "x"}),
    "a target": request(PATH + "?" + "x" * HEADER_KIB * KIB, BODY),
    "many fields": request(PATH, BODY, **{f"X{number}": "x" for number in range(250)}),
    "a key": request(PATH, BODY, X_API_Key="x" * HEADER_KIB * KIB),
    "trailers": request(PATH, Transfer_Encoding="chunked") + b"1\r\n[\r\n0\r\n" + b"X: y\r\n" * 4000 + b"\r\n",
}


@pytest.mark.parametrize("sent", LARGE.values(), ids=LARGE)
def test_a_header_over_the_bound_is_refused_by_the_bound(bounded: Bounded, sent: bytes) -> None:
    with bounded.connect() as caller:
        refused = caller.send(sent).answer()
        if refused.status != 401:  # the header was complete and its caller unknown, before the trailers came
            assert (431, "header") == (refused.status, refused.code)
            assert f"{HEADER_KIB} KiB" in refused.json["error"]["message"]
            assert "MODELOPS_HEADER_KIB" in refused.json["error"]["remedy"]
        assert caller.is_ended()


def test_a_header_within_the_bound_is_read(bounded: Bounded) -> None:
    with bounded.connect() as caller:
        fields = {f"X{number}": "x" * 100 for number in range(60)}
        assert caller.send(request(PATH, BODY, X_API_Key=bounded.key, **fields)).answer().status == 200


ENDLESS = {
    "one value": (b"GET / HTTP/1.1\r\nX-Large: ", b"x" * KIB),
    "one name": (b"GET / HTTP/1.1\r\n", b"x" * KIB),
    "one target": (b"GET /", b"x" * KIB),
    "one method": (b"", b"GET" * KIB),
    "fields": (b"GET / HTTP/1.1\r\n", b"X: y\r\n" * 200),
    "empty lines": (b"", b"\r\n" * KIB),
    "one trailer": (request(PATH, Transfer_Encoding="chunked") + b"0\r\nX-Large: ", b"x" * KIB),
    "trailers": (request(PATH, Transfer_Encoding="chunked") + b"0\r\n", b"X: y\r\n" * 200),
    "an extension": (request(PATH, Transfer_Encoding="chunked") + b"1;", b"x" * KIB),
}


@pytest.mark.parametrize(("begin", "part"), ENDLESS.values(), ids=ENDLESS)
def test_a_header_without_an_end_takes_no_memory(bounded: Bounded, begin: bytes, part: bytes) -> None:
    with bounded.grows_by_less_than(16 * MIB), bounded.connect() as caller:
        sent = caller.send(begin).flood(part * 64, 300 * MIB)
    assert sent < 64 * MIB, "what is read of a refused caller, and the buffers of both systems"
    assert bounded.is_well()


def test_many_unfinished_headers_take_no_more_than_the_bounds_together(bounded: Bounded) -> None:
    with bounded.grows_by_less_than(16 * MIB), ExitStack() as stack:
        for _ in range(MOST - 5):
            caller = stack.enter_context(bounded.connect())
            caller.send(b"GET / HTTP/1.1\r\nX-Large: " + b"x" * (HEADER_KIB * KIB - 100))
        assert bounded.is_well()


# Bodies


def test_the_bodies_of_strangers_are_not_kept(bounded: Bounded) -> None:
    with bounded.grows_by_less_than(32 * MIB), ExitStack() as stack:
        for _ in range(MOST - 5):
            caller = stack.enter_context(bounded.connect())
            _flood_in_background(stack, caller.send(request(PATH, length=8 * MIB)), 4 * MIB)
            assert 401 == caller.answer().status
        assert bounded.is_well()


@pytest.mark.parametrize("path", [PATH, "/v2/models/cancer/infer", "/endpoints/cancer/labels", "/keys"])
@pytest.mark.parametrize("form", [{}, {"Transfer_Encoding": "chunked"}], ids=["with a length", "in chunks"])
def test_unfinished_bodies_are_bounded_together(bounded: Bounded, path: str, form: dict[str, str]) -> None:
    part = b" " * 7 * MIB
    with bounded.grows_by_less_than(120 * MIB), ExitStack() as stack:
        callers = [stack.enter_context(bounded.connect()) for _ in range(MOST - 5)]
        for caller in callers:
            with suppress(ConnectionError):
                caller.send(request(path, length=8 * MIB, X_API_Key=bounded.key, **form))
                caller.send(chunks(part).removesuffix(b"0\r\n\r\n") if form else part)
        answers = [caller.answer() for caller in callers]
        assert {408, 503} == {answer.status for answer in answers}, "those that are held stand still, and end"
        busy = next(answer for answer in answers if answer.status == 503)
        assert ("overload", "1") == (busy.code, busy.headers["retry-after"])
        assert "MODELOPS_BODIES_MIB" in busy.json["error"]["remedy"]
    wait_until(bounded.is_well, WAIT)


def test_one_body_is_bounded_by_its_route_alone(bounded: Bounded) -> None:
    key = {"X-API-Key": bounded.key}
    for path, size in ((PATH, 16 * MIB + 1), ("/endpoints/cancer/labels", 8 * MIB + 1)):
        answer = bounded.gateway.client.post(
            path, content=b" " * size, headers=key | {"content-type": "application/json"}
        )
        assert (413, "too_large") == (answer.status_code, answer.json()["error"]["code"])


# Time


SLOW = {
    "half a header": [b"POST ", b"/endpoints"],
    "no body": [request(PATH, length=1000)],
    "half a body": [request(PATH, length=1000), b"{"],
    "half a chunk": [request(PATH, Transfer_Encoding="chunked"), b"fff\r\n{"],
    "no trailers": [request(PATH, Transfer_Encoding="chunked"), b"1\r\n{\r\n0\r\n"],
    "a body of another route": [request("/endpoints/cancer/labels", length=1000), b"{"],
}


@pytest.mark.parametrize("drips", [False, True], ids=["that stops", "that drips"])
def test_a_request_that_does_not_arrive_is_ended(bounded: Bounded, *, drips: bool) -> None:
    with_key = f"\r\nX-API-Key: {bounded.key}\r\n".encode()
    own = {name: [head.replace(b"\r\n", with_key, 1), *parts] for name, (head, *parts) in SLOW.items()}
    stop = threading.Event()
    with ExitStack() as stack:
        stack.callback(stop.set)
        callers = {name: stack.enter_context(bounded.connect()).send(*parts) for name, parts in own.items()}
        if drips:
            threading.Thread(target=_drip, args=(callers, stop), daemon=True).start()
        for name, caller in callers.items():
            late = caller.answer()
            assert (408, "slow_request") == (late.status, late.code), name
            assert "MODELOPS_REQUEST_SECONDS" in late.json["error"]["remedy"]
            assert caller.is_ended(), name


def test_the_deadline_of_an_endpoint_covers_the_reading_of_its_request(bounded: Bounded) -> None:
    stop = threading.Event()
    with bounded.connect() as slow, bounded.connect() as patient:
        hasty = request(PATH.replace("cancer", "hasty"), length=1000, X_API_Key=bounded.key)
        threading.Thread(target=_drip, args=({"hasty": slow.send(hasty)}, stop), daemon=True).start()
        patient.send(request(PATH, length=len(BODY), X_API_Key=bounded.key), BODY[:9])
        assert (408, "slow_request") == ((late := slow.answer()).status, late.code)
        stop.set()
        assert patient.send(BODY[9:]).answer().status == 200


def test_a_connection_that_asks_for_nothing_is_closed_without_a_word(bounded: Bounded) -> None:
    with bounded.connect() as silent:
        assert silent.is_ended()


def test_a_connection_is_kept_between_requests(bounded: Bounded) -> None:
    with bounded.connect() as kept, bounded.connect() as silent:
        for _ in range(2):
            assert kept.send(request(PATH, BODY, X_API_Key=bounded.key)).answer().status == 200
            silent.rest()  # longer than a request may stand still


def test_a_caller_that_does_not_read_its_answers_is_dropped(bounded: Bounded) -> None:
    page = request("/docs/static/swagger-ui-bundle.js", method="GET")
    with bounded.connect(receive_buffer=4 * KIB) as deaf:
        deaf.send(page * 15)
        poll = select.poll()
        poll.register(deaf.socket, select.POLLERR)
        wait_until(lambda: poll.poll(0), WAIT)


# Connections


def test_connections_over_the_bound_are_told_so(bounded: Bounded) -> None:
    with ExitStack() as stack:
        callers = [stack.enter_context(bounded.connect()) for _ in range(MOST + 1)]
        answer = callers[-1].answer()
        assert (503, "overload", "1") == (answer.status, answer.code, answer.headers["retry-after"])
    wait_until(bounded.is_well, WAIT)


def test_a_flood_of_connections_takes_no_memory_and_ends(bounded: Bounded) -> None:
    with bounded.grows_by_less_than(32 * MIB), ExitStack() as stack, suppress(ConnectionError):
        for _ in range(300):
            stack.enter_context(bounded.connect()).send(b"GET / HTTP/1.1\r\nX-Large: " + b"x" * 10 * KIB)
    wait_until(bounded.is_well, WAIT)


def _most_bytes(pid: int) -> int:
    """Return the most memory that the process has had since its peak was reset, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * KIB for line in status.splitlines() if line.startswith("VmHWM"))


def _flood_in_background(stack: ExitStack, caller: RawConnection, most: int) -> None:
    thread = threading.Thread(target=caller.flood, args=(b" " * 64 * KIB, most), daemon=True)
    thread.start()
    stack.callback(thread.join, WAIT)


def _drip(callers: dict[str, RawConnection], stop: threading.Event) -> None:
    """Send a byte now and then, until each connection is ended."""
    while not stop.wait(IDLE_SECONDS / 10):
        for caller in callers.values():
            with suppress(OSError):
                caller.send(b"x")
