"""Trainers that go wrong, each in one way, for the process that they run in."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.fakes.trainers import logistic

SLOW_FILE = "trainer.pids"
"""The file in which a slow trainer writes its parent's number, its own, and that of a process that it started."""


def talkative(frame: Any, context: Any) -> Any:
    """Train, and print more than is kept."""
    print("the beginning")
    for _ in range(200):
        print("x" * 10_000)
    print("the end")
    return logistic(frame, context)


def slow(frame: Any, context: Any) -> Any:
    """Start a process and wait for ever."""
    started = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    partial = Path(f"{SLOW_FILE}.partial")
    partial.write_text(f"{os.getppid()} {os.getpid()} {started.pid}")
    partial.rename(SLOW_FILE)
    time.sleep(1000)


_HIDDEN_CHILD = """
import os, sys, time
from pathlib import Path
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
Path("hidden.partial").write_text(str(os.getpid()))
Path("hidden.partial").rename("hidden.pid")
taken = b"x" * (int(sys.argv[1]) * 1024 * 1024)
time.sleep(1000)
"""


def _hide(mib: int) -> None:
    """Start a process in a session of its own, whose parent has ended and whose environment is empty."""
    subprocess.Popen([sys.executable, "-c", _HIDDEN_CHILD, str(mib)], env={}, start_new_session=True).wait()
    while not Path("hidden.pid").exists():
        time.sleep(0.02)


def hiding(frame: Any, context: Any) -> Any:
    """Train, and leave a hidden process behind."""
    _hide(1)
    return logistic(frame, context)


def hiding_memory(frame: Any, context: Any) -> Any:
    """Use much memory in a hidden process only, and wait for ever."""
    _hide(1200)
    time.sleep(1000)


def telling(frame: Any, context: Any) -> Any:
    """Print the names and values of the environment that this process and its parent have, and its input."""
    for pid in (os.getpid(), os.getppid()):
        print(Path(f"/proc/{pid}/environ").read_bytes().replace(b"\0", b"\n").decode())
    print(dict(os.environ))
    print(f"input: {sys.stdin.read()!r}")
    return logistic(frame, context)


def greedy(frame: Any, context: Any) -> Any:
    """Take memory until somebody stops it."""
    taken = []
    while True:
        taken.append(b"x" * (32 * 1024 * 1024))
        time.sleep(0.02)


def raising(frame: Any, context: Any) -> Any:
    """Raise."""
    raise ValueError("could not convert the rows")


def ending(frame: Any, context: Any) -> Any:
    """End the process."""
    os._exit(7)


def empty(frame: Any, context: Any) -> Any:
    """Return no model."""


def patient(frame: Any, context: Any) -> Any:
    """Train as soon as a file says so; what runs it may be killed meanwhile."""
    Path("patient.pid").write_text(str(os.getpid()))
    while not Path("go").exists():
        time.sleep(0.05)
    return logistic(frame, context)
