"""A service: a child process with the address to probe and its log file, and when one that ended is started again."""

import os
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from modelops_pipelines.core.errors import NotReadyError

STEADY_SECONDS, LONGEST_PAUSE = 10.0, 30.0
UNFINISHED, LONGEST_STATUS = b'"starting"', 1000
"""What the gateway says of itself while it imports its packages, in at most so many bytes."""
PROBE_SECONDS = 2.0
STARTING, RUNNING, WAITING = "starting", "running", "waits to start again"


@dataclass
class Restarts:
    """When a service that ended may be started again: at once, then after 1, 2, 4, ... 30 seconds if it ends again.

    A service that ran for STEADY_SECONDS begins anew.
    """

    pause: float = 0.0
    ended: float | None = None
    started: float = 0.0

    def is_due(self, now: float) -> bool:
        """Return whether to start it again now; called while it is not running (``now`` in seconds)."""
        if self.ended is None:
            self.ended = now
            if now - self.started > STEADY_SECONDS:
                self.pause = 0.0
        if now - self.ended < self.pause:
            return False
        self.pause = min(LONGEST_PAUSE, 2 * self.pause or 1.0)
        self.ended, self.started = None, now
        return True


@dataclass(frozen=True)
class Child:
    """A process of a service, and the mark that it and all that it starts carry."""

    process: subprocess.Popen[bytes]
    mark: str

    def begin(self) -> bool:
        """Tell a spare process to begin; return whether it could be told."""
        if self.process.poll() is not None or self.process.stdin is None:
            return False
        with suppress(BrokenPipeError), self.process.stdin as told:
            told.write(b"\n")
        return True

    def end(self) -> None:
        """End a process that has nothing to finish."""
        self.process.kill()
        self.process.communicate()


@dataclass
class Service:
    """A child process, with the address to probe and its log file.

    ``probe`` is a URL, ``unix:`` and a socket's path, or empty: then it is up while its process runs. ``needs`` is
    part of the command of a process that it starts and cannot do without. The process of
    ``spare_command`` prepares, and waits for a byte on its standard input to take the place of one that ended.
    """

    name: str
    probe: str
    log: Path
    child: Child
    command: Sequence[str] = ()
    url: str = ""
    needs: str = ""
    spare_command: Sequence[str] = ()
    spare: Child | None = None
    spare_restarts: Restarts = field(default_factory=Restarts)
    state: str = STARTING
    ended_times: int = 0
    last_end: str | None = None
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    restarts: Restarts = field(default_factory=Restarts)

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process that does the work."""
        return self.child.process

    def is_up(self) -> bool:
        """Return whether it answers; raises NotReadyError when the process has ended."""
        if self.process.poll() is not None:
            raise NotReadyError(
                f"{self.name} ended with exit code {self.process.returncode} ({self.last_line()})", f"See {self.log}"
            )
        return self.answers()

    def answers(self) -> bool:
        """Return whether its probe succeeds, and does not say that the service is still starting."""
        try:
            if self.probe.startswith("unix:"):
                with socket.socket(socket.AF_UNIX) as client:
                    client.connect(self.probe.removeprefix("unix:"))
            elif self.probe:
                with urllib.request.urlopen(self.probe, timeout=PROBE_SECONDS) as answer:  # noqa: S310 - our own address
                    return UNFINISHED not in answer.read(LONGEST_STATUS)
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    def last_line(self) -> str:
        """Return the last line of its log, at most 300 characters."""
        with suppress(OSError), self.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 4096))
            lines = log.read().decode(errors="replace").strip().splitlines()
            return lines[-1][:300] if lines else "its log is empty"
        return "it has no log"

    def enter(self, state: str) -> bool:
        """Note a state; return whether it is another one than before."""
        if state == self.state:
            return False
        self.state, self.since = state, datetime.now(UTC)
        return True

    def end_spare(self) -> None:
        """End the spare process."""
        if self.spare is not None:
            self.spare.end()
            self.spare = None

    def signal(self, number: signal.Signals) -> None:
        """Signal the process and what shares its group."""
        if self.process.poll() is None or number == signal.SIGKILL:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)


def how_it_ended(code: int | None) -> str:
    """Return in words how a process ended, by its exit code."""
    return "a process that it needs is gone" if code is None else f"exit code {code}"
