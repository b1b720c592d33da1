"""Rolls a bad version back within seconds, without Dagster or MLflow, and settles interrupted changes.

It judges the errors and latency of all workers since the version went live. The trial job judges labels, by the log.
Each worker has a watchdog; the first to find a bad version rolls it back, the others see the new state.
"""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from modelops_pipelines.core.errors import ModelOpsError
from modelops_pipelines.core.release.desired_state import ACTIVE, DesiredState, same_trial
from modelops_pipelines.core.release.event_log import replacement
from modelops_pipelines.core.release.guards import Leg, Verdict, judge_champion, judge_trial
from modelops_pipelines.core.release.live_counts import Second
from modelops_pipelines.core.release.sequential_tests import FAIL
from modelops_pipelines.core.release.trial_counts import REFERENCE_SECONDS, TrialCounter
from modelops_pipelines.gateway.worker.live_metrics import SET_BACK_SECONDS, SharedMetrics
from modelops_pipelines.gateway.worker.served_endpoint import ServedEndpoint
from modelops_pipelines.operations.release.settle import settle
from modelops_pipelines.operations.release.trials.withdraw import withdraw_version
from modelops_pipelines.store.stores import Stores

JUDGE_SECONDS = 1.0
ERROR_RATE = 0.10
"""Error rate above which a new champion is rolled back, for an endpoint without an error_rate alert."""
_LOG = logging.getLogger("modelops.gateway")


@dataclass
class _Watched:
    """One endpoint since its variants last changed: the counts, and the trial's earlier legs.

    ``counter`` is None where there is nothing to judge. ``counted_until`` is the last second of this worker that was
    counted.
    """

    state: DesiredState
    counter: TrialCounter | None
    legs: list[Leg] = field(default_factory=list)
    counted_until: int = 0
    new_since: datetime | None = None

    def add(self, second: Second) -> None:
        """Count a second, if there is something to judge."""
        if self.counter is not None:
            self.counter.add(second)


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
            if name not in unsettled and watched[name].counter is None:
                continue
            try:
                if name in unsettled:
                    settle(self._stores, served.spec)
                self._judge_endpoint(served, watched[name])
            except ModelOpsError as error:
                _LOG.warning("Watchdog failed on endpoint %s, next attempt in %g s: %s", name, JUDGE_SECONDS, error)
            except Exception:  # noqa: BLE001 - what fails on one endpoint must not leave the others unwatched
                _LOG.exception("Watchdog failed on endpoint %s, next attempt in %g s", name, JUDGE_SECONDS)

    def _count_answers(self, served: ServedEndpoint) -> _Watched:
        """Return the endpoint's counts after adding this worker's new complete seconds."""
        watched = self._watched_since_change(served)
        complete = self._stores.now().timestamp() - 1
        if watched.counter is None:
            watched.counted_until = max(watched.counted_until, math.ceil(complete) - 1)
            return watched
        new = [second for second in served.live.since(watched.counted_until) if second.second < complete]
        watched.counted_until = max([watched.counted_until, *(second.second for second in new)])
        for second in new:
            watched.add(second)
        return watched

    def _watched_since_change(self, served: ServedEndpoint) -> _Watched:
        """Return the endpoint's counts; a change resets them, but keeps the legs of the same trial.

        So does a clock that was set back: the seconds that come then are earlier than those counted.
        """
        name, state = served.spec.name, served.state
        watched = self._watched.get(name)
        if watched is not None and watched.counted_until > self._stores.now().timestamp() + SET_BACK_SECONDS:
            watched = None
        if watched is None or watched.state.generation != state.generation:
            watched = self._watched[name] = self._begin(served, watched)
        return watched

    def _begin(self, served: ServedEndpoint, before: _Watched | None) -> _Watched:
        state, until = served.state, before.counted_until if before is not None else 0
        since = min(state.since, self._stores.now()).timestamp() if state.since is not None else 0.0
        if state.challenger is None and not self._is_in_watch_period(state.since, served):
            return _Watched(state, None, [], until)  # the release is no younger than the state: nothing is judged
        release = replacement(self._stores.deployments.events(state.endpoint), state.champion)
        if before is not None and before.counter is not None and same_trial(before.state, state):
            counter = before.counter.next_leg(state.share_of(str(state.challenger)), since)
            watched = _Watched(state, counter, [*before.legs, before.counter.leg()], until)
        elif state.challenger is not None:
            share = state.share_of(state.challenger)
            watched = _Watched(state, _counter(served, str(state.champion), state.challenger, share, since), [], until)
        elif release is not None:
            counter = _counter(served, str(release.from_version), str(state.champion), 0, since)
            watched = _Watched(state, counter, [], until, release.at)
        else:
            return _Watched(state, None, [], until)
        if watched.counter is not None:
            earlier = self._shared.read_others(served.spec.name, self._stores.now().timestamp(), REFERENCE_SECONDS)
            earlier += served.live.since(int(since) - REFERENCE_SECONDS)
            watched.counter.add_all(second for second in earlier if second.second <= since)
        return watched

    def _judge_endpoint(self, served: ServedEndpoint, watched: _Watched) -> None:
        policy, state, counter = served.spec.guard, watched.state, watched.counter
        if not policy.automatic or state.status != ACTIVE or state.champion is None or counter is None:
            return
        if state.challenger is not None:
            verdict = judge_trial([*watched.legs, counter.leg()], None, policy, served.spec.promotion.minimum)
            self._withdraw_failed(served, state, state.challenger, verdict)
        elif not self._is_in_watch_period(watched.new_since, served):
            watched.counter = None  # the counts of a champion that is watched no more would only grow
        else:
            most = (served.spec.upper_limits("error_rate") or [ERROR_RATE])[0]
            verdict = judge_champion(counter.leg(), most, policy)
            self._withdraw_failed(served, state, state.champion, verdict)

    def _is_in_watch_period(self, since: datetime | None, served: ServedEndpoint) -> bool:
        return since is not None and self._stores.now() - since < served.spec.guard.watch

    def _withdraw_failed(self, served: ServedEndpoint, state: DesiredState, version: str, verdict: Verdict) -> None:
        if verdict.verdict == FAIL:
            change = withdraw_version(self._stores, served.spec, state, version, verdict, actor="watchdog")
            if change is not None:
                _LOG.error("Watchdog: %s: %s", change.sentence, verdict.reason)


def _counter(served: ServedEndpoint, champion: str, challenger: str, share: int, since: float) -> TrialCounter:
    return TrialCounter(champion, challenger, share, since, served.spec.guard.slower)
