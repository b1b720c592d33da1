"""A message reaches no address of this machine or of a private network, whatever leads there, unless it is allowed."""

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from modelops_pipelines.channels.addresses import Target
from modelops_pipelines.channels.apprise_channel import send_by_apprise
from modelops_pipelines.channels.webhook import _connected, _within, post_webhook
from tests.support.receiver import Receiver, receiving

ASK = socket.getaddrinfo
REFUSED = "the address is refused"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "0"]
)
def test_a_webhook_does_not_reach_this_machine_by_any_name(receiver: Receiver, host: str) -> None:
    outcome = post_webhook(f"http://{host}:{receiver.port}/", b"{}", {})
    assert not outcome.is_delivered
    assert REFUSED in outcome.error
    assert [] == receiver.received


def test_a_webhook_reaches_this_machine_where_it_is_allowed(receiver: Receiver) -> None:
    assert post_webhook(receiver.url, b"{}", {}, allow_private=True).is_delivered


@pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]", "224.0.0.1"])
def test_a_clouds_own_addresses_are_refused_even_where_private_ones_are_allowed(host: str) -> None:
    outcome = post_webhook(f"http://{host}/latest/meta-data", b"{}", {}, allow_private=True)
    assert REFUSED in outcome.error


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(receiver: Receiver, status: int) -> None:
    receiver.answer, receiver.headers = status, {"location": f"http://127.0.0.1:{receiver.port}/inside"}
    outcome = post_webhook(receiver.url, b"{}", {}, allow_private=True)
    assert "redirects are not followed" in outcome.error
    assert ["/alerts"] == [got.path for got in receiver.received]


def test_a_name_that_leads_inside_at_the_second_look_is_looked_up_once(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The receiver's name leads to a public address first, and then here: the connection goes to the first."""
    asked: list[str] = []
    connected: list[Any] = []

    def rebinding(host: str, port: int, *args: Any, **options: Any) -> Any:
        asked.append(host)
        there = "192.0.2.1" if len(asked) > 1 else "8.8.8.8"
        return ASK("127.0.0.1" if len(asked) > 1 else there, port, *args, **options)

    def connect(_: socket.socket, address: Any) -> None:
        connected.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    monkeypatch.setattr(socket.socket, "connect", connect)
    outcome = post_webhook(f"http://rebinding.example:{receiver.port}/", b"{}", {})
    assert (["rebinding.example"], ["8.8.8.8"]) == (asked, connected)
    assert "the connection failed" in outcome.error
    assert [] == receiver.received


@pytest.mark.parametrize(
    "address",
    ["json://{0}/", "xml://{0}/", "form://{0}/", "jsons://{0}/", "mailto://{0}?from=a@b.example&to=c@d.example"],
)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_no_service_of_apprise_goes_around_the_check(receiver: Receiver, address: str, host: str) -> None:
    outcome = send_by_apprise(address.format(f"{host}:{receiver.port}"), "title", "body", "text")
    assert not outcome.is_delivered
    assert REFUSED in outcome.error, outcome.error
    assert [] == receiver.received


def test_apprise_reaches_this_machine_where_it_is_allowed(receiver: Receiver) -> None:
    assert send_by_apprise(f"json://127.0.0.1:{receiver.port}/", "t", "b", "text", allow_private=True).is_delivered
    assert ["POST"] == [got.method for got in receiver.received]


@pytest.mark.parametrize("allow_private", [False, True])
def test_this_machines_own_log_is_no_channel(*, allow_private: bool) -> None:
    outcome = send_by_apprise("syslog://", "t", "b", "text", allow_private=allow_private)
    assert not outcome.is_delivered


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("allow_private", [False, True])
def test_a_datagram_goes_to_a_name_whose_addresses_are_allowed(host: str, *, allow_private: bool) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(10)
        port = listening.getsockname()[1]
        outcome = send_by_apprise(f"rsyslog://{host}:{port}", "t", "hello", "text", allow_private=allow_private)
        if allow_private:
            assert outcome.is_delivered, outcome.error
            assert b"hello" in listening.recv(4096)
        else:
            assert REFUSED in outcome.error


def test_the_status_that_a_service_answered_decides_what_happens_next(receiver: Receiver) -> None:
    receiver.answer = 422
    outcome = send_by_apprise(f"json://127.0.0.1:{receiver.port}/", "t", "b", "text", allow_private=True)
    assert outcome.is_refused
    assert "the receiver answers 422" in outcome.error


def test_a_service_that_hangs_is_ended(receiver: Receiver) -> None:
    receiver.answer = "hangs"
    url = f"json://127.0.0.1:{receiver.port}/?rto=60"
    outcome = send_by_apprise(url, "t", "b", "text", allow_private=True, seconds=4)
    assert "apprise has not sent it within 4 s" == outcome.error


def test_an_unknown_service_is_told_without_its_address() -> None:
    outcome = send_by_apprise("nonsense://hunter2@example.com", "t", "b", "text")
    assert "apprise does not know this form of address" in outcome.error
    assert "hunter2" not in outcome.error


def test_a_receiver_that_sends_a_byte_now_and_then_is_left_after_the_limit() -> None:
    listening = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        taken, _ = listening.accept()
        try:
            for _ in range(200):
                taken.sendall(b"H")
                threading.Event().wait(0.05)
        except OSError:
            pass

    threading.Thread(target=drip, daemon=True).start()
    port = listening.getsockname()[1]
    outcome = post_webhook(f"http://127.0.0.1:{port}/", b"{}", {}, allow_private=True, seconds=1)
    assert outcome.error == "no answer within 1 s"


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Return the context of a server whose certificate is that of ours.example, and is trusted here."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=ours", "-days", "2"]
    made = [*make, "-addext", "subjectAltName=DNS:ours.example", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(made, check=True, capture_output=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    monkeypatch.setattr(socket, "getaddrinfo", lambda _, port, *a, **o: ASK("127.0.0.1", port, *a, **o))
    return context


def test_a_certificate_of_another_host_is_refused(tls: ssl.SSLContext) -> None:
    """The name is checked though the connection is made to an address."""
    with receiving(tls=tls) as receiver:
        for host, expected in (("ours.example", ""), ("theirs.example", "the certificate is not valid for the host")):
            outcome = post_webhook(f"https://{host}:{receiver.port}/", b"{}", {}, allow_private=True)
            assert expected in outcome.error
            assert outcome.is_delivered == (host == "ours.example")
    assert 1 == len(receiver.received)


def test_a_receiver_whose_handshake_ends_after_the_limit_is_left_then(tls: ssl.SSLContext) -> None:
    """Its address is the second one: the first took most of the time, so that no single wait is over."""
    silent, dripping = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
    is_left = threading.Event()

    def hold() -> None:
        taken, _ = silent.accept()
        threading.Event().wait(0.6)
        taken.close()

    def drip() -> None:
        taken, _ = dripping.accept()
        threading.Event().wait(0.7)
        try:
            secured = tls.wrap_socket(taken, server_side=True)
            for _ in range(400):
                secured.sendall(b"H")
                threading.Event().wait(0.05)
        except OSError:
            is_left.set()

    for work in (hold, drip):
        threading.Thread(target=work, daemon=True).start()
    targets = [Target(socket.AF_INET, sock.getsockname()) for sock in (silent, dripping)]
    parts = urlsplit("https://ours.example/")
    with _within(1.0) as limit, pytest.raises(TimeoutError):
        _connected(targets, parts, 1.0, limit)
    assert is_left.wait(10)
