"""The task that removes files of the lake's tables that no version in use needs."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import datetime, timedelta

from deltalake.exceptions import DeltaError

from modelops_pipelines.core.maintenance.effects import Effect
from modelops_pipelines.operations.maintenance.lake_tables import LakeTable
from modelops_pipelines.operations.maintenance.settled_tables import SettledTables
from modelops_pipelines.operations.maintenance.tasks import Task, audited
from modelops_pipelines.store.lake.maintenance.vacuum import AGE, UNREAD, LakeVacuum, Removable
from modelops_pipelines.store.stores import Stores

NAME = "vacuum"
KIND = "lake files"
FEWEST, FEWEST_BYTES = 100, 64 << 20
"""Fewer files than this, and fewer bytes, wait until they have been superseded for a day: the audit stays short."""


def vacuum(stores: Stores, now: datetime, *, dry_run: bool) -> Iterator[Effect]:
    """Remove superseded files and old log entries of all tables that changed since the last time."""
    lake, settled = LakeVacuum(stores.settings.lake), SettledTables(stores, NAME, now)
    for table, version in settled.others():
        try:
            due = _due(lake, stores, table, now)
        except (DeltaError, FileNotFoundError):  # an erasure removes what was being looked at: the next run looks again
            continue
        if due is None:
            settled.add(table, version)
            continue
        if due.paths and not dry_run:
            due = _vacuum(lake, stores, table, version, now)
        if due.paths:
            yield _effect(table, due, version)
    if not dry_run:
        settled.save()


def _due(lake: LakeVacuum, stores: Stores, table: LakeTable, now: datetime) -> Removable | None:
    """Return what is worth a removal now; None where nothing will ever be removed of this version."""
    pinned = pinned_versions(stores, table, now)
    if not lake.removable(table.endpoint, table.name, now, age=timedelta(0), pinned=pinned).paths:
        return None if not pinned else Removable()
    due = lake.removable(table.endpoint, table.name, now, age=AGE, pinned=pinned)
    if len(due.paths) >= FEWEST or due.bytes >= FEWEST_BYTES:
        return due
    return lake.removable(table.endpoint, table.name, now, age=UNREAD, pinned=pinned)


def pinned_versions(stores: Stores, table: LakeTable, now: datetime) -> frozenset[int]:
    """Return the older versions of a table that something still reads, such as a backup that copies them.

    A frozen training set is a table of its own, and pins nothing.
    """
    return stores.pins.versions_of(table.endpoint, table.name, now)


def _vacuum(lake: LakeVacuum, stores: Stores, table: LakeTable, version: int, now: datetime) -> Removable:
    def audit(found: Removable) -> AbstractContextManager[None]:
        return audited(stores, _effect(table, found, version), now)

    def pinned() -> frozenset[int]:
        return pinned_versions(stores, table, now)

    return lake.vacuum(table.endpoint, table.name, now, audit, age=AGE, pinned=pinned)


def _effect(table: LakeTable, found: Removable, version: int) -> Effect:
    """Return the effect. Its item has the version: what is left of an earlier vacuum is counted once more with it."""
    detail = {"data files": len(found.files), "log entries": len(found.entries)}
    reason = "superseded, or of failed commits"
    return Effect(
        KIND,
        f"{table.name} before version {version}",
        len(found.paths),
        found.bytes,
        reason,
        table.endpoint,
        detail=detail,
    )


TASK = Task(NAME, "remove files that no version of a table in use needs", vacuum, (KIND,))
