"""Removes files that no version in use needs: superseded data files, those of failed commits, and old log entries.

It locks out appends and rewrites for its time, so that a file without an entry in the log is one of a failed commit.
Files are removed some time after they were superseded, for readers of other engines, and only while no query of ours
is under way on the endpoint; after ``UNREAD`` no query can still need them.
"""

import os
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from modelops_pipelines.core.errors import BusyError
from modelops_pipelines.store.filesystem.files import sync
from modelops_pipelines.store.filesystem.shared_lock import hold_exclusive
from modelops_pipelines.store.lake.eraser import LakeEraser
from modelops_pipelines.store.lake.table_versions import first_needed, log_entries

AGE = timedelta(hours=1)
"""How long a file stays after it was superseded."""
UNREAD = timedelta(hours=24)
PATIENCE = 1.0
"""How long new queries may have to wait for the end of those under way, in seconds."""
_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Removable:
    """Files of a table that nothing needs: data files and entries of the log, and the bytes of both."""

    files: tuple[Path, ...] = ()
    entries: tuple[Path, ...] = ()
    bytes: int = 0

    @property
    def paths(self) -> tuple[Path, ...]:
        """All of them: log entries last, because what they name is removed before them."""
        return (*self.files, *self.entries)


class LakeVacuum(LakeEraser):
    """The lake, with the removal of files that nothing needs."""

    def removable(
        self, endpoint: str, table: str, now: datetime, *, age: timedelta = AGE, pinned: Collection[int] = ()
    ) -> Removable:
        """Return the files that were superseded ``age`` or more before ``now``, and that no pinned version needs.

        The age is rounded to whole hours. A pinned version that can no longer be read is ignored.
        """
        delta = self.table(endpoint, table)
        if delta is None:
            return Removable()
        root = self.path(endpoint, table)
        kept = {version: held for version in pinned if (held := _files_of(root, version)) is not None}
        needed = {Path(file) for file in self.files(endpoint, table)}.union(*kept.values())
        hours = max(0, round((datetime.now(UTC) - now + age) / _HOUR))  # deltalake counts from the machine's time
        listed = delta.vacuum(retention_hours=hours, dry_run=True, enforce_retention_duration=False, full=True)
        files = sorted(path for path in {root / name for name in listed} - needed if path.is_file())
        entries = _old_entries(root, min(kept, default=delta.version()), now - age)
        return Removable(tuple(files), tuple(entries), sum(path.stat().st_size for path in (*files, *entries)))

    def vacuum(
        self,
        endpoint: str,
        table: str,
        now: datetime,
        audit: Callable[[Removable], AbstractContextManager[None]],
        *,
        age: timedelta = AGE,
        pinned: Callable[[], Collection[int]] = frozenset,
    ) -> Removable:
        """Remove these files and return them. While queries are under way, only those that none of them can need.

        They are removed inside of what ``audit`` returns for them; without any it is not called. ``pinned`` is called
        when no query is under way: a pin made during one is among them.
        """
        os.sync()  # what supersedes them may still be in memory, when its writer was killed
        with self._exclusive(endpoint, table), ExitStack() as held:
            try:
                held.enter_context(hold_exclusive(self.readers_lock(endpoint), f"queries of {endpoint}", PATIENCE))
            except BusyError:
                age = max(age, UNREAD)
            found = self.removable(endpoint, table, now, age=age, pinned=pinned())
            if found.paths:
                with audit(found):
                    _remove(found.paths)
            return found


def _remove(paths: Collection[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
    for folder in {path.parent for path in paths}:
        sync(folder)
        if not any(folder.iterdir()):  # of a day that was retired
            folder.rmdir()


def _files_of(root: Path, version: int) -> set[Path] | None:
    """Return the files of a version; None when it can no longer be read."""
    try:
        return {Path(unquote(uri)) for uri in DeltaTable(str(root), version=version).file_uris()}
    except DeltaError:
        return None


def _old_entries(root: Path, oldest: int, before: datetime) -> list[Path]:
    """Return the log's entries before the newest checkpoint that the version ``oldest`` can be read from."""
    entries = log_entries(root)
    first = first_needed(entries, oldest)
    return sorted(
        path for path, version in entries.items() if version < first and path.stat().st_mtime < before.timestamp()
    )
