"""Keeps the gateway's workers: what ends is started again, what cannot start is tried again with growing pauses.

It ends by a signal, or when no worker could start at all at first for a reason that a retry does not mend. SIGHUP puts
a new worker in the place of each, one after the other, each when the new one serves.
"""

import logging
import multiprocessing.connection
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from modelops_pipelines.gateway.supervision.board import Board, Workers
from modelops_pipelines.gateway.supervision.child import SUPERVISED_SIGNALS, Child, MakeServer, Problem
from modelops_pipelines.gateway.supervision.graceful_server import drop_new_connections
from modelops_pipelines.gateway.worker.ended_workers import note_end

TICK_SECONDS = 0.25
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 4.0
_LOG = logging.getLogger("modelops.gateway")


@dataclass(frozen=True)
class Place:
    """Which worker this is, from 0, and which slot of files it has: one more than there are workers."""

    number: int
    slot: int


@dataclass
class Seat:
    """A worker's place, with who has it, and what became of those that could not start."""

    place: Place
    worker: Child | None = None
    problem: Problem | None = None
    pause: float = 0.0
    due: float = 0.0


@dataclass
class Renewal:
    """A rolling restart: the seats that are still to be renewed, and the new worker that is starting for one."""

    waiting: list[Seat] = field(default_factory=list)
    seat: Seat | None = None
    place: Place | None = None
    successor: Child | None = None


@dataclass(frozen=True)
class Servers:
    """How the supervisor's children make their servers: a worker in its place, and who stands in for all of them."""

    worker: Callable[[Place], MakeServer]
    stand_in: Callable[[Problem], MakeServer]


class Supervisor:
    """The process that the gateway's workers are forked from; it has one thread."""

    def __init__(
        self,
        workers: int,
        servers: Servers,
        listener: socket.socket,
        board: Board,
        ends: Path,
        stand_in: Child | None = None,
    ) -> None:
        """Keep this many workers on the listening socket; ``ends`` is where it notes how each ended.

        ``stand_in`` answers already, and is relieved by the first worker that serves.
        """
        self._servers, self._listener, self._board, self._ends = servers, listener, board, ends
        self._seats = [Seat(Place(number, number)) for number in range(workers)]
        self._renewal = Renewal()
        self._leaving: list[Child] = []
        self._stand_in = stand_in
        self._stand_in_due = 0.0
        self._has_served = False
        self._published: Workers | None = None
        self._signals: list[int] = []

    def run(self, patience: float) -> Problem | None:
        """Serve until a signal; children have ``patience`` seconds to end. Return why none could start at first."""
        self._take_signals()
        for child in self._children():
            child.read_reports()
        while not self._is_told_to_end():
            self._look_after_workers()
            problem = self._lasting_problem()
            if problem is not None:
                self._end(patience)
                return problem
            self._renew_next()
            self._keep_stand_in()
            self._publish()
            self._wait()
        drop_new_connections(self._listener)
        self._end(patience)
        return None

    def _take_signals(self) -> None:
        for number in SUPERVISED_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
            signal.signal(number, lambda number, _: self._signals.append(number))

    def _is_told_to_end(self) -> bool:
        told, self._signals = self._signals, []
        if signal.SIGHUP in told:
            _LOG.warning("SIGHUP: every worker is replaced, one after the other")
            self._renewal.waiting = list(self._seats)
            for seat in self._seats:
                seat.due = 0.0
        return any(number != signal.SIGHUP for number in told)

    def _children(self) -> list[Child]:
        seated = [seat.worker for seat in self._seats]
        found = [*seated, self._renewal.successor, self._stand_in, *self._leaving]
        return [child for child in found if child is not None]

    def _wait(self) -> None:
        due = [seat.due - time.monotonic() for seat in self._seats if seat.worker is None]
        waits = [one for child in self._children() for one in child.waits]
        multiprocessing.connection.wait(waits, max(0.0, min([TICK_SECONDS, *due])))
        for child in self._children():
            child.read_reports()

    def _look_after_workers(self) -> None:
        for child in self._children():
            if child.exit_code is None and child.is_stuck():
                _LOG.error("%s has reported nothing for too long and is replaced", child.name)
                child.abort()
        for seat in self._seats:
            if seat.worker is not None and seat.worker.exit_code is not None:
                self._free(seat, seat.worker)
            elif seat.worker is not None and seat.worker.is_serving:
                self._has_served, seat.problem, seat.pause = True, None, 0.0
            if seat.worker is None and time.monotonic() >= seat.due:
                self._fill(seat)
        for child in [child for child in self._leaving if child.exit_code is not None]:
            self._leaving.remove(child)
            self._bury(child)

    def _fill(self, seat: Seat) -> None:
        started = self._start(f"Worker {seat.place.number}", self._servers.worker(seat.place))
        if isinstance(started, Problem):
            self._postpone(seat, started)
        else:
            seat.worker = started

    def _free(self, seat: Seat, worker: Child) -> None:
        """Empty the seat of a worker that ended: it is due at once when that had served, else after a growing pause."""
        worker.read_reports()
        seat.worker, how = None, worker.describe_end()
        if worker.has_served:
            _LOG.error("%s ended (%s) and is replaced", worker.name, how)
            seat.due = 0.0
        else:
            self._postpone(seat, worker.problem or Problem(f"it ended before it served ({how}); see the log"))
        self._bury(worker)

    def _postpone(self, seat: Seat, problem: Problem) -> None:
        seat.problem, seat.pause = problem, min(LONGEST_PAUSE, 2 * seat.pause or FIRST_PAUSE)
        seat.due = time.monotonic() + seat.pause
        _LOG.error("Worker %d cannot start, next attempt in %g s: %s", seat.place.number, seat.pause, problem.text)

    def _start(self, name: str, make_server: MakeServer, *, starts_versions: bool = True) -> Child | Problem:
        try:
            return Child(name, make_server, starts_versions=starts_versions)
        except OSError as error:  # no memory, processes or files left
            return Problem(f"No process can be started ({error.strerror})")

    def _bury(self, child: Child) -> None:
        """Note how it ended, for the one that takes its place; a full disk must not end the supervisor."""
        with suppress(OSError):
            note_end(self._ends, child.process.pid or 0, child.exit_code or 0)
        child.close()

    def _renew_next(self) -> None:
        """Put a new worker in the place of the next that is to be renewed, once it serves and has loaded what fits."""
        renewal = self._renewal
        if renewal.successor is None:
            if renewal.waiting and not self._leaving:
                self._begin_renewal(renewal)
        elif renewal.successor.exit_code is not None:
            renewal.successor.read_reports()
            problem = renewal.successor.problem or Problem(renewal.successor.describe_end())
            self._give_up(renewal, problem)
        elif (
            renewal.successor.is_serving
            and renewal.successor.is_warm
            and renewal.place is not None
            and renewal.seat is not None
        ):
            seat = renewal.seat
            old, seat.worker, seat.place, renewal.successor = seat.worker, renewal.successor, renewal.place, None
            if old is not None:
                old.terminate()
                self._leaving.append(old)

    def _begin_renewal(self, renewal: Renewal) -> None:
        taken = {seat.place.slot for seat in self._seats}
        slot = min(set(range(len(self._seats) + 1)) - taken)
        renewal.seat = renewal.waiting.pop(0)
        renewal.place = Place(renewal.seat.place.number, slot)
        started = self._start(f"Worker {renewal.place.number}", self._servers.worker(renewal.place))
        if isinstance(started, Problem):
            self._give_up(renewal, started)
        else:
            renewal.successor = started

    def _give_up(self, renewal: Renewal, problem: Problem) -> None:
        _LOG.error("The restart ends here, the present workers go on: a new one cannot start: %s", problem.text)
        if renewal.successor is not None:
            self._bury(renewal.successor)
        self._renewal = Renewal()

    def _keep_stand_in(self) -> None:
        """Have somebody answer while no worker serves and one could not start; a worker that serves relieves it."""
        problem = next((seat.problem for seat in self._seats if seat.problem is not None), None)
        if self._stand_in is not None:
            if self._serving():
                self._stand_in.terminate()
            if self._serving() or self._stand_in.exit_code is not None:
                self._leaving.append(self._stand_in)
                self._stand_in, self._stand_in_due = None, time.monotonic() + FIRST_PAUSE
        elif problem is not None and not self._serving() and time.monotonic() >= self._stand_in_due:
            started = self._start("The stand-in", self._servers.stand_in(problem), starts_versions=False)
            self._stand_in = None if isinstance(started, Problem) else started
            self._stand_in_due = time.monotonic() + FIRST_PAUSE

    def _serving(self) -> int:
        return sum(seat.worker is not None and seat.worker.is_serving for seat in self._seats)

    def _publish(self) -> None:
        problem = next((seat.problem.text for seat in self._seats if seat.problem is not None), None)
        warm = sum(seat.worker is not None and seat.worker.is_serving and seat.worker.is_warm for seat in self._seats)
        now = Workers(len(self._seats), warm, problem)
        if now != self._published:
            self._board.write(now)
            self._published = now

    def _lasting_problem(self) -> Problem | None:
        """Return why no worker could start at first, where a retry gives the same; else None."""
        problems = [seat.problem for seat in self._seats if seat.worker is None and seat.problem is not None]
        lasting = len(problems) == len(self._seats) and all(problem.is_permanent for problem in problems)
        return problems[0] if lasting and not self._has_served else None

    def _end(self, patience: float) -> None:
        """Have all children answer what they have, and end; kill those that have not after ``patience`` seconds."""
        children = self._children()
        for child in children:
            if child.exit_code is None:
                child.terminate()
        self._listener.close()
        deadline = time.monotonic() + patience
        while any(child.exit_code is None for child in children) and time.monotonic() < deadline:
            multiprocessing.connection.wait([child.process.sentinel for child in children], TICK_SECONDS)
        for child in children:
            if child.exit_code is None:
                _LOG.error("%s has not ended within %g s and is killed", child.name, patience)
                child.kill()
                child.process.join()
