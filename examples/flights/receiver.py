"""A receiver of webhooks on this machine: it keeps what it is sent, and checks the signature of each message.

The signature is checked by the convention itself (Standard Webhooks), not with the code that signs.
"""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LOOPBACK = "127.0.0.1"
PREFIX = "whsec_"
_LONGEST_WAIT = 0.1


@dataclass(frozen=True)
class Received:
    """One message as it came: when (monotonic and wall clock), its id, its body, and whether its signature is right."""

    monotonic: float
    at: float
    message_id: str
    body: Mapping[str, Any]
    signed: bool

    @property
    def alerts(self) -> list[dict[str, Any]]:
        """The changes of alerts that the message tells."""
        content = self.body.get("data", self.body)
        return list(content.get("alerts", []))

    @property
    def title(self) -> str:
        """Its title."""
        return str(self.body.get("data", self.body).get("title", ""))


@dataclass
class Receiver:
    """What a receiver was sent so far, and its address."""

    url: str
    secret: str
    received: list[Received] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def keep(self, headers: Mapping[str, str], content: bytes) -> None:
        """Keep a message."""
        number = headers.get("webhook-id", "")
        one = Received(time.monotonic(), time.time(), number, json.loads(content), self._is_signed(headers, content))
        with self.changed:
            self.received.append(one)
            self.changed.notify_all()

    def _is_signed(self, headers: Mapping[str, str], content: bytes) -> bool:
        """Return whether one of the signatures is that of ``id.timestamp.body`` with the shared secret."""
        key = base64.b64decode(self.secret.removeprefix(PREFIX))
        told = b".".join(
            [headers.get("webhook-id", "").encode(), headers.get("webhook-timestamp", "").encode(), content]
        )
        expected = "v1," + base64.b64encode(hmac.new(key, told, hashlib.sha256).digest()).decode()
        given = headers.get("webhook-signature", "").split(" ")
        return any(hmac.compare_digest(expected, one) for one in given)

    def told(self, endpoint: str, *, rule: str = "", event: str = "", since: int = 0) -> list[Received]:
        """Return the messages, from the one numbered ``since`` on, with such a change of an alert."""
        with self.changed:
            newer = self.received[since:]
        return [one for one in newer if any(_matches(alert, endpoint, rule, event) for alert in one.alerts)]

    def wait(
        self, endpoint: str, seconds: float, *, rule: str = "", event: str = "", since: int = 0
    ) -> Received | None:
        """Wait for the first such message; None when there is none in time."""
        ends = time.monotonic() + seconds
        while not (found := self.told(endpoint, rule=rule, event=event, since=since)):
            left = ends - time.monotonic()
            if left <= 0:
                return None
            with self.changed:
                self.changed.wait(min(left, _LONGEST_WAIT))
        return found[0]


def _matches(alert: Mapping[str, Any], endpoint: str, rule: str, event: str) -> bool:
    named = alert.get("endpoint") == endpoint and str(alert.get("rule", "")).startswith(rule)
    return named and event in {"", alert.get("event")}


@contextmanager
def receiving(secret: bytes) -> Iterator[Receiver]:
    """Run a receiver on a free port of this machine until the block ends."""
    server = ThreadingHTTPServer((LOOPBACK, 0), BaseHTTPRequestHandler)
    shared = PREFIX + base64.b64encode(secret).decode()
    receiver = Receiver(f"http://{LOOPBACK}:{server.server_address[1]}/alerts", shared)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["content-length"]))
            receiver.keep({name.lower(): value for name, value in self.headers.items()}, content)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server.RequestHandlerClass = Handler
    thread = threading.Thread(target=server.serve_forever, name="receiver", daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
