"""Processes of tests, forked from one that has the heavy imports behind it: each starts in 0.05 s instead of 6.

What such a process does is what ``python -c CODE ARGUMENTS`` does, with its own folder, environment and output. What a
command loads, and that it starts at all, is for tests that start Python itself (``tests/integration/cli/test_start.py``).
"""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.operations.models import child_process

PRELOADED = ["tests.support.preloaded"]
_START_CHILD = child_process.start_child
_CONTEXT = multiprocessing.get_context("forkserver")


class WarmProcess:
    """A running process: the part of ``subprocess.Popen`` that tests use. No pipe leads to it."""

    stdin = None

    def __init__(self, code: str, *arguments: str, cwd: Path, env: Mapping[str, str], out: Path, err: Path) -> None:
        """Start it; what it says is appended to the files ``out`` and ``err``."""
        _CONTEXT.set_forkserver_preload(PRELOADED)
        self._process = _CONTEXT.Process(target=_run, args=(code, arguments, str(cwd), dict(env), str(out), str(err)))
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _run(code: str, arguments: Sequence[str], cwd: str, env: dict[str, str], out: str, err: str) -> None:
    """Become what ``python -c`` would be, in a session of its own."""
    os.setsid()
    for descriptor, path in ((1, out), (2, err)):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = ["-c", *arguments]
    sys.path.insert(0, "")
    scope: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(code, "<string>", "exec"), scope)


@contextmanager
def warm_children() -> Iterator[None]:
    """Fork the processes in which versions are tried and answer; ``cold_children`` starts them as they really start."""

    def start(
        module: str, arguments: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
    ) -> WarmProcess:
        code = f"import runpy\nrunpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
        output = folder / child_process.OUTPUT
        output.touch()
        return WarmProcess(
            code, *arguments, cwd=Path.cwd(), env={**os.environ, **(environment or {})}, out=output, err=output
        )

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(child_process, "start_child", start)
        yield


@contextmanager
def cold_children() -> Iterator[None]:
    """Start the processes in which versions are tried and answer as a user's command does."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(child_process, "start_child", _START_CHILD)
        yield
