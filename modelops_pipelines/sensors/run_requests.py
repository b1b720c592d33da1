"""What asks for a run again after one that failed, as that whose process was killed.

Dagster starts no second run for the key of a request. A run that failed by its own fault is asked for again only where
what it should do stays due, and after long pauses: what was at fault may have been mended meanwhile.
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
FIRST_PAUSE_OF_FAULTS, LONGEST_PAUSE_OF_FAULTS = 60.0, 3600.0
REMEMBERED = 20


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
