"""Tables that a process has opened, kept until something is committed to them.

Opening reads the table's log, whose cost grows with the table's days: 6 ms for a week, 10 ms for a year. A monitoring
step asks for the same dozen tables some forty times.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from deltalake import DeltaTable

MOST = 64
"""Tables that are kept: a few endpoints'."""
State = tuple[int, int, frozenset[str]]


class OpenedTables:
    """The most recently used tables. Thread-safe."""

    def __init__(self) -> None:
        """Nothing is opened before it is asked for."""
        self._lock = threading.Lock()
        self._known: OrderedDict[Path, tuple[State, DeltaTable]] = OrderedDict()

    def get(self, table: Path, opened: Callable[[], DeltaTable | None]) -> DeltaTable | None:
        """Return the table's current version, to be read only: others read from the same one. ``opened`` opens it."""
        before = _state(table)
        with self._lock:
            known = self._known.get(table)
            if known is not None and known[0] == before:
                self._known.move_to_end(table)
                return known[1]
        found = opened()
        with self._lock:
            self._known.pop(table, None)
            if found is not None and before is not None and before == _state(table):
                self._known[table] = before, found
            while len(self._known) > MOST:
                self._known.popitem(last=False)
        return found


def _state(table: Path) -> State | None:
    """Return what changes with every commit: the log's folder, when it changed, and its names; None without a log."""
    log = table / "_delta_log"
    try:
        found = log.stat()
        return found.st_ino, found.st_mtime_ns, frozenset(os.listdir(log))  # noqa: PTH208 - names are enough
    except FileNotFoundError:
        return None
