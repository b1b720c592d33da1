"""The sensor that ends runs whose process was killed.

Dagster itself would show such a run as started for ever, and the sensors and the run queue would wait for it.
"""

import time

import dagster as dg
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunRecord, RunsFilter
from dagster._core.events import JobFailureData, RunFailureReason
from dagster._core.launcher import DefaultRunLauncher

from modelops_pipelines.platforms.marked_processes import process_with_argument
from modelops_pipelines.resources.run_scope import KIND_TAG
from modelops_pipelines.sensors.common import ENDPOINT_TAG, TICK_SECONDS
from modelops_pipelines.store.filesystem.process_identity import runs_since

GONE = "Its process is gone: it was killed, or the machine stopped"
UNDER_WAY = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]
CLOCK_SECONDS = 5.0
"""A process that began this much later than it is said to have run is another one with the same id."""
NAMELESS_SECONDS = 15.0
"""A run's process is named in its tags at once; one that has no name after so long was killed as it began."""


def lost_runs_sensor() -> dg.SensorDefinition:
    """Return the sensor that ends runs whose process is gone."""

    @dg.sensor(
        name="lost_runs",
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Ends runs whose process was killed as failed, so that nothing waits for them.",
    )
    def lost_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        lost = end_lost_runs(context.instance, time.time())
        for run in lost:
            context.log.warning("Run %s of %s is ended: %s", run.run_id, run.job_name, GONE)
        return dg.SkipReason(f"{len(lost)} run(s) were without a process")

    return lost_runs


def end_lost_runs(instance: DagsterInstance, now: float) -> list[DagsterRun]:
    """End the runs whose process is gone, and return them (``now`` in seconds since the epoch).

    With Dagster's default launcher those of our endpoints: their processes are children of the code server that also
    evaluates our sensors. Runs of any other launcher are left to Dagster's own run monitoring.
    """
    from modelops_pipelines.resources.run_launcher import LocalRunLauncher

    launcher = instance.run_launcher
    if not isinstance(launcher, LocalRunLauncher | DefaultRunLauncher):
        return []
    is_lost = _is_lost if isinstance(launcher, LocalRunLauncher) else _is_lost_by_default
    lost = [one for one in instance.get_run_records(RunsFilter(statuses=UNDER_WAY)) if is_lost(instance, one, now)]
    return [run for record in lost if (run := _end(instance, record.dagster_run.run_id)) is not None]


def _is_lost_by_default(instance: DagsterInstance, record: RunRecord, _now: float) -> bool:
    """Return whether the process that a run of Dagster's default launcher has named in its events is gone."""
    run = record.dagster_run
    if not {ENDPOINT_TAG, KIND_TAG} & {*run.tags}:
        return False
    for event in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)[::-1]:
        said = event.get_dagster_event().engine_event_data.metadata
        if "pid" in said:
            since = runs_since(int(str(said["pid"].value)))
            return since is None or since > event.timestamp + CLOCK_SECONDS
    return False


def _is_lost(instance: DagsterInstance, record: RunRecord, now: float) -> bool:
    """Return whether no process is behind a run any more. A command of Dagster runs its own, without a launch.

    A process that the daemon started and could not name, for it was killed in between, has the run's id in its command.
    """
    from modelops_pipelines.resources.run_launcher import has_ended, name_process

    run_id, ended = record.dagster_run.run_id, has_ended(record.dagster_run)
    if ended is not None:
        return ended
    if now - record.update_timestamp.timestamp() < NAMELESS_SECONDS:
        return False
    if (pid := process_with_argument(run_id)) is not None:
        name_process(instance, run_id, pid)
        return False
    return instance.get_run_stats(run_id).launch_time is not None


def _end(instance: DagsterInstance, run_id: str) -> DagsterRun | None:
    """End a run without a process; None when its process had finished it before it ended."""
    run = instance.get_run_by_id(run_id)
    if run is None or run.is_finished:
        return None
    if run.status == DagsterRunStatus.CANCELING:
        instance.report_run_canceled(run, GONE)
    else:
        fault = JobFailureData(error=None, failure_reason=RunFailureReason.UNEXPECTED_TERMINATION)
        instance.report_run_failed(run, GONE, fault)
    return run
