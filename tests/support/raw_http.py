"""HTTP by hand, over a socket: what no client would send."""

import json
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any, Self

SECONDS = 60


@dataclass
class RawAnswer:
    """One response."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def code(self) -> str:
        return str(self.json["error"]["code"])


class _Received:
    """What has come over a socket; what one response leaves belongs to the next."""

    def __init__(self, connected: socket.socket) -> None:
        self.file = connected.makefile("rb")

    def makefile(self, _: str) -> Self:
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def close(self) -> None:
        """Stay open for the next response."""


class RawConnection:
    """One connection to a gateway."""

    def __init__(self, port: int, *, receive_buffer: int | None = None) -> None:
        """Connect; a small receive buffer makes a caller that does not read."""
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect(("127.0.0.1", port))
        self._received = _Received(self.socket)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._received.file.close()
        self.socket.close()

    def send(self, *parts: bytes) -> Self:
        """Send the parts, each by itself."""
        for part in parts:
            self.socket.sendall(part)
        return self

    def answer(self, method: str = "POST") -> RawAnswer:
        """Read one response; raises ConnectionError when the gateway ends the connection without one."""
        response = HTTPResponse(self._received, method=method)  # type: ignore[arg-type] # all that it asks of a socket
        response.begin()
        content = response.read()
        return RawAnswer(response.status, dict(response.getheaders()), content)

    def rest(self) -> bytes:
        """Return what comes until the gateway ends the connection."""
        found = b""
        with suppress(ConnectionError):
            while part := self._received.file.read1(65536):
                found += part
        return found

    def is_ended(self) -> bool:
        """Return whether the gateway ends the connection without another byte."""
        return self.rest() == b""

    def flood(self, part: bytes, most: int) -> int:
        """Send the part again and again until the gateway ends the connection; return the bytes sent, up to ``most``."""
        sent = 0
        with suppress(ConnectionError):
            while sent < most:
                sent += self.socket.send(part)
        return sent


def request(path: str, body: bytes = b"", *, method: str = "POST", length: int | None = None, **fields: str) -> bytes:
    """Return a request with a JSON body, and these header fields (``_`` stands for ``-``)."""
    names = {"Host": "localhost", "Content-Type": "application/json"}
    names |= {name.replace("_", "-"): value for name, value in fields.items()}
    if method == "POST" and "Transfer-Encoding" not in names:
        names["Content-Length"] = str(len(body) if length is None else length)
    head = "".join(f"{name}: {value}\r\n" for name, value in names.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def chunks(*parts: bytes, trailers: bytes = b"") -> bytes:
    """Return a body in chunks, and trailers, each with its line's end."""
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n" + trailers + b"\r\n"
