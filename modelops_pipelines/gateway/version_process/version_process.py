"""A version that predicts in a process of its own: started again whenever it ends, killed when it hangs."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from numpy.typing import NDArray

from modelops_pipelines.core.endpoints.trust import Trust
from modelops_pipelines.core.errors import CrashError, ModelError, NotReadyError
from modelops_pipelines.core.models.typed_columns import Columns
from modelops_pipelines.core.release.crash_guard import CRASH, HANG
from modelops_pipelines.gateway.version_process.answering import Order
from modelops_pipelines.gateway.version_process.launcher import Launcher
from modelops_pipelines.gateway.version_process.running_process import (
    EndedError,
    RemoteError,
    RunningProcess,
    name_of,
)
from modelops_pipelines.operations.model_runtime.loading import Proven
from modelops_pipelines.operations.model_runtime.prediction_paths import PredictionPath
from modelops_pipelines.store.registry.formats.contributions import Exact, Unfit

STALL_SECONDS, STALL_TIMES = 5.0, 20.0
"""A prediction hangs when it takes over 5 s and over 20 times the version's usual time for so many rows (its p95)."""
TIMES_KEPT, TIMES_NEEDED = 200, 5
RETRY_SECONDS, SLOWEST_RETRY = 1.0, 30.0
_P95 = 0.95
_NO_LAUNCHER = -1
T = TypeVar("T")
_LOG = logging.getLogger("modelops.gateway")


@dataclass(frozen=True)
class Ended:
    """The end of a version's process, or what would have ended it.

    ``under_way`` holds the columns of the predictions that it was making.
    """

    kind: str
    cause: str
    under_way: Sequence[Columns]


class VersionProcess:
    """The process of one version of one endpoint; ``path`` predicts in it, from any thread."""

    def __init__(self, order: Order, launcher: Launcher, report: "Report") -> None:
        """Start the process and load the version; raises ModelError. ``report`` is called when the process ended.

        It is called before the requests that were under way get their error, in a thread of this class.
        """
        self._launcher, self._report = launcher, report
        self.deadline = order.spec.limits.deadline.total_seconds()
        self._times: deque[float] = deque(maxlen=TIMES_KEPT)
        self._changed = threading.Condition()
        self._is_closed = False
        running = RunningProcess.start(launcher, order)
        self.proven = proven = running.proven
        self.order = replace(order, proven=proven)
        self.path = PredictionPath(
            self.predict,
            proven.path,
            proven.merging,
            proven.milliseconds,
            self.predict,
            own_process=True,
            confinement=running.confinement,
            explain=self.explain,
        )
        self._running: RunningProcess | None = None
        self._follow(running)

    @property
    def name(self) -> str:
        """The version in words."""
        return f"Version {self.order.version.version} of model {self.order.version.model_name!r}"

    @property
    def pid(self) -> int | None:
        """The process's id; None while it is started again."""
        running = self._running
        return running.launched.pid if running else None

    def predict(self, columns: Columns, params: Mapping[str, Any] | None = None) -> NDArray[Any]:
        """Return the version's answer, with these parameters of the request.

        Raises CrashError when the process ends meanwhile, or the model raises what would have ended it, NotReadyError
        when it is not started again in time, and what else the model raised as RemoteError.
        """

        def ask(running: RunningProcess) -> NDArray[Any]:
            began = time.monotonic()
            output = running.ask(columns, params)
            self._times.append((time.monotonic() - began) / max(1, len(next(iter(columns.values()), ()))))
            return output

        return self._ask(columns, ask)

    def explain(self, columns: Columns, reference: Columns | None) -> Exact | Unfit:
        """Return the exact contributions of rows, or why the version has none; raises as ``predict`` does."""
        return self._ask(columns, lambda running: running.explain(columns, reference))

    def _ask(self, columns: Columns, ask: Callable[[RunningProcess], T]) -> T:
        running = self._await_running()
        try:
            return ask(running)
        except RemoteError as error:
            if not error.ending:
                raise
            self._report(self, Ended(CRASH, error.name, [columns]))
            raise self._crash(f"raised {error.name}") from error
        except EndedError:
            running.ended.wait(self.deadline)
            raise self._crash(f"ended its process ({running.stopped_because})") from None

    def limit(self, rows: int) -> float:
        """Return the seconds after which a prediction of so many rows counts as hanging."""
        usual = self._usual()
        return self.deadline if usual is None else min(self.deadline, max(STALL_SECONDS, STALL_TIMES * usual * rows))

    def check(self, late: float) -> None:
        """Kill the process when a prediction hangs; call it several times a second.

        ``late`` is by how many seconds this call is overdue: the machine stood still for so long, not the version.
        """
        running, now = self._running, time.monotonic()
        for flight in list(running.flights.values()) if running else ():
            flight.began += late
            limit = self.limit(flight.rows)
            if running and now - flight.began > limit:
                running.stop(f"no answer for {limit:.0f} s", hangs=True)
                return

    def close(self) -> None:
        """End the process for good."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        if self._running is not None:
            self._running.stop("the version is no longer served")

    def _usual(self) -> float | None:
        """Return the p95 of the seconds a row; at first the probe's time, as if for one row; None without both."""
        times = sorted(self._times)
        if len(times) >= TIMES_NEEDED:
            return times[min(len(times) - 1, int(_P95 * len(times)))]
        probed = self.path.milliseconds
        return None if probed is None else probed / 1000

    def _await_running(self) -> RunningProcess:
        with self._changed:
            self._changed.wait_for(lambda: self._running is not None or self._is_closed, self.deadline)
            if self._running is None:
                raise NotReadyError(f"{self.name} is being started again", "Try again in a moment")
            return self._running

    def trust(self, trust: Trust) -> None:
        """Judge the version by these keys when its process is started again: some may have been revoked since."""
        if trust != self.order.spec.trust:
            self.order = replace(self.order, spec=replace(self.order.spec, trust=trust))

    def _follow(self, running: RunningProcess) -> None:
        """Use the process from now on, until it ends."""
        with self._changed:
            self._running = running
            self._changed.notify_all()
        name = f"version {self.order.version.version}"
        threading.Thread(target=self._until_its_end, args=(running,), name=name, daemon=True).start()

    def _until_its_end(self, running: RunningProcess) -> None:
        status = running.launched.wait()
        with self._changed:
            self._running = None
        if running.stopped_because is None:
            running.stopped_because = "its launcher ended" if status == _NO_LAUNCHER else name_of(status)
        kind = HANG if running.hangs else CRASH
        if not self._is_closed:
            under_way = [flight.columns for flight in list(running.flights.values())]
            _LOG.error("%s ended its process (%s); it is started again", self.name, running.stopped_because)
            try:
                if status != _NO_LAUNCHER:
                    self._report(self, Ended(kind, running.stopped_because, under_way))
            finally:
                running.release()
                self._start_again()
        running.release()

    def _start_again(self) -> None:
        pause = RETRY_SECONDS
        while not self._is_closed:
            try:
                self._follow(RunningProcess.start(self._launcher, self.order))
            except ModelError as error:
                _LOG.error("%s could not be started again, next attempt in %g s: %s", self.name, pause, error)
                with self._changed:
                    self._changed.wait_for(lambda: self._is_closed, pause)
                pause = min(SLOWEST_RETRY, 2 * pause)
            else:
                return

    def _crash(self, how: str) -> CrashError:
        return CrashError(
            f"{self.name} {how} while it was answering", "A row that does this twice is refused. See the gateway's log"
        )


Report = Callable[[VersionProcess, Ended], None]


def prove_apart(order: Order, launcher: Launcher) -> Proven:
    """Load a version in a process for this purpose and have it prove itself there; raises ModelError."""
    running = RunningProcess.start(launcher, order)
    running.close()
    return running.proven


def survives(order: Order, launcher: Launcher, requests: Sequence[Columns], seconds: float) -> bool | None:
    """Return whether a version answers these requests, or fails on them, without ending its process or hanging.

    It is tried in a process for this purpose. None when the version cannot be loaded.
    """
    try:
        running = RunningProcess.start(launcher, order)
    except ModelError:
        return None
    try:
        return all(_survives(running, columns, seconds) for columns in requests)
    finally:
        running.close()


def _survives(running: RunningProcess, columns: Columns, seconds: float) -> bool:
    try:
        running.ask(columns, seconds=seconds)
    except EndedError:
        return False
    except RemoteError as error:
        return not error.ending
    except Exception:  # noqa: BLE001 - an error of the input's is no crash
        return True
    return True
