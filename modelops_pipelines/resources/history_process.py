"""A process that keeps Dagster's history short, for programs that must not import Dagster.

Its home is ``DAGSTER_HOME``. It writes a JSON object a line on its standard output. Its first argument is JSON too, and
names the process that it ends with (``parent``):

* ``{"costs": TIME}`` gives one line, what the runs and ticks of the last day took;
* ``{"now": TIME, "runs": TIME, "quiet_runs": TIME, "ticks": TIME}``, where each time but ``now`` may be null, gives a
  line for each kind of things that are past their time, with the fields of ``core.maintenance.effects.Effect``. It then
  reads a line: at ``delete`` it deletes them, and says so with an empty object; at anything else it goes on.
"""

import json
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from typing import Any

from dagster import DagsterInstance

from modelops_pipelines.resources import asset_reports, run_history
from modelops_pipelines.resources.asset_reports import ALERTS
from modelops_pipelines.store.filesystem.process_identity import end_with_parent

DELETE = "delete"
_PAST = "past its retention"
Step = tuple[dict[str, Any], Callable[[], None]]


def main() -> None:
    """Do what the first argument says."""
    wanted = json.loads(sys.argv[1])
    end_with_parent(wanted["parent"])  # another run of maintenance may begin as soon as this one's lock is free
    with DagsterInstance.get() as instance:
        if "costs" in wanted:
            _say(run_history.run_costs(instance, datetime.fromisoformat(wanted["costs"])))
            return
        for effect, delete in _steps(instance, wanted):
            _say(effect)
            if sys.stdin.readline().strip() == DELETE:
                delete()
                _say({})


def _steps(instance: DagsterInstance, wanted: dict[str, Any]) -> Iterator[Step]:
    runs, quiet, before = (_time(wanted[name]) for name in ("runs", "quiet_runs", "ticks"))
    yield from _runs(instance, runs, quiet)
    yield from _orphans(instance, datetime.fromisoformat(wanted["now"]))
    yield from _reports(instance, quiet)
    if before is not None:
        count, size = run_history.expired_ticks(instance, before)
        if count:
            yield (
                _effect("Dagster ticks", "sensors and schedules", count, size),
                partial(run_history.delete_ticks, instance, before),
            )


def _runs(instance: DagsterInstance, before: datetime | None, quiet_before: datetime | None) -> Iterator[Step]:
    jobs: dict[str, list[run_history.ExpiredRun]] = {}
    for run in run_history.expired_runs(instance, before, quiet_before):
        jobs.setdefault(run.job_name, []).append(run)
    for job, runs in sorted(jobs.items()):
        size = sum(run.size.bytes for run in runs)
        ids = [run.run_id for run in runs]
        yield _effect("Dagster runs", job, len(runs), size), partial(run_history.delete_runs, instance, ids)


def _orphans(instance: DagsterInstance, now: datetime) -> Iterator[Step]:
    unknown = run_history.orphaned_files(instance, now)
    if unknown:
        size = run_history.files_size(instance, unknown).bytes
        effect = {**_effect("Dagster runs", "files of unknown runs", len(unknown), size), "reason": "their run is gone"}
        yield effect, partial(run_history.delete_files, instance, unknown)


def _reports(instance: DagsterInstance, before: datetime | None) -> Iterator[Step]:
    """Yield the reports of the asset of alerts that are as old as runs of the routine may be."""
    count, size = asset_reports.expired_reports(instance, ALERTS, before) if before is not None else (0, 0)
    if before is not None and count:
        effect = _effect("Dagster reports", ALERTS.to_user_string(), count, size)
        yield effect, partial(asset_reports.delete_reports, instance, ALERTS, before)


def _effect(kind: str, item: str, items: int, size: int) -> dict[str, Any]:
    return {"kind": kind, "item": item, "items": items, "bytes": size, "reason": _PAST}


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _say(value: dict[str, Any]) -> None:
    print(json.dumps(value), flush=True)  # noqa: T201 - it is read by the process that started this one


if __name__ == "__main__":
    main()
