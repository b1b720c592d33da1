"""Takes a bad version back within seconds, with nothing but this gateway running, and finishes what others began.

It judges what all workers have answered since the version went live: errors and latency. Labels are for the job that
reads the log. Each worker has a watchdog; whoever is first takes the version back, the others find it gone.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from modelops_pipelines.core.errors import ModelOpsError
from modelops_pipelines.core.release.desired_state import ACTIVE, DesiredState, same_trial
from modelops_pipelines.core.release.event_log import DEPLOY, PROMOTE, last_release
from modelops_pipelines.core.release.guards import Arm, Leg, Verdict, judge_champion, judge_trial
from modelops_pipelines.core.release.sequential_tests import FAIL
from modelops_pipelines.gateway.worker.live_metrics import Board, Second
from modelops_pipelines.gateway.worker.served import Served
from modelops_pipelines.operations.release.settle import settle
from modelops_pipelines.operations.release.withdraw import withdraw_version
from modelops_pipelines.store.stores import Stores

LOOK_SECONDS = 1.0
ERROR_RATE = 0.10
"""From which rate of failed requests a new champion is taken back where the endpoint has no such alert."""
_LOG = logging.getLogger("modelops.gateway")


@dataclass
class _Watched:
    """One endpoint since its variants last changed: what each version answered, and the trial's legs before."""

    state: DesiredState
    arms: dict[str, Arm] = field(default_factory=dict)
    legs: list[Leg] = field(default_factory=list)
    seen: int = 0
    new_since: datetime | None = None

    def add(self, second: Second) -> None:
        """Count a second that lies wholly after the change."""
        since = self.state.since
        if since is not None and second.second <= since.timestamp():
            return
        for version, count in second.versions.items():
            arm = Arm(count.requests, count.failed, count.callers, count.errors, count.latencies)
            self.arms[version] = self.arms.get(version, Arm()).plus(arm)

    def now(self) -> Leg:
        """Return the present leg of the trial."""
        champion, challenger = str(self.state.champion), str(self.state.challenger)
        share = self.state.share_of(challenger)
        return Leg(share, self.arms.get(challenger, Arm()), self.arms.get(champion, Arm()))


class Watchdog:
    """Judges every endpoint of this gateway, once a second."""

    def __init__(self, stores: Stores, endpoints: Callable[[], Sequence[Served]], board: Board) -> None:
        """Watch these endpoints; other workers' answers come from the board."""
        self._stores, self._endpoints, self._board = stores, endpoints, board
        self._watched: dict[str, _Watched] = {}

    def look(self) -> None:
        """Settle what is unfinished, count what was answered, and take back what is bad.

        What fails on one endpoint is logged and does not keep the others from being looked at.
        """
        served = {one.spec.name: one for one in self._endpoints()}
        watched = {name: self._counted(one) for name, one in served.items()}
        for name, second in self._board.follow():
            if name in watched:
                watched[name].add(second)
        unsettled = {attempt.endpoint for attempt in self._stores.deployments.unsettled()}
        for name, one in served.items():
            try:
                if name in unsettled:
                    settle(self._stores, one.spec)
                self._judge(one, watched[name])
            except ModelOpsError as error:
                _LOG.warning("watchdog: endpoint %s: %s", name, error)

    def _counted(self, served: Served) -> _Watched:
        """Return the endpoint's counts with what this worker has answered since the last look."""
        watched = self._watching(served)
        over = self._stores.now().timestamp() - 1
        whole = [second for second in served.live.since(watched.seen) if second.second < over]
        watched.seen = max([watched.seen, *(second.second for second in whole)])
        for second in whole:
            watched.add(second)
        return watched

    def _watching(self, served: Served) -> _Watched:
        """Return the endpoint's counts; a change begins them anew, and keeps the legs of the same trial."""
        name, state = served.spec.name, served.state
        watched = self._watched.get(name)
        if watched is None or watched.state.generation != state.generation:
            same = watched is not None and same_trial(watched.state, state)
            legs = [*watched.legs, watched.now()] if watched is not None and same else []
            seen = watched.seen if watched is not None else 0
            self._watched[name] = watched = _Watched(state, legs=legs, seen=seen, new_since=self._new_since(state))
        return watched

    def _new_since(self, state: DesiredState) -> datetime | None:
        """Return when the champion was put in another's place, to which a rollback could return; None if it was not."""
        last = last_release(self._stores.deployments.events(state.endpoint))
        if last is None or last.action not in (DEPLOY, PROMOTE) or last.to_version != state.champion:
            return None
        return last.at if last.from_version not in (None, state.champion) else None

    def _judge(self, served: Served, watched: _Watched) -> None:
        policy, state = served.spec.guard, watched.state
        if not policy.automatic or state.status != ACTIVE or state.champion is None:
            return
        if state.challenger is not None:
            verdict = judge_trial([*watched.legs, watched.now()], None, policy, served.spec.promotion.minimum)
            self._act(served, state, state.challenger, verdict)
        elif self._is_watched_still(watched.new_since, served):
            most = (served.spec.thresholds("error_rate") or [ERROR_RATE])[0]
            verdict = judge_champion(watched.arms.get(state.champion, Arm()), most, policy)
            self._act(served, state, state.champion, verdict)

    def _is_watched_still(self, since: datetime | None, served: Served) -> bool:
        return since is not None and self._stores.now() - since < served.spec.guard.watch

    def _act(self, served: Served, state: DesiredState, version: str, verdict: Verdict) -> None:
        if verdict.verdict == FAIL:
            change = withdraw_version(self._stores, served.spec, state, version, verdict, actor="watchdog")
            if change is not None:
                _LOG.error("watchdog: %s: %s", change.sentence, verdict.reason)
