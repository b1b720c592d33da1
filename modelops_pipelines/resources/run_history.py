"""Dagster's history on an instance: runs with their events, and ticks, that are past their retention; what they cost.

A run's events lie in three places: on SQLite in a file of the run, in an index that all runs share, and in a table of
check results. Dagster's own ``delete_run`` leaves the file, the check results and the tags.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunRecord, RunsFilter
from dagster._core.instance.utils import RUNLESS_RUN_ID
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.runs.schema import RunTagsTable
from dagster._core.storage.schedules.schema import JobTickTable
from dagster._core.storage.tags import SCHEDULE_NAME_TAG, SENSOR_NAME_TAG

from modelops_pipelines.store.filesystem.folder_sizes import FolderSize, size_of

PAGE, BATCH = 1_000, 100
FORGOTTEN_SECONDS = 86_400.0
"""A file of a run that is not known is removed a day after its last change: the run may be about to be made."""
_GROUP_TAGS = ("endpoint", "modelops/kind", "modelops/shadow", "dagster/partition")
_DECIDING = ("retraining", "promotion", "trials")
"""Sensors whose runs are few, and worth a look for as long as any others."""
_ENDS = ("", "-wal", "-shm")


@dataclass(frozen=True)
class ExpiredRun:
    """A finished run past its retention, that nothing needs; ``size`` is that of its files."""

    run_id: str
    job_name: str
    size: FolderSize


def expired_runs(instance: DagsterInstance, before: datetime | None, quiet_before: datetime | None) -> list[ExpiredRun]:
    """Return the finished runs that were made before a time, without the newest of each kind and those still shown.

    ``quiet_before`` is the time for runs of the routine that succeeded: those are many, and say little. None is never.

    The newest run of a job, endpoint and kind stays: sensors look at it, and its key keeps it from being started again.
    So does each asset's last run, and that of the last result of each check.
    """
    shown, newest = _shown_runs(instance), _Newest(instance)
    return [
        ExpiredRun(run.run_id, run.job_name, _files_size(instance, run.run_id))
        for record in _finished(instance, before, quiet_before)
        if (run := record.dagster_run).run_id not in shown and not newest.is_newest(run)
    ]


def delete_runs(instance: DagsterInstance, run_ids: Sequence[str]) -> None:
    """Delete runs with all that belongs to them; a run goes last, so that one that was left half-way is found again."""
    for start in range(0, len(run_ids), BATCH):
        batch = run_ids[start : start + BATCH]
        _delete_events(instance, batch)
        for run_id in batch:
            _delete_files(instance, run_id)
            instance.run_storage.delete_run(run_id)
        with _runs_database(instance) as connected:
            connected.execute(RunTagsTable.delete().where(RunTagsTable.c.run_id.in_(batch)))


def orphaned_files(instance: DagsterInstance, now: datetime) -> list[str]:
    """Return the ids of runs that are not known and have files: a page asked for a deleted run, or a kill left them."""
    folder = events_folder(instance)
    if folder is None:
        return []
    known = {*instance.get_run_ids(), "index", RUNLESS_RUN_ID}
    found = {path.name.partition(".")[0]: path for path in folder.glob("*.db*")}
    unknown = {name: path for name, path in found.items() if name not in known}
    return [name for name, path in unknown.items() if _age(path, now) > FORGOTTEN_SECONDS]


def files_size(instance: DagsterInstance, run_ids: Sequence[str]) -> FolderSize:
    """Return the size of the files of runs."""
    return sum((_files_size(instance, run_id) for run_id in run_ids), FolderSize())


def delete_files(instance: DagsterInstance, run_ids: Sequence[str]) -> None:
    """Delete the files of runs that are not known."""
    for run_id in run_ids:
        _delete_files(instance, run_id)


def expired_ticks(instance: DagsterInstance, before: datetime) -> tuple[int, int]:
    """Return the number of ticks before a time, and their bytes."""
    size = sa.func.coalesce(sa.func.sum(sa.func.length(JobTickTable.c.tick_body)), 0)
    query = sa.select(sa.func.count(), size).where(JobTickTable.c.timestamp < before)
    with _ticks_database(instance) as connected:
        count, total = connected.execute(query).one()
    return int(count), int(total)


def delete_ticks(instance: DagsterInstance, before: datetime) -> None:
    """Delete the ticks before a time, some at a time: the daemon writes in between."""
    some = sa.select(JobTickTable.c.id).where(JobTickTable.c.timestamp < before).limit(PAGE).scalar_subquery()
    while True:
        with _ticks_database(instance) as connected:
            if not connected.execute(JobTickTable.delete().where(JobTickTable.c.id.in_(some))).rowcount:
                return


def run_costs(instance: DagsterInstance, now: datetime) -> dict[str, Any]:
    """Return what the runs and ticks of the last day took, as ``core.maintenance.growth.RunCost`` has it."""
    records = instance.get_run_records(RunsFilter(created_after=now - timedelta(days=1)))
    seconds = [r.end_time - r.start_time for r in records if r.start_time is not None and r.end_time is not None]
    failed = sum(record.dagster_run.status == DagsterRunStatus.FAILURE for record in records)
    ticks = {state.instigator_name: _tick_p95(instance, state) for state in instance.all_instigator_state()}
    known = {name: p95 for name, p95 in ticks.items() if p95 is not None}
    worst = max(known, key=lambda name: known[name], default="")
    return {
        "runs": len(records),
        "run_seconds": sum(seconds),
        "runs_p95": _p95(seconds),
        "failed": failed,
        "tick_p95": known.get(worst),
        "tick_worst": worst,
    }


def events_folder(instance: DagsterInstance) -> Path | None:
    """Return the folder with a file of events for each run; None where the storage has no such files."""
    storage: Any = instance.event_log_storage
    return Path(storage.path_for_shard("index")).parent if storage.is_run_sharded else None


class _Newest:
    """Whether a run is the newest of its job, endpoint and kind; each kind is asked for once."""

    def __init__(self, instance: DagsterInstance) -> None:
        self._instance = instance
        self._known: dict[tuple[str, ...], str | None] = {}

    def is_newest(self, run: DagsterRun) -> bool:
        tags = {name: run.tags[name] for name in _GROUP_TAGS if name in run.tags}
        kind = (run.job_name, *(f"{name}={value}" for name, value in tags.items()))
        if kind not in self._known:
            found = self._instance.get_run_records(RunsFilter(job_name=run.job_name, tags=tags), limit=1)
            self._known[kind] = found[0].dagster_run.run_id if found else None
        return self._known[kind] == run.run_id


def _finished(instance: DagsterInstance, before: datetime | None, quiet_before: datetime | None) -> Iterator[RunRecord]:
    last = max((one for one in (before, quiet_before) if one is not None), default=None)
    if last is None:
        return
    wanted = RunsFilter(statuses=FINISHED_STATUSES, created_before=last)
    cursor = None
    while page := instance.get_run_records(wanted, limit=PAGE, ascending=True, cursor=cursor):
        for record in page:
            limits = (before, quiet_before if _is_quiet(record.dagster_run) else None)
            if any(limit is not None and record.create_timestamp < limit for limit in limits):
                yield record
        cursor = page[-1].dagster_run.run_id


def _is_quiet(run: DagsterRun) -> bool:
    """Return whether a run is one of the routine that succeeded: a sensor or schedule started it, to decide nothing."""
    started_by = run.tags.get(SENSOR_NAME_TAG) or run.tags.get(SCHEDULE_NAME_TAG)
    return run.status == DagsterRunStatus.SUCCESS and started_by is not None and started_by not in _DECIDING


def _shown_runs(instance: DagsterInstance) -> set[str]:
    """Return the runs that assets and checks show as their last ones."""
    shown: set[str | None] = set()
    keys = list(instance.all_asset_keys())
    for start in range(0, len(keys), BATCH):
        for record in instance.get_asset_records(keys[start : start + BATCH]):
            entry = record.asset_entry
            last = entry.last_materialization_record
            shown |= {entry.last_run_id, last.run_id if last else None}
    checks = AssetCheckExecutionsTable.c
    newest = sa.select(sa.func.max(checks.id)).group_by(checks.asset_key, checks.check_name)
    with _events_database(instance) as connected:
        for each in (newest, newest.where(checks.evaluation_event.is_not(None))):
            query = sa.select(checks.run_id).where(checks.id.in_(each.scalar_subquery()))
            shown |= set(connected.execute(query).scalars())
    return {run_id for run_id in shown if run_id is not None}


def _delete_events(instance: DagsterInstance, run_ids: Sequence[str]) -> None:
    storage: Any = instance.event_log_storage
    with _events_database(instance) as connected:
        for run_id in run_ids:
            storage.delete_events_for_run(connected, run_id)
        mine = AssetCheckExecutionsTable.c.run_id.in_(run_ids)
        connected.execute(AssetCheckExecutionsTable.delete().where(mine))
    for run_id in run_ids if storage.supports_global_concurrency_limits else ():
        storage.free_concurrency_slots_for_run(run_id)


def _delete_files(instance: DagsterInstance, run_id: str) -> None:
    for path in _event_files(instance, run_id):
        path.unlink(missing_ok=True)
    instance.compute_log_manager.delete_logs(prefix=[run_id])


def _files_size(instance: DagsterInstance, run_id: str) -> FolderSize:
    total = size_of(Path(instance.storage_directory()) / run_id)
    return sum((size_of(path) for path in _event_files(instance, run_id)), total)


def _event_files(instance: DagsterInstance, run_id: str) -> list[Path]:
    folder = events_folder(instance)
    return [] if folder is None else [folder / f"{run_id}.db{end}" for end in _ENDS]


def _events_database(instance: DagsterInstance) -> Any:
    storage: Any = instance.event_log_storage
    return storage.index_connection()


def _runs_database(instance: DagsterInstance) -> Any:
    storage: Any = instance.run_storage
    return storage.connect()


def _ticks_database(instance: DagsterInstance) -> Any:
    storage: Any = instance.schedule_storage
    return storage.connect()


def _age(path: Path, now: datetime) -> float:
    with suppress(OSError):
        return now.timestamp() - path.stat().st_mtime
    return 0.0


def _tick_p95(instance: DagsterInstance, state: Any) -> float | None:
    ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=BATCH)
    return _p95([tick.end_timestamp - tick.timestamp for tick in ticks if tick.end_timestamp is not None])


def _p95(values: Sequence[float]) -> float | None:
    return sorted(values)[int(0.95 * (len(values) - 1))] if values else None
