"""The current files of a lake table with their time spans, updated commit by commit.

The cost of opening a Delta table grows with its files; the cost of one entry of its log does not. So the table is
opened once, and later only new entries are read. The table is reopened after a change of protocol, and when older
entries of the log were removed.
"""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import orjson

from modelops_pipelines.store.lake.reader import Lake

_CUT = timedelta(milliseconds=1)
"""Delta's statistics truncate times to milliseconds: the true maximum is up to this much later."""
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class LakeFile:
    """A Parquet file: its number of rows, their first and last event times, and when the last was received.

    ``status`` is the largest HTTP status of a log's rows, ``source`` their last source in alphabetical order; None if
    unknown.
    """

    path: str
    rows: int
    earliest: datetime
    latest: datetime
    received: datetime | None
    status: int | None
    source: str | None


class TableFiles:
    """One table's files. Thread-safe."""

    def __init__(self, lake: Lake, endpoint: str, table: str) -> None:
        """Nothing is read before the first call."""
        self._lake, self._names = lake, (endpoint, table)
        self._root = lake.path(endpoint, table)
        self._lock = threading.Lock()
        self._version = -1
        self._files: dict[str, LakeFile] = {}
        self._sorted: tuple[LakeFile, ...] = ()
        self._received: datetime | None = None

    def newest_first(self) -> tuple[LakeFile, ...]:
        """Return the files of the table's current version, newest event time first; none without a table.

        Raises SchemaError when the table cannot be read safely.
        """
        with self._lock:
            before = self._version
            if self._version < 0 or not self._apply_new_commits():
                self._open()
            if self._version != before:
                self._sorted = tuple(sorted(self._files.values(), key=lambda file: file.latest, reverse=True))
                received = (file.received for file in self._sorted if file.received)
                self._received = max(received, default=None)
            return self._sorted

    def received_up_to(self) -> datetime | None:
        """Return when the table's last row was received, None without rows; raises SchemaError."""
        self.newest_first()
        return self._received

    def forget(self) -> None:
        """Reopen the table at the next call: one of its files is gone."""
        with self._lock:
            self._version = -1

    def _open(self) -> None:
        delta = self._lake.table(*self._names)
        if delta is None:
            self._version, self._files, self._sorted = -1, {}, ()
            return
        found = delta.get_add_actions(flatten=True)
        columns = {name: found.column(name).to_pylist() for name in found.schema.names if name in _COLUMNS}
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        self._files = {row["path"]: self._file(row["path"], row) for row in rows}
        self._version = delta.version()

    def _apply_new_commits(self) -> bool:
        """Apply the commits since the last call; False when the table must be reopened."""
        for version, entry in self._entries():
            for action in map(orjson.loads, entry.splitlines()):
                if "protocol" in action:
                    return False
                if "remove" in action:
                    self._files.pop(action["remove"]["path"], None)
                if "add" in action:
                    path = action["add"]["path"]
                    self._files[path] = self._file(path, _flatten_add(action["add"]))
            self._version = version
        return self._checkpoint() <= self._version

    def _entries(self) -> Iterator[tuple[int, bytes]]:
        version = self._version + 1
        while True:
            try:
                entry = (self._root / "_delta_log" / f"{version:020d}.json").read_bytes()
            except FileNotFoundError:
                return
            yield version, entry
            version += 1

    def _checkpoint(self) -> int:
        """Return the version of the newest checkpoint; if it is ahead, entries of the log may have been removed."""
        try:
            return int(orjson.loads((self._root / "_delta_log" / "_last_checkpoint").read_bytes())["version"])
        except FileNotFoundError:
            return -1

    def _file(self, path: str, entry: Mapping[str, Any]) -> LakeFile:
        """Return a file from its log entry; without statistics its time span is the whole day."""
        day = entry["partition.date"]
        start = datetime.combine(day if isinstance(day, date) else date.fromisoformat(day), time(), UTC)
        earliest, latest = _moment(entry.get("min.event_time")), _moment(entry.get("max.event_time"))
        return LakeFile(
            str(Path(self._root, unquote(path))),
            entry.get("num_records") or 0,
            earliest or start,
            latest + _CUT if latest else start + _DAY,
            _moment(entry.get("max.received_at")),
            entry.get("max.status"),
            entry.get("max.source"),
        )


_TIMES = ("min.event_time", "max.event_time", "max.received_at")
_COLUMNS = frozenset(("path", "num_records", "partition.date", *_TIMES, "max.status", "max.source"))


def _flatten_add(add: Mapping[str, Any]) -> dict[str, Any]:
    """Return an ``add`` action of the log with the column names of ``get_add_actions(flatten=True)``."""
    stats = orjson.loads(add["stats"]) if add.get("stats") else {}
    least, greatest = stats.get("minValues", {}), stats.get("maxValues", {})
    return {
        "partition.date": add["partitionValues"]["date"],
        "num_records": stats.get("numRecords"),
        "min.event_time": least.get("event_time"),
        "max.event_time": greatest.get("event_time"),
        "max.received_at": greatest.get("received_at"),
        "max.status": greatest.get("status"),
        "max.source": greatest.get("source"),
    }


def _moment(given: datetime | str | None) -> datetime | None:
    if given is None or isinstance(given, datetime):
        return given
    return datetime.fromisoformat(given)
