"""Which files a lake table has now, and the time that each spans, followed from commit to commit.

Opening a Delta table costs more with every file that it has; one entry of its log costs the same at any size. So the
table is opened once, and each entry that comes after is read by itself. What the entries do not tell alike (another
protocol, a log whose older entries were removed) opens the table anew.
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
"""Delta's statistics cut a time to its millisecond: the greatest is up to so much later."""
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class LakeFile:
    """A Parquet file: its rows, the earliest and latest event time of them, and when the last of them came in.

    ``status`` is the greatest of a log's rows; None where it is not known.
    """

    path: str
    rows: int
    earliest: datetime
    latest: datetime
    received: datetime | None
    status: int | None


class TableFiles:
    """One table's files. Safe to ask from several threads."""

    def __init__(self, lake: Lake, endpoint: str, table: str) -> None:
        """Nothing is read before the first question."""
        self._lake, self._names = lake, (endpoint, table)
        self._root = lake.path(endpoint, table)
        self._lock = threading.Lock()
        self._version = -1
        self._files: dict[str, LakeFile] = {}
        self._sorted: tuple[LakeFile, ...] = ()
        self._received: datetime | None = None

    def newest_first(self) -> tuple[LakeFile, ...]:
        """Return the files of the table's present version by their latest event time; none while there is no table.

        Raises SchemaError when the table cannot be read safely.
        """
        with self._lock:
            before = self._version
            if self._version < 0 or not self._follow():
                self._open()
            if self._version != before:
                self._sorted = tuple(sorted(self._files.values(), key=lambda file: file.latest, reverse=True))
                received = (file.received for file in self._sorted if file.received)
                self._received = max(received, default=None)
            return self._sorted

    def received_up_to(self) -> datetime | None:
        """Return when the newest row of the table's present version came in; None without any. Raises SchemaError."""
        self.newest_first()
        return self._received

    def forget(self) -> None:
        """Open the table anew at the next question: a file that was in it is gone."""
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

    def _follow(self) -> bool:
        """Take over the commits since; False when the table is to be opened anew."""
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
        """Return the version of the newest checkpoint: one that is ahead of us says that entries were removed."""
        try:
            return int(orjson.loads((self._root / "_delta_log" / "_last_checkpoint").read_bytes())["version"])
        except FileNotFoundError:
            return -1

    def _file(self, path: str, told: Mapping[str, Any]) -> LakeFile:
        """Return a file as the log tells of it; one without statistics may hold any time of its day."""
        day = told["partition.date"]
        start = datetime.combine(day if isinstance(day, date) else date.fromisoformat(day), time(), UTC)
        earliest, latest = _moment(told.get("min.event_time")), _moment(told.get("max.event_time"))
        return LakeFile(
            str(Path(self._root, unquote(path))),
            told.get("num_records") or 0,
            earliest or start,
            latest + _CUT if latest else start + _DAY,
            _moment(told.get("max.received_at")),
            told.get("max.status"),
        )


_TIMES = ("min.event_time", "max.event_time", "max.received_at")
_COLUMNS = frozenset(("path", "num_records", "partition.date", *_TIMES, "max.status"))


def _flatten_add(add: Mapping[str, Any]) -> dict[str, Any]:
    """Return an ``add`` of the log under the names that an opened table gives its parts."""
    stats = orjson.loads(add["stats"]) if add.get("stats") else {}
    least, greatest = stats.get("minValues", {}), stats.get("maxValues", {})
    return {
        "partition.date": add["partitionValues"]["date"],
        "num_records": stats.get("numRecords"),
        "min.event_time": least.get("event_time"),
        "max.event_time": greatest.get("event_time"),
        "max.received_at": greatest.get("received_at"),
        "max.status": greatest.get("status"),
    }


def _moment(given: datetime | str | None) -> datetime | None:
    if given is None or isinstance(given, datetime):
        return given
    return datetime.fromisoformat(given)
