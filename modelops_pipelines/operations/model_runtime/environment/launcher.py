"""The first process of an environment: it imports MLflow once, then forks a process for each version that loads there.

So a version that ended is there again without the seconds that an import takes. What a version imported from the
environment is imported here before the next one is forked; code that a version brings along is not.
"""

import importlib
import json
import os
import resource
import selectors
import shutil
import socket
import struct
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from modelops_pipelines.core.foreign_text import error_text
from modelops_pipelines.operations.model_runtime.environment.answering import Told, answer_lanes
from modelops_pipelines.operations.model_runtime.environment.confinement import confine
from modelops_pipelines.store.filesystem.forked_children import Ends, be_killed_first, begin_session, kill, kill_session
from modelops_pipelines.store.filesystem.process_identity import end_with_parent

ENDED = struct.Struct("!q")
"""The message of a process's end: its wait status."""
_MOST, _SOCKETS = 64 * 1024, 32


def main(control: str, writable: str, *kept: str) -> NoReturn:
    """Launch until the other side of the socket of this descriptor is gone.

    The descriptors ``kept`` say that the environment is used: they stay open here, and nowhere else.
    """
    end_with_parent(None)
    be_killed_first()
    told = Told(confine(writable))
    try:
        import mlflow.pyfunc  # noqa: F401
    except BaseException as error:  # noqa: BLE001 - a package of the environment may raise anything
        told.fault = error_text(error)
    _Launcher(socket.socket(fileno=int(control)), Path(writable), told, list(map(int, kept))).run()
    os._exit(0)


class _Launcher:
    """The loop over orders, ends of processes, and sides that are gone."""

    def __init__(self, control: socket.socket, writable: Path, told: Told, kept: Sequence[int]) -> None:
        self._control, self._writable, self._told, self._kept = control, writable, told, kept
        self._running: dict[int, socket.socket] = {}
        self._ends = Ends()
        self._names, told.names = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)

    def run(self) -> None:
        with selectors.DefaultSelector() as selector:
            for one in (self._control, self._ends, self._names):
                selector.register(one, selectors.EVENT_READ)
            while True:
                ready = [key.fileobj for key, _ in selector.select()]
                if self._ends in ready:
                    self._ends.heard()
                    self._reap(selector)
                for pid, status in list(self._running.items()):
                    if status in ready:  # whoever had it started is gone
                        selector.unregister(status)
                        kill(pid)
                if self._names in ready:
                    _import(json.loads(self._names.recv(_MOST)))
                if self._control in ready and not self._obey(selector):
                    return

    def _obey(self, selector: selectors.BaseSelector) -> bool:
        """Start one process; False when nobody is left who could order."""
        content, descriptors, _, _ = socket.recv_fds(self._control, _MOST, _SOCKETS)
        if not content:
            return False
        if not descriptors:  # somebody asked whether this launcher lives
            return True
        *lanes, said, status = [socket.socket(fileno=one) for one in descriptors]
        pid = os.fork()
        if pid == 0:
            self._ends.close()
            for one in (self._control, self._names, status, *self._running.values()):
                one.close()
            for number in self._kept:
                os.close(number)
            _answer(lanes, said, self._folder(os.getpid()), json.loads(content), self._told)
        for one in (*lanes, said):
            one.close()
        self._running[pid] = status
        selector.register(status, selectors.EVENT_READ)
        return True

    def _folder(self, pid: int) -> Path:
        return self._writable / f"of-{pid}"

    def _reap(self, selector: selectors.BaseSelector) -> None:
        while True:
            try:
                pid, ended = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            status = self._running.pop(pid, None)
            if status is None:
                continue  # what a version had started
            with suppress(KeyError, ValueError):
                selector.unregister(status)
            kill_session(pid)
            with status, suppress(OSError):
                status.sendall(ENDED.pack(ended))
            shutil.rmtree(self._folder(pid), ignore_errors=True)


def _answer(
    lanes: list[socket.socket], said: socket.socket, folder: Path, order: dict[str, Any], told: Told
) -> NoReturn:
    """Become a version's process."""
    code = 1
    try:
        begin_session()
        end_with_parent(None)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if order["memory"] is not None:
            resource.setrlimit(resource.RLIMIT_DATA, (order["memory"], order["memory"]))
        folder.mkdir(mode=0o700)
        tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
        answer_lanes(lanes, said, told)
        code = 0
    finally:
        os._exit(code)


def _import(names: list[str]) -> None:
    """Import modules of the environment, so that what is forked next has them; those that fail are left out."""
    for name in names:
        if name not in sys.modules:
            with suppress(BaseException):
                importlib.import_module(name)
