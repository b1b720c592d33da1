"""A process that serves, forked by the supervisor: it says whether it serves, and why it could not start."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from modelops_pipelines.core.errors import ModelOpsError, PermanentError
from modelops_pipelines.gateway.http.errors import code_of
from modelops_pipelines.gateway.version_process.launcher import fork_launcher
from modelops_pipelines.store.filesystem.process_identity import end_with_parent

if TYPE_CHECKING:
    from modelops_pipelines.gateway.supervision.graceful_server import GracefulServer

CANNOT_START = 3
REPORT_SECONDS, FIRST_REPORT_SECONDS = 1.0, 0.05
SILENT_SECONDS = 15
"""A process that has reported nothing for so long is stuck, and is replaced."""
SUPERVISED_SIGNALS = (
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGTERM,
)
"""What the supervisor handles or ignores; a fork inherits that."""
MakeServer = Callable[[], "GracefulServer"]


@dataclass(frozen=True)
class Problem:
    """Why a process could not start: for the log, and as a code that callers may read."""

    text: str
    code: str = "not_ready"
    is_permanent: bool = False


class Child:
    """A running child, as the supervisor sees it."""

    def __init__(self, name: str, make_server: MakeServer, *, starts_versions: bool) -> None:
        """Fork it; ``starts_versions``: it gets a launcher of versions' processes."""
        self.name, self.is_serving, self.is_warm, self.has_served = name, False, False, False
        self.problem: Problem | None = None
        self._reports, theirs = multiprocessing.Pipe(duplex=False)
        arguments = (os.getpid(), make_server, theirs, starts_versions)
        self.process = multiprocessing.get_context("fork").Process(target=_serve, args=arguments)
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, (*SUPERVISED_SIGNALS, signal.SIGINT))
        try:  # until the child has handlers of its own, it would take a signal with those of the supervisor
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        theirs.close()
        self._heard_at = time.monotonic()

    @property
    def exit_code(self) -> int | None:
        """The exit code, minus the signal's number for one that a signal ended; None while it runs."""
        return self.process.exitcode

    @property
    def waits(self) -> list[int | Connection]:
        """What becomes readable when it reports or ends."""
        return [self._reports, self.process.sentinel]

    def read_reports(self) -> None:
        """Read what it has reported since."""
        with suppress(OSError, EOFError):
            while self._reports.poll():
                report = self._reports.recv()
                self._heard_at = time.monotonic()
                if isinstance(report, Problem):
                    self.problem = report
                else:
                    self.is_serving, self.is_warm = report
                    self.has_served |= self.is_serving

    def describe_end(self) -> str:
        """Return in words how it ended."""
        code = self.exit_code or 0
        return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"

    def is_stuck(self) -> bool:
        """Return whether it has reported nothing for SILENT_SECONDS."""
        return time.monotonic() - self._heard_at > SILENT_SECONDS

    def terminate(self) -> None:
        """Have it answer what it has, and end."""
        self.is_serving = False
        self.process.terminate()

    def kill(self) -> None:
        """End it at once."""
        self.is_serving = False
        self.process.kill()

    def abort(self) -> None:
        """End one that is stuck, by the signal of a process that ends itself: what it had in hand is at fault."""
        self.is_serving = False
        if self.process.pid is not None and self.process.exitcode is None:
            os.kill(self.process.pid, signal.SIGABRT)

    def close(self) -> None:
        """Free what belongs to a child that has ended."""
        self._reports.close()
        self.process.close()


def _serve(supervisor: int, make_server: MakeServer, reports: Connection, starts_versions: bool) -> None:  # noqa: FBT001 - by multiprocessing
    """Be the child; its launcher is forked first, while this process has one thread."""
    end_with_parent(supervisor)
    for number in SUPERVISED_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    told_to_end: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: told_to_end.append(number))
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if starts_versions:
        fork_launcher()
    servers: list[GracefulServer] = []
    threading.Thread(target=_report, args=(servers, reports), name="reports", daemon=True).start()
    try:
        servers.append(make_server())
        servers[0].should_exit |= bool(told_to_end)  # it starts nevertheless: to record what its predecessor left
        servers[0].run()
    except ModelOpsError as error:
        _tell(reports, Problem(str(error), code_of(error), isinstance(error, PermanentError)))
        sys.exit(CANNOT_START)
    except Exception as error:
        _tell(reports, Problem(f"{type(error).__name__}: {error}"))
        raise


def _report(servers: "list[GracefulServer]", reports: Connection) -> None:
    """Say over and over whether the server serves, and is warm; there is none in the list while it is being made."""
    with suppress(OSError):
        while True:
            is_serving = any(server.started for server in servers)
            is_warm = all(server.is_warm() for server in servers)
            reports.send((is_serving, is_warm))
            time.sleep(REPORT_SECONDS if is_serving and is_warm else FIRST_REPORT_SECONDS)


def _tell(reports: Connection, problem: Problem) -> None:
    with suppress(OSError):
        reports.send(problem)
