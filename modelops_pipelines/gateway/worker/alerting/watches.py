"""The watches of a worker, in the one worker of all that holds the lease; a fault of one stops no other.

Each fault is told once in the log, and by ``faults`` in ``/health``.
"""

from collections.abc import Callable
from contextlib import suppress

from modelops_pipelines.core.errors import ModelOpsError
from modelops_pipelines.gateway.worker.alerting.count_watch import CountWatch, report
from modelops_pipelines.gateway.worker.alerting.row_watch import RowWatch
from modelops_pipelines.gateway.worker.alerting.slo_watch import SloWatch
from modelops_pipelines.gateway.worker.alerting.watch_lease import WatchLease
from modelops_pipelines.gateway.worker.background_tasks import Pace
from modelops_pipelines.gateway.worker.live_metrics import SharedMetrics
from modelops_pipelines.gateway.worker.state_follower import Serving
from modelops_pipelines.operations.alerting.life.escalate import look_after_alerts
from modelops_pipelines.store.stores import Stores

WATCH_SECONDS = 1.0
SHARE = 0.01
"""The share of a core that a watch may take, in the one worker that watches: half a second's pause after 5 ms."""
COUNTS, ROWS, OBJECTIVES, ESCALATIONS = WATCHES = ("alerts", "row alerts", "objectives", "escalations")
"""The names of the watches' tasks."""


class Watches:
    """What this worker watches while it holds the lease."""

    def __init__(self, stores: Stores, serving: Serving) -> None:
        """Watch nothing yet."""
        self._stores, self._serving = stores, serving
        self._lease = WatchLease(stores)
        shared = SharedMetrics(stores.settings.home / "live", serving.worker)  # it reads for this watch alone
        self._counts = CountWatch(stores, serving.endpoints, shared)
        self._rows = RowWatch(stores, serving.endpoints, self._counts)
        self._slos = SloWatch(stores, serving.endpoints, self._counts.recent)

    def start(self) -> None:
        """Look every WATCH_SECONDS until the worker ends, each watch in a task of its own."""
        looks = {
            COUNTS: self._counts.look,
            ROWS: self._rows.look,
            OBJECTIVES: self._slos.look,
            ESCALATIONS: self._look_after,
        }
        for name, look in looks.items():
            self._serving.repeat(name, self._paced(look), WATCH_SECONDS)

    def stop(self) -> None:
        """Let another worker watch at once; without the state, one finds that this process has ended."""
        with suppress(ModelOpsError):
            self._lease.release()

    def _look_after(self) -> None:
        """Escalate what nobody acknowledged, and tell what a silence withheld until now."""
        report(look_after_alerts(self._stores, self._stores.now()))

    def _paced(self, look: Callable[[], None]) -> Callable[[], None]:
        """Return the look as the worker that watches takes it: the dearer it is, the rarer."""
        pace = Pace(SHARE)

        def turn() -> None:
            if pace.is_due():
                with pace.turn():
                    if self._lease.is_held():
                        look()

        return turn
