"""Judges alert rules on live counts, in one worker of all, so that a burst of errors is told within seconds.

Each worker tries to be the one that watches; the lease of one that ends is free for another one. The watching worker
looks at the endpoints that had traffic since its last look: without requests nothing is judged. It does not need
Dagster or the lake.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from modelops_pipelines.core.alerting.live_rules import NOW, LiveCounts
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.release.live_counts import Second
from modelops_pipelines.gateway.worker.background_tasks import Pace
from modelops_pipelines.gateway.worker.live_metrics import KEEP_SECONDS, SET_BACK_SECONDS, SharedMetrics
from modelops_pipelines.gateway.worker.served_endpoint import ServedEndpoint
from modelops_pipelines.operations.alerting.apart import Apart
from modelops_pipelines.operations.alerting.life.raise_alerts import AlertChange
from modelops_pipelines.operations.alerting.rules.effective_rules import with_these_rules
from modelops_pipelines.operations.alerting.watches.fast_path import (
    counts_since,
    is_raised,
    judge_counts,
    live_rules,
    raise_live,
)
from modelops_pipelines.store.state.alerting.runtime_rules import RuleVersion
from modelops_pipelines.store.stores import Stores

_LOG = logging.getLogger("modelops.gateway")


@dataclass
class Watched:
    """One endpoint: its counts by second, the last second of this worker that was counted, and the newest of all.

    ``new`` are the seconds with counts that were not judged yet, ``is_failing`` whether it has an alert.
    """

    counted: dict[int, LiveCounts] = field(default_factory=dict)
    until: int = 0
    newest: int = 0
    new: set[int] = field(default_factory=set)
    is_failing: bool = False

    def add(self, second: Second) -> None:
        """Add what one worker counted in a second."""
        mine = self.counted.setdefault(second.second, LiveCounts(second.second))
        mine.add(second.requests, second.server_errors, second.latencies)
        self.newest = max(self.newest, second.second)
        self.new.add(second.second)

    def is_ahead_of(self, second: int) -> bool:
        """Return whether it has counts of a time that is not yet: the clock was set back."""
        return max(self.until, self.newest) > second + SET_BACK_SECONDS

    def forget_before(self, second: int) -> None:
        """Drop what no span reaches any more: the oldest come first, but for a few that were published late."""
        while self.counted and (oldest := next(iter(self.counted))) < second:
            del self.counted[oldest]


class CountWatch:
    """The counts of all workers; ``look`` and ``judge`` are called by the worker that watches only."""

    def __init__(
        self, stores: Stores, endpoints: Callable[[], Sequence[ServedEndpoint]], shared: SharedMetrics
    ) -> None:
        """Watch these endpoints; ``shared`` reads the other workers' counts for this watch alone."""
        self._stores, self._endpoints, self._shared = stores, endpoints, shared
        self._watched: dict[str, Watched] = {}
        self._rules: Mapping[str, list[RuleVersion]] = {}
        self._rules_pace, self._has_begun, self._apart = Pace(), False, Apart()

    def look(self) -> None:
        """Count what is new, and judge the endpoints that it is of."""
        if not self._has_begun:
            self._begin()
        endpoints = self._endpoints()
        self._count({served.spec.name: served for served in endpoints})
        due = [one.spec for one in endpoints if self._is_due(one.spec.name)]
        if due and self._rules_pace.is_due():
            with self._rules_pace.turn():
                self._rules = self._stores.runtime_rules.by_endpoint()
        for spec in due:
            with self._apart.alone(spec.name):
                self._judge(self.with_rules(spec), self._watched[spec.name])
        self._apart.raise_first()

    def newest(self, endpoint: str) -> int:
        """Return the newest second in which an endpoint had requests; 0 where this watch has seen none."""
        watched = self._watched.get(endpoint)
        return watched.newest if watched else 0

    def with_rules(self, spec: EndpointSpec) -> EndpointSpec:
        """Return the endpoint with its rules of run time, as they were read last."""
        return with_these_rules(spec, self._rules.get(spec.name, ()))

    def recent(self, endpoint: str) -> Sequence[LiveCounts]:
        """Return the counts of the last hour of an endpoint by second, of all workers."""
        watched = self._watched.get(endpoint)
        return list(watched.counted.values()) if watched else []

    def _begin(self) -> None:
        """Find the alerts that another watch raised: this one has to resolve them."""
        for alert in self._stores.alerts.unresolved():
            if alert.rule.endswith(NOW):
                self._watched.setdefault(alert.endpoint, Watched()).is_failing = True
        self._has_begun = True

    def _is_due(self, endpoint: str) -> bool:
        watched = self._watched.get(endpoint)
        return watched is not None and (bool(watched.new) or watched.is_failing)  # too many are over without requests

    def _count(self, endpoints: Mapping[str, ServedEndpoint]) -> None:
        """Add the complete seconds of this worker, and what the others published."""
        complete = self._last_second()
        for gone in self._watched.keys() - endpoints.keys():
            del self._watched[gone]
        for name, served in endpoints.items():
            known = self._watched.get(name)
            if known is not None and known.is_ahead_of(complete):
                known = self._watched[name] = Watched(is_failing=known.is_failing)
            for second in served.live.since(known.until if known else complete - KEEP_SECONDS):
                if second.second <= complete:
                    known = self._watched.setdefault(name, Watched())
                    known.add(second)
                    known.until = max(known.until, second.second)
        for name, second in self._shared.read_new():
            if name in endpoints and -KEEP_SECONDS < second.second - complete <= SET_BACK_SECONDS:
                self._watched.setdefault(name, Watched()).add(second)

    def _last_second(self) -> int:
        return int(self._stores.now().timestamp()) - 1

    def _judge(self, spec: EndpointSpec, watched: Watched) -> None:
        """Raise, count or resolve the endpoint's live alerts; the state is read only where one fails or did."""
        now, last = self._stores.now(), self._last_second()
        watched.forget_before(last - KEEP_SECONDS)
        new = [counts for second in watched.new if (counts := watched.counted.get(second)) is not None]
        rules = [one for one in live_rules(spec) if watched.is_failing or one.may_fail_by(new)]
        verdicts = judge_counts(rules, watched.counted, last, now)
        if not new:  # too many requests are over without any; nothing else is judged again
            verdicts = [one for one in verdicts if one.passed and not one.n]
        if any(verdict.passed is False for verdict in verdicts):
            since = counts_since(self._stores, spec.name, verdicts, self._rules.get(spec.name, ()), now)
            verdicts = judge_counts(rules, watched.counted, last, now, since)
        failing = any(verdict.passed is False for verdict in verdicts)
        if failing or (watched.is_failing and (verdicts or new)):
            watched.is_failing = True  # also when what follows fails
            changes = raise_live(self._stores, spec.name, verdicts, now)
            if changes is None:  # the next look tries again, also without further requests
                return
            report(changes)
            watched.is_failing = failing or is_raised(self._stores, spec.name)
        watched.new.clear()


def report(changes: Sequence[AlertChange]) -> None:
    """Log what opened and what was resolved."""
    for change in changes:
        alert = change.alert
        level = logging.DEBUG if change.change in {"counted", "passed"} else logging.WARNING
        _LOG.log(level, "Alert %s: %s %s: %s", change.change, alert.endpoint, alert.rule, alert.message)
