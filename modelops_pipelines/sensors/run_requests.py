"""What asks for a run again after one that failed, as that whose process was killed.

Dagster starts no second run for the key of a request. A run that failed by its own fault is asked for again only where
what it should do stays due, and after long pauses: what was at fault may have been mended meanwhile.
"""

from collections.abc import Sequence
from contextlib import suppress
from itertools import takewhile
from typing import Any

import dagster as dg
from dagster import DagsterInstance, DagsterRunStatus, RunRecord, RunsFilter
from dagster._core.definitions.assets.job.asset_job import IMPLICIT_ASSET_JOB_NAME
from dagster._core.events import RunFailureReason
from dagster._core.storage.tags import RUN_FAILURE_REASON_TAG

REQUEST_TAG = "modelops/request"
NO_FAULT = {
    reason.value
    for reason in (
        RunFailureReason.UNEXPECTED_TERMINATION,
        RunFailureReason.RUN_WORKER_RESTART,
        RunFailureReason.START_TIMEOUT,
    )
}
"""Why a run failed through no fault of its own."""
FIRST_PAUSE, LONGEST_PAUSE = 10.0, 600.0
FIRST_PAUSE_OF_FAULTS, LONGEST_PAUSE_OF_FAULTS = 60.0, 3600.0
REMEMBERED = 20
Tick = dg.SensorEvaluationContext | dg.ScheduleEvaluationContext


def ask_again(instance: DagsterInstance, request: dg.RunRequest, now: float) -> dg.RunRequest:
    """Return the request with a key of its own when the last run that it led to failed through no fault of its own.

    Dagster starts no second run for a key. For the pauses: ``pause_after``.
    """
    key = str(request.run_key)
    tagged = request.with_replaced_attrs(tags={**request.tags, REQUEST_TAG: key})
    records = instance.get_run_records(RunsFilter(tags={REQUEST_TAG: key}), limit=REMEMBERED)
    pause = pause_after(len(list(takewhile(was_lost, records))))
    if pause is None or (records[0].end_time or 0.0) + pause > now:
        return tagged
    return tagged.with_replaced_attrs(run_key=f"{key}, again after run {records[0].dagster_run.run_id}")


def in_one_process(context: Tick, requests: Sequence[dg.RunRequest]) -> list[dg.RunRequest]:
    """Return the requests of assets such that their steps share the run's process, where nobody chose otherwise.

    Our steps are short: with Dagster's default executor, as in a project that is not ours, each one would start a
    process and load the project again. An executor that the project chose is left to do as it does.
    """
    repository = _repository_of(context) if requests else None
    if repository is None or _executor_of(repository) is not dg.multi_or_in_process_executor:
        return list(requests)
    chosen: dict[str, Any] = {"execution": {"config": {"in_process": {}}}}
    return [
        one.with_replaced_attrs(run_config={**one.run_config, **chosen}) if one.asset_selection else one
        for one in requests
    ]


def _repository_of(context: Tick) -> dg.RepositoryDefinition | None:
    """Return the code location of a tick; None for a context that was made by hand."""
    with suppress(dg.DagsterInvariantViolationError):
        return context.repository_def
    return None


def _executor_of(repository: dg.RepositoryDefinition) -> dg.ExecutorDefinition:
    return repository.get_job(IMPLICIT_ASSET_JOB_NAME).executor_def


def pause_after(lost: int, failed: int = 0) -> float | None:
    """Return how many seconds after the end of the newest run to ask again; None when there is nothing to wait for.

    After runs that were lost in a row the second one comes at once, each further one after a pause that doubles, up to
    ten minutes: what kills its process every time does not keep the machine busy. After runs that failed by their own
    fault, where what they should do stays due, it is one minute, two, four, up to an hour.
    """
    if lost:
        return min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (lost - 2)) if lost > 1 else 0.0
    return min(LONGEST_PAUSE_OF_FAULTS, FIRST_PAUSE_OF_FAULTS * 2 ** (failed - 1)) if failed else None


def was_lost(record: RunRecord) -> bool:
    """Return whether a run failed through no fault of its own."""
    run = record.dagster_run
    return run.status == DagsterRunStatus.FAILURE and run.tags.get(RUN_FAILURE_REASON_TAG) in NO_FAULT
