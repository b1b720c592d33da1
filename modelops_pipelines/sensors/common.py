"""Tags, queries and results that the sensors share. A tick reads folders and the state database only."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

from modelops_pipelines.core.release.shadow import LastComparison, next_shadow
from modelops_pipelines.resources.run_scope import KIND_TAG
from modelops_pipelines.sensors.run_requests import ask_again, in_one_process, was_lost
from modelops_pipelines.sensors.skip_reasons import summary

ENDPOINT_TAG = "endpoint"
TICK_SECONDS = 4  # under the daemon's own loop of 5 s, or every second loop is skipped
CALM_TICK_SECONDS = 14
"""Between the ticks of what may wait: each costs a tenth of a CPU second, whatever it finds."""
RETRAINING_ASSETS = ("training_set", "candidate", "evaluation")
UNFINISHED = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]


@dataclass(frozen=True)
class LogReader:
    """What reads the log after monitoring, in runs of its own: one at a time over all endpoints, with low priority.

    ``kind`` is the kind of its runs, ``tag`` the tag that names their endpoint, ``tables`` what they compute; ``noun``
    is what one endpoint has of it. Each runs at most once in ``every`` seconds. Its runs have no endpoint tag, so that
    neither the run queue nor the sensor of new data waits for them.
    """

    kind: str
    tag: str
    tables: tuple[str, ...]
    noun: str
    every: int = 60

    def next_run(
        self,
        context: dg.SensorEvaluationContext,
        marks: Mapping[str, str],
        now: int,
        fewer: Mapping[str, tuple[str, ...]] | None = None,
    ) -> dg.SensorResult | dg.SkipReason:
        """Request the run of the endpoint that is due; ``marks`` are by endpoint, and change with new rows.

        ``fewer`` are the tables of endpoints that do not have all.
        """
        if self._is_running(context):
            return dg.SkipReason(f"{len(marks)} {self.noun}(s); a {self.noun} run is in progress")
        known = json.loads(context.cursor or "{}").items()
        last_runs = {name: LastComparison(*last) for name, last in known if not self.last_was_lost(context, name)}
        endpoint = next_shadow(marks, last_runs, now, self.every)
        if endpoint is None:
            waits = f"each without new rows or run in the last {self.every} s"
            return dg.SkipReason(f"{len(marks)} {self.noun}(s), {waits}")
        current = {name: last for name, last in last_runs.items() if name in marks}
        cursor = json.dumps({**current, endpoint: LastComparison(now, marks[endpoint])})
        tables = (fewer or {}).get(endpoint, self.tables)
        requests = in_one_process(context, [self._request(endpoint, marks[endpoint], now, tables)])
        return dg.SensorResult(run_requests=requests, cursor=cursor)

    def last_was_lost(self, context: dg.SensorEvaluationContext, endpoint: str) -> bool:
        """Return whether the newest run of an endpoint was killed: its rows are still to be read."""
        return any(map(was_lost, context.instance.get_run_records(RunsFilter(tags={self.tag: endpoint}), limit=1)))

    def _is_running(self, context: dg.SensorEvaluationContext) -> bool:
        wanted = RunsFilter(tags={KIND_TAG: self.kind}, statuses=UNFINISHED)
        return bool(context.instance.get_run_records(wanted, limit=1))

    def _request(self, endpoint: str, mark: str, now: int, tables: Sequence[str]) -> dg.RunRequest:
        return dg.RunRequest(
            run_key=f"{self.kind} {endpoint} {mark} {now // self.every}",
            asset_selection=assets_of(endpoint, tables),
            tags={self.tag: endpoint, KIND_TAG: self.kind, "dagster/priority": "-10"},
        )


def assets_of(endpoint: str, names: Sequence[str]) -> list[dg.AssetKey]:
    """Return the keys of an endpoint's assets."""
    return [dg.AssetKey([endpoint, name]) for name in names]


def is_running(context: dg.SensorEvaluationContext, endpoint: str, kind: str | None = None) -> bool:
    """Return whether a run of this endpoint (of this kind, if given) is queued or in progress."""
    tags = {ENDPOINT_TAG: endpoint, **({KIND_TAG: kind} if kind else {})}
    wanted = RunsFilter(tags=tags, statuses=UNFINISHED)
    return bool(context.instance.get_run_records(wanted, limit=1))


def sensor_result(
    context: dg.SensorEvaluationContext, requests: list[dg.RunRequest], reasons: Mapping[str, str]
) -> dg.SensorResult | dg.SkipReason:
    """Return the run requests, or without any a skip reason; ``reasons`` are by endpoint."""
    if not requests:
        return dg.SkipReason(summary(reasons))
    again = [ask_again(context.instance, one, time.time()) for one in requests]
    return dg.SensorResult(run_requests=in_one_process(context, again))
