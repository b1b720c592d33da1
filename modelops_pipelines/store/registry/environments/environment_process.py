"""A process in an environment, from this side: its launcher, its channels, what it prints, and its end.

Whoever has such a process runs this one version only, so the two end alike: when the version's process crashes, this
one ends by the same signal or exit code, and who watches it sees what a version does that runs in it.
"""

import json
import logging
import os
import queue
import selectors
import signal
import socket
import struct
import subprocess
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from modelops_pipelines.core.foreign_text import LONGEST
from modelops_pipelines.store.filesystem.scratch import Scratch
from modelops_pipelines.store.registry.environments.environment_use import in_use
from modelops_pipelines.store.registry.environments.frames import receive_message, send_message
from modelops_pipelines.store.registry.environments.own_code import command_in

LANES = 8
"""Channels to a process, and so the most predictions that it makes at a time."""
_ENDED = struct.Struct("!q")
_PATIENCE = 10.0
_LAUNCHER = "modelops_pipelines.operations.model_runtime.environment.launcher"
_PASSED_ON = frozenset({"PATH", "HOME", "LANG", "LANGUAGE", "TZ", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES"})
_PASSED_PREFIXES = ("LC_", "OMP_", "OPENBLAS_", "MKL_", "KMP_", "NUMEXPR_")
_SET = {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "true", "MLFLOW_DISABLE_TELEMETRY": "true"}
"""The files were judged before: see ``model_loader``."""
_LOG = logging.getLogger("modelops.model")

launchers: dict[Path, socket.socket] = {}
"""The launchers that this process may order from, by their environments: those of the process that forked it."""
_running: "weakref.WeakSet[EnvironmentProcess]" = weakref.WeakSet()


class StartError(Exception):
    """No process of the environment starts."""


class EnvironmentProcess:
    """One version's process in its environment; ``ask`` is for up to LANES threads at a time."""

    def __init__(self, environment: Path, memory: int | None) -> None:
        """Start it, with ``memory`` as the most bytes that it may set aside; raises StartError."""
        pairs = [socket.socketpair() for _ in range(LANES)]
        status, theirs = socket.socketpair()
        said, speaking = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        passed = [*(pair[1] for pair in pairs), speaking, theirs]
        try:
            order = json.dumps({"memory": memory}).encode()
            socket.send_fds(_launcher(environment), [order], [one.fileno() for one in passed])
        except OSError as error:
            launchers.pop(environment, None)
            raise StartError(str(error)) from error
        finally:
            for one in passed:
                one.close()
        self._lanes: queue.LifoQueue[socket.socket] = queue.LifoQueue()
        for ours, _ in reversed(pairs):  # the first one is taken first: it is the one that loads
            self._lanes.put(ours)
        self.is_loaded = False
        self.confinement: Mapping[str, str] = {}
        self._sockets = [status, said, *(pair[0] for pair in pairs)]
        self._closed = threading.Event()
        weakref.finalize(self, _close, self._sockets, self._closed)
        _running.add(self)
        watch = (status, said, weakref.ref(self), self._closed)
        threading.Thread(target=_watch, args=watch, name="version's process", daemon=True).start()

    def ask(self, head: Mapping[str, Any], buffers: Sequence[bytes] = ()) -> tuple[dict[str, Any], list[memoryview]]:
        """Return the reply to a message; raises FrameError. Where the process ends, this one ends.

        Before it is loaded, EOFError is raised where its launcher does not start.
        """
        lane = self._lanes.get()
        try:
            send_message(lane, head, buffers)
            return receive_message(lane)
        except (OSError, EOFError):
            if not self.is_loaded:
                raise EOFError from None
            time.sleep(_PATIENCE)  # the watching thread ends this process first, as the other one ended
            os._exit(1)
        finally:
            self._lanes.put(lane)

    def close(self) -> None:
        """End the process."""
        _close(self._sockets, self._closed)


def private_bytes() -> int:
    """Return the bytes of memory that the processes of this one have for themselves."""
    return sum(int(one.ask({"do": "memory"})[0]["bytes"]) for one in list(_running) if one.is_loaded)


def confinement() -> Mapping[str, str] | None:
    """Return what the system took from the version's process that this one has; None where this one has none."""
    return next((one.confinement for one in list(_running) if one.is_loaded), None)


def start_launcher(environment: Path, writable: Path) -> socket.socket:
    """Start an environment's launcher; return the socket of its orders, whose closing ends it. Raises OSError.

    It may write in one folder only, where the system permits to hold it to that. While it runs the environment is not
    removed.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs, in_use(environment) as kept:
        given = [str(theirs.fileno()), str(writable), *map(str, kept)]
        try:
            subprocess.Popen(
                command_in(environment, _LAUNCHER, *given),
                env=environment_variables(os.environ, writable),
                pass_fds=[theirs.fileno(), *kept],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError:
            ours.close()
            raise
    return ours


def environment_variables(given: Mapping[str, str], writable: Path) -> dict[str, str]:
    """Return the variables of a process in an environment: those that are known to hold no secret, and nothing else."""
    passed = {name: value for name, value in given.items() if name in _PASSED_ON or name.startswith(_PASSED_PREFIXES)}
    return {**passed, **_SET, "TMPDIR": str(writable), "XDG_CACHE_HOME": str(writable)}


_scratch: list[Scratch] = []


def _launcher(environment: Path) -> socket.socket:
    """Return the environment's launcher: that of the process before this one, or one of its own."""
    known = launchers.get(environment)
    if known is None:
        _scratch.append(Scratch())
        known = launchers[environment] = start_launcher(environment, _scratch[-1].path)
    return known


def _watch(
    status: socket.socket, said: socket.socket, process: "weakref.ref[EnvironmentProcess]", closed: threading.Event
) -> None:
    """Log what the version prints; end this process as the version's ended."""
    with selectors.DefaultSelector() as selector, suppress(OSError, ValueError):
        selector.register(status, selectors.EVENT_READ)
        selector.register(said, selectors.EVENT_READ)
        while True:
            ready = [key.fileobj for key, _ in selector.select()]
            if said in ready:
                line = said.recv(64 * 1024).decode(errors="replace")
                if line:
                    _LOG.info("%s", line[:LONGEST])
                else:
                    selector.unregister(said)
            if status in ready:
                told = status.recv(_ENDED.size)
                one = process()
                if one is not None and not closed.is_set() and (one.is_loaded or len(told) == _ENDED.size):
                    _end_alike(int(_ENDED.unpack(told)[0]) if len(told) == _ENDED.size else int(signal.SIGKILL))
                return


def _end_alike(status: int) -> None:
    """End this process by this wait status."""
    if os.WIFSIGNALED(status):
        os.kill(os.getpid(), os.WTERMSIG(status))
        time.sleep(_PATIENCE)  # where the signal is handled
        os._exit(1)
    os._exit(os.WEXITSTATUS(status))


def _close(sockets: Sequence[socket.socket], closed: threading.Event) -> None:
    closed.set()
    for one in sockets:
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
