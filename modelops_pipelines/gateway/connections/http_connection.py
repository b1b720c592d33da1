"""One HTTP/1.1 connection: uvicorn's, with bounds that hold before anything is known of the caller.

Beyond uvicorn's own (0.54): a header, the requests that wait, the bodies of all connections and the time that a request
takes to arrive are bounded; trailers are read and ignored; an offered upgrade is declined, and its request answered.
"""

import socket
import struct
from typing import Any

import httptools
import orjson
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from modelops_pipelines.core.errors import (
    HeaderError,
    MalformedError,
    ModelOpsError,
    OverloadError,
    SlowRequestError,
)
from modelops_pipelines.gateway.connections.bounds import TICK_SECONDS, Connections, ticks
from modelops_pipelines.gateway.http.errors import body_of, headers_of, status_of

READ_SECONDS = "modelops.read_seconds"
"""The key of an ASGI scope under which a route sets how long its request may take to arrive, in seconds."""
MOST_WAITING = 16
LINGER_TICKS = 4
"""How long a refused caller may take to read why; a connection that is closed at once loses the answer."""
DROPPED_BYTES = 32 * 1024 * 1024
"""How much of what a refused caller still sends is read, so that it comes to read the answer.

Twice the usual bound of a body: a caller who was a little over it goes on with its connection.
"""
SPARE = 100
"""Connections beyond the bound that are told so before they are closed."""
FIELD_BYTES = 128
"""What a field takes in memory beside its text."""
_AT_ONCE = struct.pack("ii", 1, 0)
"""So the system gives up, too, what it still holds for a caller that does not read."""
_HOP_BY_HOP = frozenset({b"upgrade", b"http2-settings"})


class HttpConnection(HttpToolsProtocol):
    """One connection of a worker."""

    def __init__(self, connections: Connections, **options: Any) -> None:
        """Belong to the worker's connections; ``options`` are uvicorn's."""
        super().__init__(**options)
        self._all, self._bounds = connections, connections.bounds
        self._in_head = True
        self._declined: tuple[bytes, str] | None = None
        self._keeps_alive = self._is_chunked = self._is_used_up = False
        self._head_bytes = self._silent_bytes = self._held_bytes = 0
        self._is_arriving, self._has_begun = True, False
        self._begun_at = self._heard_at = connections.tick
        self._is_refused = False
        self._ends_at: int | None = None
        self._unread = self._unread_since = self._dropped_bytes = 0

    # The transport's events

    def connection_made(self, transport: Any) -> None:
        """Begin, or refuse a connection over the bound."""
        super().connection_made(transport)
        self._begun_at = self._heard_at = self._all.tick
        self._all.add(self, self.loop)
        over = len(self._all.open) - self._bounds.connections
        if over > SPARE:
            transport.abort()
        elif over > 0:
            self._refuse(OverloadError("The gateway has too many connections", "Try again in a moment"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Give back what the connection held."""
        self._all.open.discard(self)
        self._release()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived; what a refused caller still sends is thrown away."""
        if self._is_refused:
            self._drop(len(data))
            return
        self._unset_keepalive_if_required()
        self._heard_at = self._all.tick
        if not self._is_arriving:
            self._is_arriving, self._begun_at = True, self._heard_at
        if self._is_used_up:
            self._new_parser()
        self._silent_bytes += len(data)
        rest = data
        while rest and not self._is_refused:
            rest = self._parse(rest)
        if max(self._silent_bytes, self._head_bytes) > self._bounds.header_bytes and not self._is_refused:
            self._refuse(self._header_error())

    def _parse(self, data: bytes) -> bytes:
        """Feed the parser; return what to feed next: after an offered upgrade, the request without it."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._declined is not None:
                return self._request_without_upgrade(*self._declined) + data[upgrade.args[0] :]
        except httptools.HttpParserError as error:
            cause = error.__context__
            malformed = MalformedError("Invalid HTTP request", "Send HTTP/1.1 (RFC 9112)")
            self._refuse(cause if isinstance(cause, ModelOpsError) else malformed)
        return b""

    def _new_parser(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self._is_used_up = False

    def _request_without_upgrade(self, method: bytes, version: str) -> bytes:
        """Return the header just read, without the offer of another protocol, for a parser that begins anew."""
        self._new_parser()
        self._declined = None
        lines = [b"%s %s HTTP/%s" % (method, self.url, version.encode())]
        for name, value in self.headers:
            if name == b"connection":
                options = [option.strip() for option in value.split(b",")]
                value = b", ".join(option for option in options if option.lower() not in _HOP_BY_HOP)  # noqa: PLW2901
            if name not in _HOP_BY_HOP:
                lines.append(b"%s: %s" % (name, value))
        return b"\r\n".join([*lines, b"", b""])

    # The parser's events

    def on_message_begin(self) -> None:
        """Begin a request: its header counts from nothing, and its time runs."""
        if self._is_used_up:
            raise MalformedError("A request follows a chunked one", "Wait for the answer before you send the next")
        super().on_message_begin()
        self._in_head = self._is_arriving = self._has_begun = True
        self._is_chunked = False
        self._head_bytes = self._silent_bytes = self._dropped_bytes = 0
        self._begun_at = self._heard_at

    def on_url(self, url: bytes) -> None:
        """Take a part of the request's target."""
        self._head_bytes += len(url)
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; a trailer, which comes after the body, is counted and ignored."""
        self._head_bytes += len(name) + len(value) + FIELD_BYTES
        if self._in_head:
            name = name.lower()
            self.headers.append((name, value))
            if name == b"expect" and value.lower() == b"100-continue":
                self.expect_100_continue = True

    def on_headers_complete(self) -> None:
        """Start the request, unless it offers an upgrade: then it is parsed again without the offer."""
        if self._head_bytes > self._bounds.header_bytes:
            raise self._header_error()
        if self.parser.get_http_version() == "1.1" and not any(name == b"host" for name, _ in self.headers):
            raise MalformedError("The request has no Host header", "Send one, as HTTP/1.1 demands (RFC 9112)")
        if self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            self._declined = self.parser.get_method(), self.parser.get_http_version()
            return
        if len(self.pipeline) >= MOST_WAITING:
            raise OverloadError("Too many requests wait on one connection", "Wait for the answers")
        super().on_headers_complete()
        self._in_head = False
        self._keeps_alive = self.cycle.keep_alive
        if self.expect_100_continue:  # a caller that is refused need not send the body, so nothing may follow it
            self.cycle.keep_alive = False

    def on_chunk_header(self) -> None:
        """Note that the body is chunked: the parser would count its last trailer among the next request's headers."""
        self._is_chunked = True

    def on_body(self, body: bytes) -> None:
        """Take a part of the body, which counts towards all bodies until the request is answered."""
        self._silent_bytes = 0
        cycle = self.cycle
        if cycle.response_complete:
            self._drop(len(body))
            return
        cycle.body += body
        self._held_bytes += len(body)
        self._all.held_bytes += len(body)
        # The only body is bounded by its route; of several the one that is too much is refused.
        if self._all.held_bytes > self._bounds.body_bytes and self._all.held_bytes > self._held_bytes:
            raise OverloadError(
                f"The gateway holds {self._bounds.body_bytes // 2**20} MiB of other requests",
                "Try again in a moment, or raise MODELOPS_BODIES_MIB",
            )
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        """Complete the request."""
        self._silent_bytes = 0
        if self._declined is not None:
            return
        self._is_arriving = self._has_begun = False
        self._in_head, self._is_used_up = True, self._is_chunked
        cycle = self.cycle
        if self.expect_100_continue:
            cycle.keep_alive = self._keeps_alive
        cycle.more_body = False
        cycle.message_event.set()

    def on_response_complete(self) -> None:
        """Give back what the answered requests held."""
        if self.cycle.response_complete:
            self._release()
        super().on_response_complete()

    # Bounds

    def on_tick(self, tick: int) -> None:
        """Refuse a request that takes too long to arrive; drop a caller that does not read."""
        unread = self.transport.get_write_buffer_size()
        if unread == 0 or unread != self._unread:
            self._unread, self._unread_since = unread, tick
        elif tick - self._unread_since > self._bounds.request_ticks:
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            self.transport.abort()
        if self._ends_at is not None and tick > self._ends_at:
            self.transport.abort()
        if self._is_refused:
            return
        if self._is_arriving and not self.flow.read_paused and self._is_late(tick):
            self._end_late()

    def _is_late(self, tick: int) -> bool:
        most = self._bounds.request_ticks
        if self._has_begun and not self._in_head:
            given: Any = self.scope.get(READ_SECONDS)
            most = most if given is None else min(most, ticks(given))
        return tick - self._begun_at > most or tick - self._heard_at > self._bounds.idle_ticks

    def _end_late(self) -> None:
        if not self._has_begun:  # no request to answer: a connection that was opened in advance
            self.transport.close()
            return
        waited = TICK_SECONDS * (self._all.tick - self._begun_at)
        remedy = "Send it faster, or in parts; see MODELOPS_REQUEST_SECONDS and the endpoint's deadline"
        self._refuse(SlowRequestError(f"The request did not arrive within {waited:.0f} s", remedy))

    def _header_error(self) -> HeaderError:
        most = f"{self._bounds.header_bytes // 1024} KiB, with {FIELD_BYTES} bytes for each field"
        return HeaderError(f"The request's header is over {most}", "Send less, or raise MODELOPS_HEADER_KIB")

    def _drop(self, size: int) -> None:
        self._dropped_bytes += size
        if self._dropped_bytes > DROPPED_BYTES:
            self.transport.abort()

    def _release(self) -> None:
        self._all.held_bytes -= self._held_bytes
        self._held_bytes = 0

    def _refuse(self, error: ModelOpsError) -> None:
        """Answer with the error where an answer may still be given, and take nothing more from this connection."""
        self._is_refused = True
        self._all.note_refusal(error)
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete and self._in_head:
            cycle.keep_alive = False  # requests before this one are being answered; the last answer ends the connection
            return
        was_answered = cycle is not None and not self._in_head and (cycle.response_started or bool(self.pipeline))
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected, cycle.body = True, bytearray()
            cycle.message_event.set()
        self._release()
        if was_answered or self.transport.is_closing():
            self.transport.close()
            return
        self._ends_at = self._all.tick + LINGER_TICKS
        self.transport.write(self._rendered(error))
        self.flow.resume_reading()
        self.transport.write_eof()

    def _rendered(self, error: ModelOpsError) -> bytes:
        content = orjson.dumps(body_of(error, None))
        fields = {
            b"content-type": b"application/json",
            b"content-length": b"%d" % len(content),
            b"connection": b"close",
            **{name.encode(): value.encode() for name, value in headers_of(error).items()},
        }
        lines = [b"%s: %s\r\n" % pair for pair in (*self.server_state.default_headers, *fields.items())]
        return b"".join([STATUS_LINE[status_of(error)], *lines, b"\r\n", content])
