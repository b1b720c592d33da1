"""Ports for the services of a test."""

import socket
from pathlib import Path

LISTENS = "0A"
"""The state of a listening socket in the kernel's table of sockets."""


def free_port() -> int:
    """Return a port that nothing listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def listeners(port: int) -> list[int]:
    """Return the ids of the processes that hold a socket listening on a TCP port of this machine."""
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    sockets = {f"socket:[{row[9]}]" for row in rows if row[3] == LISTENS and row[1].endswith(f":{port:04X}")}
    return [int(folder.name) for folder in Path("/proc").glob("[0-9]*") if sockets & _open_files(folder)]


def _open_files(process: Path) -> set[str]:
    try:
        return {str(file.readlink()) for file in (process / "fd").iterdir()}
    except OSError:
        return set()
