"""A real Redis server for one test, on a loopback port of its own, that can be killed, hung up and started again."""

import signal
import socket
import subprocess
from pathlib import Path

from tests.support.ports import free_port
from tests.support.waiting import wait_until


class RedisServer:
    """The server as a child process; what it holds is lost with it."""

    def __init__(self, folder: Path) -> None:
        self.port, self._folder = free_port(), folder
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, empty, and wait until it listens."""
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        with (self._folder / "redis.log").open("ab") as log:
            command = ["redis-server", *options, "--dir", str(self._folder)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until(self._listens, 20)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def hang(self, *, up: bool) -> None:
        """Let it answer nothing while its connections stay open, or go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP if up else signal.SIGCONT)

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True
