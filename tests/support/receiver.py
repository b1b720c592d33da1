"""A real HTTP server that receives messages, and behaves as badly as a test wants."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

OK, DROPS, HANGS = 204, "drops", "hangs"
"""What it answers: a status, or it closes the connection, or it never answers."""


@dataclass(frozen=True)
class Received:
    """One request, as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    answer: int | str

    @property
    def id(self) -> str:
        """The message's id."""
        return self.headers.get("webhook-id", "")


@dataclass
class Receiver:
    """The server's behaviour and what it has received; ``by_path`` has behaviours of single paths."""

    port: int = 0
    answer: int | str = OK
    headers: dict[str, str] = field(default_factory=dict)
    by_path: dict[str, int | str] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}/alerts"

    def accepted(self) -> list[Received]:
        """Return the requests that were answered with success."""
        return [one for one in self.received if isinstance(one.answer, int) and 200 <= one.answer < 300]


@contextmanager
def receiving(port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """Run a server on a port of its own, or on a given one."""
    receiver = Receiver()
    server = ThreadingHTTPServer(("127.0.0.1", port), _handler(receiver))
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            answer = receiver.by_path.get(self.path, receiver.answer)
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.received.append(Received(self.command, self.path, headers, body, answer))
            if answer == HANGS:
                receiver.released.wait(60)
            if isinstance(answer, str):
                self.close_connection = True
                return
            with suppress(OSError):
                self.send_response(answer)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.end_headers()

        do_GET = do_POST  # noqa: N815 - the name that http.server looks for

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    return Handler
