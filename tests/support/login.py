"""A server that turns everybody away until they sign in, as the login before a company's MLflow does."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOLD = b"You are not authenticated"


@dataclass
class Login:
    """Its address, and the paths that it turned away."""

    uri: str
    turned_away: list[str] = field(default_factory=list)


@contextmanager
def login() -> Iterator[Login]:
    """Answer every request with 401 until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            asking.turned_away.append(self.path)
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="mlflow"')
            self.send_header("Content-Length", str(len(TOLD)))
            self.end_headers()
            self.wfile.write(TOLD)

        do_POST = do_GET  # noqa: N815 - http.server's name

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    asking = Login(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield asking
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
