"""The process that starts versions' processes: forked from a worker before it has threads, with everything imported.

A version's process cannot be forked from the worker itself: another thread may hold a lock at that moment. The
launcher runs no model, so it lives as long as its worker; when the worker ends, it kills what it started and ends.
Neither it nor what it starts has the secrets of the worker's environment.
"""

import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from modelops_pipelines.gateway.version_process.environment_launchers import EnvironmentLaunchers
from modelops_pipelines.operations.models.model_environment import forget_secrets, model_environment
from modelops_pipelines.store.filesystem.forked_children import Ends, be_killed_first, begin_session, kill, kill_session
from modelops_pipelines.store.filesystem.process_identity import end_with_parent
from modelops_pipelines.store.filesystem.scratch import Scratch

LANES = 8
"""Channels to a version's process, and so the most predictions that it makes at a time."""
_COMMAND = struct.Struct("!cq")
_NUMBER = struct.Struct("!q")
_START, _KILL = b"s", b"k"


@dataclass(frozen=True)
class Launched:
    """A version's process: its id, its channels, and the socket that tells how it ended."""

    pid: int
    lanes: list[socket.socket]
    status: socket.socket

    def wait(self) -> int:
        """Return the process's wait status once it has ended; -1 when the launcher itself is gone."""
        with self.status:
            told = self.status.recv(_NUMBER.size, socket.MSG_WAITALL)
        return int(_NUMBER.unpack(told)[0]) if len(told) == _NUMBER.size else -1


class Launcher:
    """The worker's side: it starts and kills versions' processes. Started anew when it is gone."""

    def __init__(self) -> None:
        """Take the launcher that ``fork_launcher`` left, or start one at the first use."""
        self._lock = threading.Lock()
        self._control = _forked.pop() if _forked else None

    def start(self, environment: Path | None = None) -> Launched:
        """Start a process; raises OSError when that fails.

        With an ``environment`` there is a launcher in it before, from which the process gets the one that answers.
        """
        pairs = [socket.socketpair() for _ in range(LANES + 1)]
        theirs = [pair[1] for pair in pairs]
        try:
            with self._lock:
                self._send(_START, theirs, str(environment or ""))
        finally:
            for one in theirs:
                one.close()
        *lanes, status = [pair[0] for pair in pairs]
        told = status.recv(_NUMBER.size, socket.MSG_WAITALL)
        if len(told) != _NUMBER.size:
            raise ChildProcessError("The launcher of versions' processes ended")
        return Launched(_NUMBER.unpack(told)[0], lanes, status)

    def kill(self, pid: int) -> None:
        """Kill a process that was started here, unless it has ended; its id is not used again before."""
        with self._lock, suppress(OSError):
            if self._control is not None:
                self._control.sendall(_COMMAND.pack(_KILL, pid))

    def close(self) -> None:
        """End the launcher, and with it every process that it started."""
        with self._lock:
            if self._control is not None:
                self._control.close()
                self._control = None

    def _send(self, command: bytes, sockets: list[socket.socket], environment: str) -> None:
        descriptors, named = [one.fileno() for one in sockets], os.fsencode(environment)
        content = [_COMMAND.pack(command, len(named)), named]
        with suppress(OSError):
            if self._control is not None:
                socket.send_fds(self._control, content, descriptors)
                return
        self._control = _spawn()
        socket.send_fds(self._control, content, descriptors)


_forked: list[socket.socket] = []


def fork_launcher() -> None:
    """Fork this process's launcher; only for a process with one thread. The next ``Launcher`` uses it."""
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        serve(theirs)
    theirs.close()
    _forked.append(ours)


def _spawn() -> socket.socket:
    """Start a launcher from nothing: seconds slower than a fork, and right where this process has threads."""
    ours, theirs = socket.socketpair()
    with theirs:
        command = [sys.executable, "-m", __name__, str(theirs.fileno())]
        subprocess.Popen(command, env=model_environment(), pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
    return ours


def serve(control: socket.socket) -> NoReturn:
    """Be the launcher until the worker is gone."""
    try:
        _forget_descriptors(control.fileno())
        forget_secrets()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # the worker answers what it has begun; its end is the signal
        _Children(control).run()
    finally:
        os._exit(0)


class _Children:
    """The launcher's loop over its commands and its children."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._running: dict[int, tuple[socket.socket, Scratch]] = {}
        self._environments = EnvironmentLaunchers()
        self._ends = Ends()

    def run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            selector.register(self._ends, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select(self._environments.pause)}
                self._environments.end_unused()
                if self._ends in ready:
                    self._ends.heard()
                    self._reap()
                if self._control in ready and not self._obey():
                    break
        for pid, (_, scratch) in self._running.items():
            kill(pid)
            scratch.remove()
        self._environments.close()

    def _obey(self) -> bool:
        """Carry out one command; False when the worker is gone."""
        content, descriptors, _, _ = socket.recv_fds(self._control, _COMMAND.size, LANES + 1)
        if len(content) != _COMMAND.size:
            return False
        command, pid = _COMMAND.unpack(content)
        if command == _START:
            self._environments.require(os.fsdecode(self._control.recv(pid, socket.MSG_WAITALL)) if pid else "")
            self._fork([socket.socket(fileno=one) for one in descriptors])
        elif pid in self._running:
            kill(pid)
        return True

    def _fork(self, sockets: list[socket.socket]) -> None:
        *lanes, status = sockets
        scratch = Scratch()
        launcher = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._ends.close()
            for one in (self._control, status, *(known for known, _ in self._running.values())):
                one.close()
            self._environments.leave_others()
            _answer(lanes, str(scratch.path), launcher)
        for lane in lanes:
            lane.close()
        self._running[pid] = status, scratch
        self._environments.note(pid)
        with suppress(OSError):
            status.sendall(_NUMBER.pack(pid))

    def _reap(self) -> None:
        for pid in list(self._running):
            found, ended = os.waitpid(pid, os.WNOHANG)
            if not found:
                continue
            status, scratch = self._running.pop(pid)
            self._environments.forget(pid)
            kill_session(pid)
            scratch.remove()
            with status, suppress(OSError):
                status.sendall(_NUMBER.pack(ended))


def _answer(lanes: list[socket.socket], folder: str, launcher: int) -> NoReturn:
    """Become a version's process, which ends with the launcher; its temporary files are removed when it has ended."""
    code = 1
    try:
        begin_session()
        end_with_parent(launcher)
        be_killed_first()
        import tempfile

        tempfile.tempdir = folder
        from modelops_pipelines.gateway.version_process.answering import answer_lanes

        answer_lanes(lanes)
        code = 0
    finally:
        os._exit(code)


def _forget_descriptors(kept: int) -> None:
    """Let go of what the worker had open, the listening socket above all: it would outlive the gateway here.

    Each number stays taken, by the null device: objects that still hold it would otherwise close another's file.
    """
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    with suppress(OSError):
        for name in os.listdir("/dev/fd"):  # noqa: PTH208 - numbers, not paths
            if int(name) > 2 and int(name) not in (kept, null):  # noqa: PLR2004 - the standard streams
                with suppress(OSError):
                    os.fstat(int(name))
                    os.dup2(null, int(name), inheritable=False)


if __name__ == "__main__":
    import importlib

    for _name in (
        "mlflow.pyfunc",
        "mlflow.sklearn",
        "skops.io",
        "modelops_pipelines.gateway.version_process.answering",
    ):
        importlib.import_module(_name)
    serve(socket.socket(fileno=int(sys.argv[1])))
