"""What asks for a run again after one that failed through no fault of its own, such as a killed process.

Dagster starts no second run for the key of a request. A run that fails by its own fault is not asked for again: it
would fail again.
"""

from itertools import takewhile

import dagster as dg
from dagster import DagsterInstance, DagsterRunStatus, RunRecord, RunsFilter
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
REMEMBERED = 20


def ask_again(instance: DagsterInstance, request: dg.RunRequest, now: float) -> dg.RunRequest:
    """Return the request with a key of its own when the last run that it led to failed through no fault of its own.

    Dagster starts no second run for a key. The second run comes at once, each further one after a pause that doubles,
    up to ten minutes: what kills its process every time does not keep the machine busy.
    """
    key = str(request.run_key)
    tagged = request.with_replaced_attrs(tags={**request.tags, REQUEST_TAG: key})
    records = instance.get_run_records(RunsFilter(tags={REQUEST_TAG: key}), limit=REMEMBERED)
    losses = len(list(takewhile(was_lost, records)))
    pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (losses - 2)) if losses > 1 else 0.0
    if losses == 0 or (records[0].end_time or 0.0) + pause > now:
        return tagged
    return tagged.with_replaced_attrs(run_key=f"{key}, again after run {records[0].dagster_run.run_id}")


def was_lost(record: RunRecord) -> bool:
    """Return whether a run failed through no fault of its own."""
    run = record.dagster_run
    return run.status == DagsterRunStatus.FAILURE and run.tags.get(RUN_FAILURE_REASON_TAG) in NO_FAULT
