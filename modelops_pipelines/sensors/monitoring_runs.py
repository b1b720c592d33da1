"""Runs that monitor several endpoints at once: which endpoints a run has, how each one's work went, and new requests.

A run has a tag for each of its endpoints, whose value says what the work was. A failure is that endpoint's alone: the
steps of the others go on, and their work is not asked for again.
"""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache

import dagster as dg
from dagster import DagsterEventType, DagsterInstance, DagsterRun, DagsterRunStatus, RunRecord, RunsFilter

from modelops_pipelines.assets.monitoring import step_of
from modelops_pipelines.core.capture.joint_runs import Attempts, PendingWork, joined
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.ids import content_id
from modelops_pipelines.resources.run_scope import ENDPOINT_PREFIX, KIND_TAG, MONITORING, SLOW_PREFIX, SLOW_TAG
from modelops_pipelines.sensors.common import UNFINISHED, assets_of
from modelops_pipelines.sensors.run_requests import REMEMBERED, pause_after, was_lost

REASON_TAG = "modelops/reason"
SLOW_FOR = timedelta(days=1)
"""An endpoint that was out of time gets runs of its own for so long."""
_STEP_ENDS = {DagsterEventType.STEP_SUCCESS, DagsterEventType.STEP_FAILURE}


def monitored_by(run: DagsterRun) -> set[str]:
    """Return the endpoints that a monitoring run has."""
    return {tag.removeprefix(ENDPOINT_PREFIX) for tag in run.tags if tag.startswith(ENDPOINT_PREFIX)}


def under_way(instance: DagsterInstance) -> set[str]:
    """Return the endpoints whose monitoring is queued or in progress."""
    runs = instance.get_runs(RunsFilter(tags={KIND_TAG: MONITORING}, statuses=UNFINISHED))
    return {name for run in runs for name in monitored_by(run)}


class History:
    """How the work of endpoints went in earlier runs. A run's events are read once, and those of failed ones only."""

    def __init__(self, instance: DagsterInstance) -> None:
        """Read nothing yet."""
        self._instance = instance
        self._ends = cache(self._read_ends)
        self.attempts = cache(self._attempts)
        self.slow = cache(self._slow)

    def _slow(self) -> frozenset[str]:
        """Return the endpoints that were out of time lately."""
        since = datetime.fromtimestamp(time.time(), UTC) - SLOW_FOR
        runs = self._instance.get_runs(RunsFilter(tags={SLOW_TAG: "true"}, created_after=since))
        tags = (tag for run in runs for tag in run.tags if tag.startswith(SLOW_PREFIX))
        return frozenset(tag.removeprefix(SLOW_PREFIX) for tag in tags)

    def _attempts(self, work: PendingWork) -> Attempts:
        """Return how the runs that had this work went, as far as the newest ones went alike."""
        asked = RunsFilter(tags={f"{ENDPOINT_PREFIX}{work.endpoint}": work.identity})
        records = self._instance.get_run_records(asked, limit=REMEMBERED)
        ends = [self._end(record, work.endpoint) for record in records]
        if not ends:
            return Attempts()
        alike = next((place for place, end in enumerate(ends) if end != ends[0]), len(ends))
        newest = records[0]
        return Attempts(
            lost=alike if ends[0] == "lost" else 0,
            failed=alike if ends[0] == "failed" else 0,
            done=ends[0] == "done",
            ended=newest.end_time or 0.0,
            run=newest.dagster_run.run_id,
        )

    def _end(self, record: RunRecord, endpoint: str) -> str:
        run = record.dagster_run
        if run.status not in (DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED):
            return "done"
        ends = self._ends(run.run_id)
        if ends.get(step_of(endpoint)) == DagsterEventType.STEP_SUCCESS:
            return "done"
        return "lost" if was_lost(record) else "failed"

    def _read_ends(self, run_id: str) -> Mapping[str, DagsterEventType]:
        """Return how each step of a run ended that did."""
        events = self._instance.get_records_for_run(run_id, of_type=_STEP_ENDS).records
        said = [record.event_log_entry.get_dagster_event() for record in events]
        return {str(event.step_key): event.event_type for event in said}


def run_requests(
    history: History, specs: Sequence[EndpointSpec], works: Mapping[str, PendingWork], why: str
) -> list[dg.RunRequest]:
    """Return the requests of runs for these works, of at most MOST_ENDPOINTS endpoints each.

    The key of a request follows from the works and from how they went before: Dagster starts one run for a key.
    """
    attempts = {name: history.attempts(work) for name, work in works.items()}
    by_name = {spec.name: spec for spec in specs}
    alone = {name for name, one in attempts.items() if one.alone}
    groups = joined(list(works), alone | history.slow()) if works else []
    return [_request([by_name[name] for name in group], works, attempts, why) for group in groups]


def why_not(history: History, work: PendingWork) -> str | None:
    """Return why this work is not asked for now; None when it is. See ``run_requests.pause_after`` for the pauses."""
    attempts = history.attempts(work)
    if attempts.done:
        return f"{work.describe()}; the newest run has seen them"
    pause = pause_after(attempts.lost, attempts.failed)
    left = 0.0 if pause is None else attempts.ended + pause - time.time()
    how = "was lost" if attempts.lost else "failed"
    return f"{work.describe()}; the newest run {how}, the next one is due in {left:.0f} s" if left > 0 else None


def _request(
    specs: Sequence[EndpointSpec], works: Mapping[str, PendingWork], attempts: Mapping[str, Attempts], why: str
) -> dg.RunRequest:
    chosen = [works[spec.name] for spec in specs]
    after = [attempts[spec.name].run or "" for spec in specs]
    segments, windows = sum(one.segments for one in chosen), sum(one.windows for one in chosen)
    return dg.RunRequest(
        run_key=f"monitoring {content_id(*(one.endpoint + ' ' + one.identity for one in chosen), *after)}",
        asset_selection=[key for spec in specs for key in assets_of(spec.name, spec.monitored)],
        tags={
            KIND_TAG: MONITORING,
            REASON_TAG: f"{why}: {segments} segment(s), {windows} pending window(s), {len(chosen)} endpoint(s)",
            **{f"{ENDPOINT_PREFIX}{one.endpoint}": one.identity for one in chosen},
        },
    )
