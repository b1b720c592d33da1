"""Whether the ports of the services are free, and which process holds one that is not."""

import errno
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from modelops_pipelines.core.errors import SettingsError

_LISTENS = "0A"
_LOCAL, _STATE, _INODE = 1, 3, 9
"""Columns of ``/proc/net/tcp``."""


def require_free(host: str, ports: Mapping[str, int]) -> None:
    """Raise SettingsError, with the service and the process that holds its port, unless all the ports are free."""
    for name, port in ports.items():
        same = next((other for other, theirs in ports.items() if other != name and theirs == port and port), None)
        if same is not None:
            raise SettingsError(
                f"The port {host}:{port} is set for {name} and for {same}",
                f"Set MODELOPS_{name.upper()}_PORT to another port",
            )
        problem = _problem(host, port)
        if problem is not None:
            holder = _holder(port)
            known = f". It is process {holder}" if holder else ""
            raise SettingsError(
                f"The port {host}:{port} of {name} {problem}",
                f"Stop the process that listens there, or set MODELOPS_{name.upper()}_PORT to another port{known}",
            )


def _problem(host: str, port: int) -> str | None:
    """Return why the port cannot be listened on, or None."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError as error:
        return "is in use" if error.errno == errno.EADDRINUSE else f"cannot be bound ({error.strerror or error})"
    return None


def _holder(port: int) -> str | None:
    """Return the id and the name of the process that listens on a port; None where this user cannot see it."""
    wanted = {f"socket:[{inode}]" for inode in _inodes(port)}
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):  # it has ended, or is another user's
            if str(descriptor.readlink()) in wanted:
                process = descriptor.parents[1]
                name = "".join(one for one in (process / "comm").read_text() if one.isprintable())
                return f"{process.name} ({name})"
    return None


def _inodes(port: int) -> set[str]:
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[_STATE] == _LISTENS and int(fields[_LOCAL].rpartition(":")[2], 16) == port:
                    found.add(fields[_INODE])
    return found
