"""A unit test runs alone: it starts no process, waits for no clock, and opens no connection. One that does fails."""

import multiprocessing.process
import os
import socket
import subprocess
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, NoReturn

import pytest

HERE = Path(__file__).parent
REFUSED: list[tuple[Any, str, str]] = [
    (subprocess.Popen, "__init__", "starts a process"),
    (multiprocessing.process.BaseProcess, "start", "starts a process"),
    (os, "fork", "starts a process"),
    (os, "posix_spawn", "starts a process"),
    (socket.socket, "connect", "opens a connection"),
    (socket.socket, "connect_ex", "opens a connection"),
]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Guard the test and its fixtures of every scope; pytest asks here for tests of other folders too."""
    if not item.path.is_relative_to(HERE):
        return (yield)
    done: list[str] = []
    item.stash[DONE] = done
    with pytest.MonkeyPatch.context() as patched:
        for owner, name, what in REFUSED:
            patched.setattr(owner, name, _refusing(what, done))
        patched.setattr(time, "sleep", _sleeping(time.sleep, done))
        return (yield)


@pytest.fixture(autouse=True)
def runs_alone(request: pytest.FixtureRequest) -> Generator[None]:
    """Fail the test at its end for what a thread did, or what the code under test caught."""
    yield
    done = request.node.stash[DONE]
    assert done == [], _message(done[0])


DONE = pytest.StashKey[list[str]]()


def _refusing(what: str, done: list[str]) -> Callable[..., NoReturn]:
    def refuse(*_: object, **__: object) -> NoReturn:
        done.append(what)
        pytest.fail(_message(what))

    return refuse


def _sleeping(sleep: Callable[[float], None], done: list[str]) -> Callable[[float], None]:
    refuse = _refusing("sleeps", done)

    def asleep(seconds: float) -> None:
        if seconds > 0:
            refuse()
        sleep(seconds)

    return asleep


def _message(what: str) -> str:
    return f"A unit test {what}: move it to tests/integration, or test the part that needs none of it"
