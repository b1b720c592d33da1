"""How large the home is, by part, and which tables have the most files: one reading a day tells how it grows."""

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from modelops_pipelines.core.maintenance.effects import Effect
from modelops_pipelines.core.maintenance.growth import Reading, RunCost, TableFiles
from modelops_pipelines.core.tables.training import TRAINING_ORIGINS
from modelops_pipelines.operations.maintenance.home.dagster_history import history_costs
from modelops_pipelines.store.filesystem.folder_sizes import FolderSize, size_of
from modelops_pipelines.store.settings import Settings
from modelops_pipelines.store.stores import Stores

PARTS = {
    "lake": ("lake",),
    "spool": ("spool",),
    "models": ("models", "mlartifacts", "references"),
    "mlflow": ("mlflow.db", "mlflow.db-wal", "mlflow.db-shm"),
    "dagster": ("dagster",),
    "state": ("state.db", "state.db-wal", "state.db-shm", "history.log"),
    "reports": ("reports",),
    "logs": ("logs",),
}
"""The parts of a home, and the names in it that belong to each; all others are ``other``."""
_OTHER = "other"
_FROZEN = ("training_sets", TRAINING_ORIGINS.name)
"""Folders of tables that are written whole, and never compacted."""


def record_sizes(stores: Stores, now: datetime, *, dry_run: bool) -> Iterator[Effect]:
    """Record a reading of the home's sizes; it deletes nothing, and has no effects."""
    if not dry_run:
        stores.readings.record(read_sizes(stores.settings, now, history_costs(stores.settings, now)))
    yield from ()


def read_sizes(settings: Settings, now: datetime, runs: RunCost | None = None) -> Reading:
    """Return the sizes now, in bytes on the disk; opens no file."""
    part_of = {name: part for part, names in PARTS.items() for name in names}
    parts = dict.fromkeys([*PARTS, _OTHER], 0)
    for path in _entries(settings.home):
        parts[part_of.get(path.name, _OTHER)] += size_of(path).bytes
    worst = [table for folder in _entries(settings.lake) if (table := _worst_table(folder)) is not None]
    tables = tuple(sorted(worst, key=lambda one: (-one.files, one.endpoint)))
    return Reading(now, parts, shutil.disk_usage(settings.home).free, tables, runs)


def _worst_table(endpoint: Path) -> TableFiles | None:
    sizes = {table.name: size_of(table) for table in _entries(endpoint) if table.name not in _FROZEN}
    name = max(sizes, key=lambda one: sizes[one].files, default=None)
    size = sizes[name] if name is not None else FolderSize()
    return None if name is None else TableFiles(endpoint.name, name, size.files, size.bytes)


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
