"""Keeps a process from connecting to addresses that are not allowed, and from starting others.

It is for a process that runs a library which connects by itself. Every connection of Python's own sockets is judged
when it is made, whatever name, redirect or thread led there. A datagram to a name goes to an address that was judged.
It cannot be taken off again.
"""

import socket
import sys
from ipaddress import ip_address
from typing import Any

from modelops_pipelines.channels.addresses import RefusedAddressError, require_allowed, targets_of

_CONNECTIONS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_PROCESSES = ("subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.system", "os.startfile", "pty.")
_UNJUDGED = "syslog."
"""Calls of C that send by themselves, and say that all is well when nobody listens."""


class Guard:
    """What the guard of this process has refused."""

    def __init__(self, *, allow_private: bool) -> None:
        """Begin to guard this process."""
        self.has_refused = False
        self._allow_private = allow_private
        sys.addaudithook(self._judge)
        self._resolve_datagrams()

    def _resolve_datagrams(self) -> None:
        """Resolve a datagram's name here: the system's own call would look it up again once it was judged."""
        send: Any = socket.socket.sendto

        def sendto(sock: socket.socket, data: bytes, *rest: Any) -> int:
            *flags, address = rest
            sent: int = send(sock, data, *flags, self._resolved(sock, address))
            return sent

        socket.socket.sendto = sendto  # type: ignore[assignment, method-assign]

    def _resolved(self, sock: socket.socket, address: Any) -> Any:
        if not isinstance(address, tuple) or _is_address(str(address[0])):
            return address
        try:
            found = targets_of(str(address[0]), address[1], allow_private=self._allow_private)
        except RefusedAddressError:
            self.has_refused = True
            raise PermissionError from None
        target = next((one for one in found if one.family == sock.family), None)
        if target is None:
            raise OSError
        return target.address

    def _judge(self, event: str, args: tuple[Any, ...]) -> None:
        if event in _CONNECTIONS:
            self._judge_address(args[1])
        elif event.startswith((*_PROCESSES, _UNJUDGED)):
            self.has_refused = True
            raise PermissionError(event)

    def _judge_address(self, address: object) -> None:
        if address is None:  # a datagram of a socket that is connected already
            return
        host = address[0] if isinstance(address, tuple) and address else ""
        try:
            require_allowed(str(host), allow_private=self._allow_private)
        except RefusedAddressError:
            self.has_refused = True
            raise PermissionError from None


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
