"""One process of a version, from its launch to its end: loading, asking, and what it was answering when it ended."""

import contextlib
import pickle
import queue
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from modelops_pipelines.core import errors
from modelops_pipelines.core.errors import ModelError, ModelOpsError
from modelops_pipelines.core.foreign_text import LONGEST, LONGEST_TRACE, QuotedError
from modelops_pipelines.core.models.typed_columns import Columns
from modelops_pipelines.gateway.version_process.answering import Explaining, Order
from modelops_pipelines.gateway.version_process.launcher import Launched, Launcher
from modelops_pipelines.operations.model_runtime.loading import Proven
from modelops_pipelines.operations.models.messages import ReplyError, decode_array, receive, send
from modelops_pipelines.store.registry.formats.contributions import Exact, Unfit
from modelops_pipelines.store.registry.model_loader import environment_of

LOAD_SECONDS = 100.0
"""Seconds that a version has to load, to warm up and to be probed; a deployment waits for 120 s."""
_PICKLE = 5
_CONTRIBUTIONS = 3
"""Dimensions of contributions: rows, outputs, columns."""
T = TypeVar("T")


class RemoteError(QuotedError):
    """What a model raised in its process; the text is its traceback there, quoted.

    ``ending`` says that it meant to end the process, or has used up its memory or stack.
    """

    def __init__(self, text: str, name: str, *, ending: bool) -> None:
        """Keep the exception's name apart."""
        super().__init__(text)
        self.name, self.ending = name, ending


class EndedError(Exception):
    """The process ended, or was killed, before it had answered."""


@dataclass
class Flight:
    """A prediction under way: its columns, and when it began (monotonic seconds)."""

    columns: Columns
    rows: int
    began: float


class RunningProcess:
    """A version's process that has loaded it. ``ask`` is for up to LANES threads at a time."""

    def __init__(
        self, launcher: Launcher, launched: Launched, proven: Proven, confinement: Mapping[str, str] | None
    ) -> None:
        """Use ``start`` instead."""
        self._launcher, self.launched, self.proven, self.confinement = launcher, launched, proven, confinement
        self.flights: dict[socket.socket, Flight] = {}
        self.stopped_because: str | None = None
        self.hangs = False
        self.ended = threading.Event()
        self._lanes: queue.LifoQueue[socket.socket] = queue.LifoQueue()
        for lane in launched.lanes:
            self._lanes.put(lane)

    @classmethod
    def start(cls, launcher: Launcher, order: Order, seconds: float = LOAD_SECONDS) -> "RunningProcess":
        """Start a process and have it load the version; raises ModelError when it cannot, or takes too long."""
        name = f"Version {order.version.version} of model {order.version.model_name!r}"
        try:
            launched = launcher.start(environment_of(order.version, order.spec))
        except OSError as error:
            raise ModelError(f"{name} gets no process ({error})", "See the gateway's log") from error
        try:
            return cls(launcher, launched, *_load(launched, order, seconds, name))
        except (OSError, EOFError) as error:
            launcher.kill(launched.pid)
            status = launched.wait()
            late = isinstance(error, TimeoutError)
            why = f"did not load within {seconds:g} s" if late else f"ended its process on loading ({name_of(status)})"
            raise ModelError(f"{name} {why}", "Log a version that loads") from error
        except BaseException:
            launcher.kill(launched.pid)
            launched.status.close()
            raise

    def ask(
        self, columns: Columns, params: Mapping[str, Any] | None = None, seconds: float | None = None
    ) -> NDArray[Any]:
        """Return the version's answer, with these parameters of the request.

        Raises EndedError, RemoteError or what the version's path raises of ours.

        ``seconds`` is how long it may take; None leaves that to whoever kills the process.
        """
        return self._exchange(columns, (columns, params, None), _answer_of, seconds)

    def explain(self, columns: Columns, reference: Columns | None) -> Exact | Unfit:
        """Return the exact contributions of rows, or why the version has none; raises as ``ask`` does."""
        shape = len(next(iter(columns.values()), ())), len(columns) + 1
        read = partial(_contributions_of, shape=shape)
        return self._exchange(columns, (columns, None, Explaining(reference)), read, None)

    def _exchange(
        self, columns: Columns, question: tuple[Any, ...], read: Callable[..., T], seconds: float | None
    ) -> T:
        """Send a question on a free channel and return its reply, read from head and body."""
        lane = self._lanes.get()
        rows = len(next(iter(columns.values()), ()))
        self.flights[lane] = Flight(columns, rows, time.monotonic())
        try:
            lane.settimeout(seconds)
            send(lane, {}, pickle.dumps(question, _PICKLE))
            answer = read(*receive(lane))
        except (OSError, EOFError, ReplyError) as error:
            if isinstance(error, ReplyError):
                self.stop(f"it sent {error}")
            elif isinstance(error, TimeoutError):
                self.stop(f"no answer for {seconds:.0f} s", hangs=True)
            raise EndedError from error  # the flight stays: it was under way when the process ended
        except BaseException:
            self._land(lane)
            raise
        self._land(lane)
        return answer

    def stop(self, why: str, *, hangs: bool = False) -> None:
        """Kill the process, if it has not ended yet, and remember why."""
        if self.stopped_because is None:
            self.stopped_because, self.hangs = why, hangs
        self._launcher.kill(self.launched.pid)

    def close(self) -> None:
        """End a process that nobody else watches, and wait until it has ended."""
        self.stop("it is not needed any more")
        self.launched.wait()
        self.release()
        for lane in self.launched.lanes:
            lane.close()

    def release(self) -> None:
        """Wake whoever waits for an answer: there will be none."""
        self.ended.set()
        for lane in self.launched.lanes:
            with contextlib.suppress(OSError):
                lane.shutdown(socket.SHUT_RDWR)

    def _land(self, lane: socket.socket) -> None:
        self.flights.pop(lane, None)
        self._lanes.put(lane)


def name_of(status: int) -> str:
    """Return how a process ended, by its wait status: a signal's name or an exit code."""
    number = status & 0x7F
    if number:
        known = number in set(signal.Signals)
        more = ", often for want of memory" if number == signal.SIGKILL else ""
        return f"{signal.Signals(number).name if known else f'signal {number}'}{more}"
    return f"exit code {status >> 8}"


def _load(launched: Launched, order: Order, seconds: float, name: str) -> tuple[Proven, Mapping[str, str] | None]:
    lane = launched.lanes[0]
    lane.settimeout(seconds)
    send(lane, {}, pickle.dumps(order, _PICKLE))
    try:
        head, _ = receive(lane)
        if head["kind"] == "loaded":
            return Proven.from_json(head), head["confinement"]
        raise _error_of(head)
    except RemoteError as error:
        raise ModelError(f"{name} cannot be loaded ({error.name})", "Log it again") from error
    except (ReplyError, LookupError, TypeError, ValueError) as error:
        raise ModelError(f"{name} sent an unreadable reply when it was loaded", "Log it again") from error


def _answer_of(head: Mapping[str, Any], body: bytes) -> NDArray[Any]:
    if head.get("kind") in ("failed", "refused"):
        raise _error_of(head)
    return decode_array(head, body)


def _contributions_of(head: Mapping[str, Any], body: bytes, shape: tuple[int, int]) -> Exact | Unfit:
    """Return the contributions of a reply for ``shape`` of rows, and columns with the base value."""
    if head.get("kind") == "unfit":
        return Unfit(str(head.get("why"))[:LONGEST])
    values = _answer_of(head, body)
    if values.ndim != _CONTRIBUTIONS or values.dtype != np.float64 or (values.shape[0], values.shape[2]) != shape:
        raise ReplyError("contributions of other rows or columns")
    return Exact(values, str(head.get("method"))[:LONGEST], str(head.get("scale"))[:LONGEST])


def _error_of(head: Mapping[str, Any]) -> Exception:
    """Return a reply's exception: one of ours by its name, else a RemoteError; raises ReplyError."""
    try:
        if head["kind"] == "refused":
            kind = getattr(errors, str(head["error"]), ModelError)
            is_ours = isinstance(kind, type) and issubclass(kind, ModelOpsError)
            return (kind if is_ours else ModelError)(str(head["message"]), str(head["remedy"]))
        return RemoteError(str(head["text"])[:LONGEST_TRACE], str(head["error"])[:100], ending=head["ending"] is True)
    except LookupError as error:
        raise ReplyError("an error without its parts") from error
