"""Judges the newest captured rows for gross faults, in the one worker that watches, from the spool.

It reads what was captured since its last look, a bounded number of bytes, of endpoints that had requests; in a thread
of its own, so that it holds up neither an answer nor its capture.
"""

from collections.abc import Callable, Sequence

from modelops_pipelines.core.alerting.live_rules import NOW
from modelops_pipelines.gateway.worker.alerting.count_watch import CountWatch, report
from modelops_pipelines.gateway.worker.served_endpoint import ServedEndpoint
from modelops_pipelines.operations.alerting.apart import Apart
from modelops_pipelines.operations.alerting.watches.fast_path import is_raised, raise_live
from modelops_pipelines.operations.alerting.watches.row_faults import DATA_QUALITY, RowFaults
from modelops_pipelines.store.spool.newest import NewestRecords
from modelops_pipelines.store.stores import Stores

MOST_BYTES = 256 * 1024
"""What is read of an endpoint at a look, at most."""


class RowWatch:
    """The newest rows of all endpoints; ``look`` is called by the worker that watches only."""

    def __init__(self, stores: Stores, endpoints: Callable[[], Sequence[ServedEndpoint]], counts: CountWatch) -> None:
        """Watch these endpoints; ``counts`` knows which of them had requests."""
        self._stores, self._endpoints, self._counts = stores, endpoints, counts
        self._records = NewestRecords(stores.settings.spool)
        self._faults: dict[str, RowFaults] = {}
        self._judged_until: dict[str, int] = {}
        self._failing: set[str] | None = None
        self._apart = Apart()

    def look(self) -> None:
        """Judge the endpoints that had requests since the last look."""
        if self._failing is None:  # another worker may have raised some
            opened = self._stores.alerts.unresolved()
            self._failing = {one.endpoint for one in opened if one.kind == DATA_QUALITY and one.rule.endswith(NOW)}
        for served in self._endpoints():
            name, newest = served.spec.name, self._counts.newest(served.spec.name)
            if newest not in {0, self._judged_until.get(name)}:  # it is earlier where the clock was set back
                self._judged_until[name] = newest
                with self._apart.alone(name):
                    self._judge(served, self._failing)
        self._apart.raise_first()

    def _judge(self, served: ServedEndpoint, failing: set[str]) -> None:
        name, now = served.spec.name, self._stores.now()
        spec = self._counts.with_rules(served.spec)
        versions = {number: served.version_of(number) for number in served.loaded}
        inputs = {number: version.inputs for number, version in versions.items() if version is not None}
        records = self._records.read(name, MOST_BYTES)
        faults = self._faults.setdefault(name, RowFaults())
        verdict = faults.judge(self._stores, spec, records, inputs, now, is_failing=name in failing)
        if verdict is None or (verdict.passed and name not in failing):
            return
        failing.add(name)
        report(raise_live(self._stores, name, [verdict], now) or ())
        if verdict.passed and not is_raised(self._stores, name):
            failing.discard(name)
