"""What HTTP allows beside the plain request: trailers, offers of another protocol, Expect, pipelining, odd framing.

Each is sent over a socket, in one part and in several, and answered like the plain request or refused.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.operations.release.commands import deploy
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import Project, cancer_frame, copied_project, rows_of
from tests.support.raw_http import RawConnection, chunks, request

BODY = json.dumps({"dataframe_records": rows_of(cancer_frame().head(1))}).encode()
PATH = "/endpoints/cancer/invocations"
CHUNKED = {"Transfer_Encoding": "chunked"}
LIES = b"X-User-Id: mallory\r\nX-Session-Id: mallory\r\nX-Test-Call: 1\r\nX-API-Key: none\r\nHost: evil.example\r\n"


@dataclass
class Served:
    """A gateway, and a request to it that anyone would send."""

    gateway: RunningGateway
    plain: Any

    def connect(self) -> RawConnection:
        port = self.gateway.client.base_url.port
        assert port is not None
        return RawConnection(port)

    def logged(self, request_id: str) -> dict[str, Any]:
        found = self.gateway.client.get("/endpoints/cancer/logs", params={"request_id": request_id}).json()
        row: dict[str, Any] = found["rows"][0]
        return row

    def assert_answered(self, answer: Any) -> None:
        assert (200, self.plain) == (answer.status, answer.json["predictions"])


@pytest.fixture(scope="module")
def served(trained_world: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    project = copied_project(trained_world, tmp_path_factory.mktemp("raw") / "project")
    deploy(project.stores, project.spec, "1", actor="test", reason="test", force=True)
    with running_gateway(project) as gateway:
        yield Served(gateway, gateway.predict(json.loads(BODY)["dataframe_records"]).json()["predictions"])


# Trailers


@pytest.mark.parametrize("trailers", [LIES, LIES.splitlines(keepends=True)[0], b"X-Other: 1\r\n", b""], ids=len)
def test_what_follows_a_chunked_body_changes_neither_its_request_nor_the_next(served: Served, trailers: bytes) -> None:
    head = request(PATH, **CHUNKED, X_User_Id="ann", X_Session_Id="s1")
    with served.connect() as caller:
        for parts in ([head + chunks(BODY, trailers=trailers)], [head, *_bytes(chunks(BODY, trailers=trailers))]):
            answer = caller.send(*parts).answer()
            served.assert_answered(answer)
            row = served.logged(answer.json["request_id"])
            assert ("ann", "s1", "live") == (row["user_id"], row["session_id"], row["source"])
            after = caller.send(request(PATH, BODY)).answer()
            served.assert_answered(after)
            row = served.logged(after.json["request_id"])
            assert (None, None, "live") == (row["user_id"], row["session_id"], row["source"])


def test_trailers_open_no_route(served: Served) -> None:
    head = request("/endpoints/cancer/labels", **CHUNKED).replace(b"application/json", b"text/plain")
    with served.connect() as caller:
        refused = caller.send(head + chunks(b"{}", trailers=b"Content-Type: application/json\r\nX: 1\r\n")).answer()
        assert (415, "media_type") == (refused.status, refused.code)


def test_what_is_sent_behind_a_chunked_request_before_its_answer_is_not_taken_for_a_part_of_it(served: Served) -> None:
    first = request(PATH, **CHUNKED) + chunks(BODY, trailers=LIES)
    with served.connect() as caller:
        caller.send(first + request(PATH, BODY))
        served.assert_answered(caller.answer())
        assert caller.is_ended()


# Offers of another protocol


OFFERS = {
    "h2c": {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2_Settings": "AAMAAABkAAQAAP__"},
    "a WebSocket": {"Connection": "keep-alive, Upgrade", "Upgrade": "websocket", "Sec_WebSocket_Key": "eA==",
                    "Sec_WebSocket_Version": "13"},
    "TLS": {"Connection": "upgrade", "Upgrade": "TLS/1.0, HTTP/2.0"},
    "an unknown one": {"Connection": "Upgrade", "Upgrade": "x"},
    "one without its option": {"Connection": "keep-alive", "Upgrade": "h2c"},
    "an option without an offer": {"Connection": "Upgrade, close-not, X-User-Id"},
}  # fmt: skip


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
def test_an_offer_is_declined_and_its_request_answered(served: Served, offer: dict[str, str]) -> None:
    sized = request(PATH, BODY, X_User_Id="ann", **offer)
    chunked = request(PATH, **CHUNKED, X_User_Id="ann", **offer) + chunks(BODY[:9], BODY[9:])
    with served.connect() as caller:
        for sent in ([sized], [sized[:40], sized[40:90], sized[90:-9], sized[-9:]], [chunked], [*_bytes(chunked)]):
            answer = caller.send(*sent).answer()
            served.assert_answered(answer)
            assert "ann" == served.logged(answer.json["request_id"])["user_id"]
        got = caller.send(request("/health/live", method="GET", **offer)).answer("GET")
        assert (200, "live") == (got.status, got.json["status"])
        refused = caller.send(request("/endpoints/cancer/labels", b"{", **offer)).answer()
        assert (400, "malformed") == (refused.status, refused.code)


def test_offers_in_a_row_are_all_answered(served: Served) -> None:
    with served.connect() as caller:
        caller.send(request(PATH, BODY, **OFFERS["h2c"]) * 3)
        for _ in range(3):
            served.assert_answered(caller.answer())


# Expect


def test_a_caller_that_waits_is_told_to_go_on(served: Served) -> None:
    head, body = request(PATH, length=len(BODY), Expect="100-continue"), BODY
    with served.connect() as caller:
        for _ in range(2):
            assert b"HTTP/1.1 100 Continue\r\n\r\n" == caller.send(head).socket.recv(100)
            served.assert_answered(caller.send(body).answer())


@pytest.mark.parametrize("path", ["/endpoints/nowhere/invocations", "/nowhere"])
def test_a_caller_that_waits_and_is_refused_is_told_that_the_connection_ends(served: Served, path: str) -> None:
    with served.connect() as caller:
        refused = caller.send(request(path, length=10, Expect="100-continue")).answer()
        assert (404, "close") == (refused.status, refused.headers["connection"])
        assert caller.is_ended()


# Framing


BROKEN = {
    "no HTTP": b"ehlo example.com\r\n\r\n",
    "HTTP/2 without an offer": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a tunnel": b"CONNECT example.com:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no Host": b"GET /health/live HTTP/1.1\r\n\r\n",
    "two Hosts": request("/health/live", method="GET").replace(b"\r\n\r\n", b"\r\nHost: localhost\r\n\r\n"),
    "two lengths": request(PATH, BODY).replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\n"),
    "a length and chunks": request(PATH, BODY).replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n"),
    "a negative length": request(PATH, length=-1),
    "a length that is none": request(PATH, BODY).replace(b"Content-Length: ", b"Content-Length: x"),
    "a chunk without a size": request(PATH, **CHUNKED) + b"zz\r\n",
    "another coding": request(PATH, Transfer_Encoding="gzip") + BODY,
    "a space in a name": request("/health/live", method="GET").replace(b"Host:", b"Host :"),
    "a null byte": request("/health/live", method="GET").replace(b"localhost", b"local\x00host"),
    "a folded line": request("/health/live", method="GET").replace(b"\r\n\r\n", b"\r\nX-User-Id: a\r\n b\r\n\r\n"),
    "a bare line feed": b"GET /health/live HTTP/1.1\nHost: localhost\rX: y\n\n",
}


@pytest.mark.parametrize("sent", BROKEN.values(), ids=BROKEN)
def test_what_could_be_read_in_two_ways_is_refused_in_the_one_shape(served: Served, sent: bytes) -> None:
    with served.connect() as caller:
        refused = caller.send(sent).answer("GET")
        assert (400, "malformed") == (refused.status, refused.code)
        assert sorted(refused.json["error"]) == ["code", "message", "remedy", "request_id"]


def test_a_few_requests_may_wait_on_a_connection_and_many_are_not_taken(served: Served) -> None:
    one = request("/health/live", method="GET")
    with served.connect() as caller:
        caller.send(one * 10)
        assert [200] * 10 == [caller.answer("GET").status for _ in range(10)]
        answered = caller.send(one * 5000).rest().count(b"HTTP/1.1 200")
        assert 1 <= answered < 100


def test_the_gateway_is_well_and_has_logged_nothing_that_a_caller_sent(served: Served, tmp_path: Path) -> None:
    served.assert_answered(served.connect().send(request(PATH, BODY)).answer())
    lines = [json.loads(line) for line in served.gateway.log.read_text().splitlines()]
    assert [line for line in lines if line["level"] not in ("info", "warning")] == []
    assert [line for line in lines if "mallory" in str(line) or "example.com" in str(line)] == []


def _bytes(sent: bytes) -> list[bytes]:
    """Return every byte by itself: what is read at once depends on nothing but the network."""
    return [sent[i : i + 1] for i in range(len(sent))]
