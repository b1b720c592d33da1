"""The readings of a home's sizes, one a day, in a file of the home: from them growth is told."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from modelops_pipelines.core.maintenance.growth import Reading, RunCost, TableFiles
from modelops_pipelines.store.filesystem.files import exclusive, write_atomically

DAYS_KEPT = 400
_LOCK_SECONDS = 10.0


class HomeReadings:
    """The file of readings. A file that cannot be read counts as none: it is made anew with the next reading."""

    def __init__(self, path: Path, lock: Path) -> None:
        """Nothing is read or written before the first call."""
        self._path, self._lock = path, lock

    def read(self) -> list[Reading]:
        """Return the last reading of each day, oldest first; tables and costs are of the newest alone."""
        try:
            known = json.loads(self._path.read_bytes())
            return [_reading(one) for one in known["readings"]]
        except (OSError, ValueError, LookupError, TypeError):
            return []

    def changed_at(self) -> float | None:
        """Return when the file was last written, in seconds since the epoch; None without one."""
        try:
            return self._path.stat().st_mtime
        except OSError:
            return None

    def record(self, reading: Reading) -> Reading:
        """Write a reading, which replaces an earlier one of its day (UTC); return it as written.

        What Dagster did is kept from the newest reading where this one says nothing.
        """
        with exclusive(self._lock, "the readings of sizes", _LOCK_SECONDS):
            known = self.read()
            newest = known[-1] if known else reading
            whole = replace(reading, runs=reading.runs or newest.runs)
            first_kept = (reading.at - timedelta(days=DAYS_KEPT)).date()
            others = [one for one in known if first_kept <= one.at.date() and one.at.date() != reading.at.date()]
            earlier = [replace(one, tables=(), runs=None) for one in others if one.at < reading.at]
            rows = [_plain(one) for one in (*earlier, whole)]
            write_atomically(self._path, json.dumps({"readings": rows}).encode())
        return whole


def _plain(reading: Reading) -> dict[str, Any]:
    return {**asdict(reading), "at": reading.at.isoformat()}


def _reading(values: Mapping[str, Any]) -> Reading:
    runs = values["runs"]
    return Reading(
        at=datetime.fromisoformat(values["at"]),
        parts={str(name): int(size) for name, size in values["parts"].items()},
        disk_free=int(values["disk_free"]),
        tables=tuple(TableFiles(**one) for one in values["tables"]),
        runs=RunCost(**runs) if runs else None,
    )
