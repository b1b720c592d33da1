"""The task that rewrites small files of the lake's tables into fewer and larger ones."""

from collections.abc import Iterator
from datetime import date, datetime

from deltalake.exceptions import DeltaError

from modelops_pipelines.core.errors import BusyError
from modelops_pipelines.core.maintenance.compaction import Rewrite
from modelops_pipelines.core.maintenance.effects import Effect
from modelops_pipelines.operations.maintenance.lake_tables import LakeTable
from modelops_pipelines.operations.maintenance.settled_tables import SettledTables
from modelops_pipelines.operations.maintenance.tasks import Task
from modelops_pipelines.store.lake.maintenance.compactor import LakeCompactor
from modelops_pipelines.store.stores import Stores

NAME = "compaction"
_MOST_ROUNDS = 4
"""A merge of a tier may fill the next one."""


def compact(stores: Stores, now: datetime, *, dry_run: bool) -> Iterator[Effect]:
    """Rewrite what is due in all tables that changed since the last time. Partitions that grow meanwhile are left."""
    compactor, settled = LakeCompactor(stores.settings.lake), SettledTables(stores, NAME, now)
    for table, version in settled.others():
        if dry_run:
            due = compactor.due(table.endpoint, table.name, now)
            yield from (_effect(table, one.day, one.rewrite) for one in due)
            continue
        try:
            effects = list(_compact(compactor, table, now))
        except DeltaError:  # an erasure is just removing the log that was being read: the next run looks again
            continue
        yield from effects
        if not effects:
            settled.add(table, version)
    if not dry_run:
        settled.save()


def _compact(compactor: LakeCompactor, table: LakeTable, now: datetime) -> Iterator[Effect]:
    for _ in range(_MOST_ROUNDS):
        due = compactor.due(table.endpoint, table.name, now)
        done = [_compacted(compactor, table, one.day, now) for one in due]
        yield from (effect for effect in done if effect is not None)
        if not any(done):
            return


def _compacted(compactor: LakeCompactor, table: LakeTable, day: date, now: datetime) -> Effect | None:
    try:
        done = compactor.compact(table.endpoint, table.name, day, now)
    except BusyError:  # the next run tries it again
        return None
    return None if done is None else _effect(table, day, done)


def _effect(table: LakeTable, day: date, rewrite: Rewrite) -> Effect:
    reason = "sorted by time into few files" if rewrite.how == "sort" else "small files joined"
    item = f"{table.name} date={day.isoformat()}"
    return Effect("lake files", item, rewrite.files, rewrite.bytes, reason, table.endpoint, "rewrite")


TASK = Task(NAME, "rewrite small files of the lake into few large ones", compact, ())
