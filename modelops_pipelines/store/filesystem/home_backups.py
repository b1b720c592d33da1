"""The backups that were taken of a home, the newest ones, in a file of the home."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from modelops_pipelines.core.maintenance.backups import TakenBackup
from modelops_pipelines.core.windows import text
from modelops_pipelines.store.filesystem.files import exclusive, write_atomically

KEPT = 10
_LOCK_SECONDS = 10.0


class HomeBackups:
    """The file of backups. One that cannot be read counts as none, and is made anew."""

    def __init__(self, path: Path, lock: Path) -> None:
        """Nothing is read or written before the first call."""
        self._path, self._lock = path, lock

    def read(self) -> list[TakenBackup]:
        """Return the newest backups, in order of time."""
        try:
            return [_taken(one) for one in json.loads(self._path.read_bytes())["backups"]]
        except (OSError, ValueError, LookupError, TypeError):
            return []

    def note(self, taken: TakenBackup) -> None:
        """Record a backup that is complete."""
        with exclusive(self._lock, "the record of backups", _LOCK_SECONDS):
            newest = sorted([*self.read(), taken], key=lambda one: one.at)[-KEPT:]
            rows = [{"at": text(one.at), "target": one.target} for one in newest]
            write_atomically(self._path, json.dumps({"backups": rows}, indent=1).encode())


def _taken(values: Any) -> TakenBackup:
    return TakenBackup(datetime.fromisoformat(values["at"]), str(values["target"]))
