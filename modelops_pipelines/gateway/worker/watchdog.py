"""Rolls a bad version back within seconds, without Dagster or MLflow, and settles interrupted changes.

It judges the errors and latency of all workers since the version went live. The trial job judges labels, by the log.
Each worker has a watchdog; the first to find a bad version rolls it back, the others see the new state.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from modelops_pipelines.core.errors import ModelOpsError
from modelops_pipelines.core.release.desired_state import ACTIVE, DesiredState, same_trial
from modelops_pipelines.core.release.event_log import DEPLOY, PROMOTE, UNDO, last_release
from modelops_pipelines.core.release.guards import Arm, Leg, Verdict, judge_champion, judge_trial
from modelops_pipelines.core.release.sequential_tests import FAIL
from modelops_pipelines.gateway.worker.live_metrics import Second, SharedMetrics
from modelops_pipelines.gateway.worker.served_endpoint import ServedEndpoint
from modelops_pipelines.operations.release.settle import settle
from modelops_pipelines.operations.release.withdraw import withdraw_version
from modelops_pipelines.store.stores import Stores

JUDGE_SECONDS = 1.0
ERROR_RATE = 0.10
"""Error rate above which a new champion is rolled back, for an endpoint without an error_rate alert."""
_LOG = logging.getLogger("modelops.gateway")


@dataclass
class _Watched:
    """One endpoint since its variants last changed: counts per version, and the trial's earlier legs.

    ``counted_until`` is the last second of this worker that was counted.
    """

    state: DesiredState
    arms: dict[str, Arm] = field(default_factory=dict)
    legs: list[Leg] = field(default_factory=list)
    counted_until: int = 0
    new_since: datetime | None = None

    def add(self, second: Second) -> None:
        """Add a second's counts, unless it began before the change."""
        since = self.state.since
        if since is not None and second.second <= since.timestamp():
            return
        for version, count in second.versions.items():
            arm = Arm(count.requests, count.failed, count.callers, count.errors, count.latencies)
            self.arms[version] = self.arms.get(version, Arm()).plus(arm)

    def current_leg(self) -> Leg:
        """Return the trial's current leg: the share, and the counts of challenger and champion."""
        champion, challenger = str(self.state.champion), str(self.state.challenger)
        share = self.state.share_of(challenger)
        return Leg(share, self.arms.get(challenger, Arm()), self.arms.get(champion, Arm()))


class Watchdog:
    """Judges every endpoint of this gateway, once per second."""

    def __init__(
        self, stores: Stores, endpoints: Callable[[], Sequence[ServedEndpoint]], shared: SharedMetrics
    ) -> None:
        """Watch these endpoints; the other workers' counts come from ``shared``."""
        self._stores, self._endpoints, self._shared = stores, endpoints, shared
        self._watched: dict[str, _Watched] = {}

    def judge(self) -> None:
        """Settle interrupted changes, count new answers, and roll back bad versions.

        An error on one endpoint is logged; the other endpoints are judged nevertheless.
        """
        endpoints = {served.spec.name: served for served in self._endpoints()}
        watched = {name: self._count_answers(served) for name, served in endpoints.items()}
        for name, second in self._shared.read_new():
            if name in watched:
                watched[name].add(second)
        unsettled = {attempt.endpoint for attempt in self._stores.deployments.unsettled()}
        for name, served in endpoints.items():
            try:
                if name in unsettled:
                    settle(self._stores, served.spec)
                self._judge_endpoint(served, watched[name])
            except ModelOpsError as error:
                _LOG.warning("Watchdog failed on endpoint %s, next attempt in %g s: %s", name, JUDGE_SECONDS, error)

    def _count_answers(self, served: ServedEndpoint) -> _Watched:
        """Return the endpoint's counts after adding this worker's new complete seconds."""
        watched = self._watched_since_change(served)
        complete = self._stores.now().timestamp() - 1
        new = [second for second in served.live.since(watched.counted_until) if second.second < complete]
        watched.counted_until = max([watched.counted_until, *(second.second for second in new)])
        for second in new:
            watched.add(second)
        return watched

    def _watched_since_change(self, served: ServedEndpoint) -> _Watched:
        """Return the endpoint's counts; a change resets them, but keeps the legs of the same trial."""
        name, state = served.spec.name, served.state
        watched = self._watched.get(name)
        if watched is None or watched.state.generation != state.generation:
            same = watched is not None and same_trial(watched.state, state)
            legs = [*watched.legs, watched.current_leg()] if watched is not None and same else []
            until = watched.counted_until if watched is not None else 0
            watched = _Watched(state, legs=legs, counted_until=until, new_since=self._new_since(state))
            self._watched[name] = watched
        return watched

    def _new_since(self, state: DesiredState) -> datetime | None:
        """Return when the champion replaced another, to which a rollback could return; None if it replaced none."""
        last = last_release(self._stores.deployments.events(state.endpoint))
        if last is None or last.action not in (DEPLOY, PROMOTE, UNDO) or last.to_version != state.champion:
            return None
        return last.at if last.from_version not in (None, state.champion) else None

    def _judge_endpoint(self, served: ServedEndpoint, watched: _Watched) -> None:
        policy, state = served.spec.guard, watched.state
        if not policy.automatic or state.status != ACTIVE or state.champion is None:
            return
        if state.challenger is not None:
            verdict = judge_trial([*watched.legs, watched.current_leg()], None, policy, served.spec.promotion.minimum)
            self._withdraw_failed(served, state, state.challenger, verdict)
        elif self._is_in_watch_period(watched.new_since, served):
            most = (served.spec.thresholds("error_rate") or [ERROR_RATE])[0]
            verdict = judge_champion(watched.arms.get(state.champion, Arm()), most, policy)
            self._withdraw_failed(served, state, state.champion, verdict)

    def _is_in_watch_period(self, since: datetime | None, served: ServedEndpoint) -> bool:
        return since is not None and self._stores.now() - since < served.spec.guard.watch

    def _withdraw_failed(self, served: ServedEndpoint, state: DesiredState, version: str, verdict: Verdict) -> None:
        if verdict.verdict == FAIL:
            change = withdraw_version(self._stores, served.spec, state, version, verdict, actor="watchdog")
            if change is not None:
                _LOG.error("Watchdog: %s: %s", change.sentence, verdict.reason)
