"""A process that has imported what every run imports, and forks each run's process: half of a short run is imports.

It ends with the process that started it, after a quarter of an hour without a run, and when a file that it has imported
has changed. The processes of runs go on. Each begins its run only when it is told to, and ends with the one that wants
it until then: no run is executed twice, whoever is killed meanwhile.
"""

import os
import random
import select
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Self

import orjson

IDLE_SECONDS = 900
START_SECONDS = 60.0
"""How long the process of a run may take to tell its id: imports, on a machine with other work."""
_NUMBER = struct.Struct("!I")
_BEGIN = b"!"
_TRIES = 2


@dataclass(frozen=True)
class _Order:
    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: str


@dataclass(frozen=True)
class WaitingRun:
    """The process of a run that waits to be told to begin; it ends when it is closed before."""

    pid: int
    line: socket.socket

    def begin(self) -> None:
        """Have the run begin; raises OSError when its process has ended."""
        self.line.sendall(_BEGIN)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.line.close()


class RunForks:
    """Has processes of runs forked. Only for Linux: on macOS the system's own libraries do not survive a fork.

    The first run of a process is not forked (``fork`` returns None): a command that starts one run would wait for the
    imports of two.
    """

    def __init__(self, module: str) -> None:
        """Take the module whose ``main`` calls ``serve``."""
        self._module = module
        self._lock = Lock()
        self._control: socket.socket | None = None
        self._is_first = True

    def fork(self, arguments: Sequence[str], environment: Mapping[str, str]) -> WaitingRun | None:
        """Return the process of a run, with these arguments of Dagster's command; None where it is not to be had."""
        with self._lock:
            is_first, self._is_first = self._is_first, False
        if is_first or sys.platform != "linux":
            return None
        order = orjson.dumps(_Order(arguments, environment, str(Path.cwd())))
        for _ in range(_TRIES):  # the first may be asked of one whose code has changed, which ends
            ours, theirs = socket.socketpair()
            with theirs, suppress(OSError):
                self._send(order, theirs, environment)
            ours.settimeout(START_SECONDS)
            with suppress(OSError):
                if len(told := ours.recv(_NUMBER.size, socket.MSG_WAITALL)) == _NUMBER.size:
                    return WaitingRun(_NUMBER.unpack(told)[0], ours)
            ours.close()
        return None

    def _send(self, order: bytes, line: socket.socket, environment: Mapping[str, str]) -> None:
        with self._lock:
            with suppress(OSError):  # it has ended meanwhile
                if self._control is not None:
                    _give(self._control, order, line)
                    return
            self._control = self._start(environment)
            _give(self._control, order, line)

    def _start(self, environment: Mapping[str, str]) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            number = theirs.fileno()
            command = [sys.executable, "-P", "-m", self._module, str(number)]
            subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, pass_fds=[number], start_new_session=True
            )
        return ours


def _give(control: socket.socket, order: bytes, line: socket.socket) -> None:
    socket.send_fds(control, [_NUMBER.pack(len(order))], [line.fileno()])
    control.sendall(order)


def serve(control: socket.socket, idle_seconds: float = IDLE_SECONDS) -> Sequence[str]:
    """Fork processes of runs until nobody wants any, then exit; return, in each of those, the arguments of its run."""
    signal.signal(signal.SIGCHLD, _collect)
    imported = _files()
    while select.select([control], [], [], idle_seconds)[0]:
        head, lines, _, _ = socket.recv_fds(control, _NUMBER.size, 1, socket.MSG_WAITALL)
        if len(head) != _NUMBER.size or not lines:
            break
        order = control.recv(_NUMBER.unpack(head)[0], socket.MSG_WAITALL)
        with socket.socket(fileno=lines[0]) as line:
            if _files() != imported:
                control.close()  # before the line: who asks again, then asks another
                break
            if os.fork() == 0:
                control.close()
                return _become(_Order(**orjson.loads(order)), line)
    control.close()
    sys.exit()


def _become(order: _Order, line: socket.socket) -> Sequence[str]:
    """Be the process of a run: like a new one, but for what is imported."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    random.seed()
    os.environ.clear()
    os.environ.update(order.environment)
    os.chdir(order.folder)
    begun = b""
    with suppress(OSError):
        line.sendall(_NUMBER.pack(os.getpid()))
        begun = line.recv(len(_BEGIN))
    if begun != _BEGIN:
        os._exit(0)
    return order.arguments


def _collect(*_: object) -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _files() -> Mapping[str, tuple[int, int] | None]:
    """Return the time of change and the size of each imported file; None for one that is gone."""
    found = (_file_of(module) for module in list(sys.modules.values()))
    return {file: _state(file) for file in found if file is not None}


def _file_of(module: ModuleType) -> str | None:
    return getattr(module, "__file__", None)


def _state(file: str) -> tuple[int, int] | None:
    with suppress(OSError):
        stat = Path(file).stat()
        return stat.st_mtime_ns, stat.st_size
    return None
