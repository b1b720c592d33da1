"""uvicorn's server with a shutdown that resets no connection: it accepts what waits, answers what comes, then closes.

uvicorn's own closes each idle connection at once, also one whose request is on its way, and leaves those in the queue
of the listening socket to be reset.
"""

import asyncio
import ctypes
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from uvicorn.config import Config
from uvicorn.server import Server

ACCEPT_SECONDS = 0.05
"""How long the connections that wait in the queue are accepted; nobody else does when the gateway ends."""
LINGER_SECONDS = 0.5
"""How long an idle connection stays open for a request that is on its way; its answer says 'Connection: close'."""
POLL_SECONDS = 0.02
_SO_ATTACH_FILTER = 26
_DROP_ALL = struct.pack("HBBI", 0x06, 0, 0, 0)
"""A socket filter of one instruction: drop the packet (Linux)."""


class GracefulServer(Server):
    """A server on a listening socket that others share."""

    def __init__(self, config: Config, listener: socket.socket, is_warm: Callable[[], bool] = lambda: True) -> None:
        """Serve what the socket accepts; ``is_warm`` says whether what should be in memory is loaded."""
        super().__init__(config)
        self._listener, self.is_warm = listener, is_warm

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until a signal."""
        super().run([self._listener] if sockets is None else sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, answer every request that was sent, close; requests get at most the configured timeout."""
        closing = (b"connection", b"close")
        self.server_state.default_headers = [*self.server_state.default_headers, closing]
        await asyncio.sleep(ACCEPT_SECONDS)
        for server in self.servers:
            server.close()
        for one in sockets or []:
            one.close()
        for _ in range(round(LINGER_SECONDS / POLL_SECONDS)):
            if not self.server_state.connections:
                break
            await asyncio.sleep(POLL_SECONDS)
        await super().shutdown(sockets)


def drop_new_connections(listener: socket.socket) -> None:
    """Let no new connection into the socket's queue, where the system can; those in it can still be accepted.

    Their sender tries again after a second, and is then refused, or served by the next gateway. A connection that came
    between the last accept and the close would be reset.
    """
    program = ctypes.create_string_buffer(_DROP_ALL)
    described: Any = struct.pack("HP", 1, ctypes.addressof(program))
    with suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, described)
