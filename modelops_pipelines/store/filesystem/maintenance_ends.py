"""When each task of maintenance last ended and last succeeded, in a file of the home."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from modelops_pipelines.core.maintenance.growth import TaskEnd
from modelops_pipelines.store.filesystem.files import exclusive, write_atomically

FORGOTTEN = timedelta(days=30)
"""A task that was not tried for so long, while others were, is none of this release's."""
_LOCK_SECONDS = 10.0


@dataclass(frozen=True)
class Ends:
    """The tasks by name, and since when this home is watched."""

    since: datetime
    tasks: Mapping[str, TaskEnd] = field(default_factory=dict)


class MaintenanceEnds:
    """The file of tasks. One that cannot be read counts as none, and is made anew."""

    def __init__(self, path: Path, lock: Path) -> None:
        """Nothing is read or written before the first call."""
        self._path, self._lock = path, lock

    def read(self, now: datetime) -> Ends:
        """Return what is known; a home that is read for the first time is watched from now on."""
        known = self._known()
        return known or self._write(Ends(now), now)

    def note(self, task: str, now: datetime, error: str | None = None) -> None:
        """Record the end of a task, with the error that ended it early."""
        with exclusive(self._lock, "the record of maintenance", _LOCK_SECONDS):
            known = self._known() or Ends(now)
            before = known.tasks.get(task)
            succeeded = now if error is None else before.succeeded_at if before else None
            self._write(replace(known, tasks={**known.tasks, task: TaskEnd(now, succeeded, error)}), now)

    def _known(self) -> Ends | None:
        try:
            values = json.loads(self._path.read_bytes())
            tasks = {name: _task(one) for name, one in values["tasks"].items()}
            return Ends(datetime.fromisoformat(values["since"]), tasks)
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return None

    def _write(self, ends: Ends, now: datetime) -> Ends:
        kept = {name: task for name, task in ends.tasks.items() if now - task.ended_at <= FORGOTTEN}
        tasks = {name: _plain(task) for name, task in sorted(kept.items())}
        write_atomically(self._path, json.dumps({"since": ends.since.isoformat(), "tasks": tasks}, indent=1).encode())
        return replace(ends, tasks=kept)


def _plain(task: TaskEnd) -> dict[str, Any]:
    done = task.succeeded_at
    return {"ended_at": task.ended_at.isoformat(), "succeeded_at": done and done.isoformat(), "error": task.error}


def _task(values: Mapping[str, Any]) -> TaskEnd:
    done = values["succeeded_at"]
    ended = datetime.fromisoformat(values["ended_at"])
    return TaskEnd(ended, datetime.fromisoformat(done) if done else None, values["error"])
