"""Which tables a task need not look at: nothing was committed to them since it found nothing more to do.

Opening a table takes milliseconds, and a home may have ten thousand. What is remembered may be lost at any time: then
all tables are looked at once more. A new day looks at all of them, because its start closes partitions.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import orjson

from modelops_pipelines.operations.maintenance.lake_tables import LakeTable, all_tables
from modelops_pipelines.store.filesystem.files import write_atomically
from modelops_pipelines.store.lake.table_versions import newest_version
from modelops_pipelines.store.stores import Stores


class SettledTables:
    """The memory of one task."""

    def __init__(self, stores: Stores, task: str, now: datetime) -> None:
        """Read what the task remembered on this day."""
        self._stores, self._day = stores, now.date().isoformat()
        self._path = stores.settings.home / "maintenance" / f"{task}.json"
        known = self._read()
        self._known: dict[str, int] = known["settled"] if known.get("day") == self._day else {}
        self._settled: dict[str, int] = {}

    def others(self) -> Iterator[tuple[LakeTable, int]]:
        """Yield the tables to look at, each with its newest version before that."""
        for table in all_tables(self._stores):
            version = newest_version(table.path)
            if version is None:
                continue
            if self._known.get(_key(table)) == version:
                self.add(table, version)
            else:
                yield table, version

    def add(self, table: LakeTable, version: int) -> None:
        """Remember that there is nothing more to do to a table of this version."""
        self._settled[_key(table)] = version

    def save(self) -> None:
        """Keep the memory for the next run."""
        write_atomically(self._path, orjson.dumps({"day": self._day, "settled": self._settled}))

    def _read(self) -> dict[str, Any]:
        try:
            return dict(orjson.loads(self._path.read_bytes()))
        except (FileNotFoundError, ValueError):
            return {}


def _key(table: LakeTable) -> str:
    return f"{table.endpoint}/{table.name}"
