"""SQLite files made smaller while others read and write them.

Rows that are deleted leave free pages in the file. A file that was made to shrink (``auto_vacuum = INCREMENTAL``)
gives them back in small steps, each a short transaction. One that was not is written anew once, which holds its writers
for as long as that takes: so only while it is small enough.
"""

import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from modelops_pipelines.core.errors import BusyError

LEAST_FREE_BYTES, LEAST_FREE_SHARE = 1 << 20, 0.10
"""A file with less free space is left as it is."""
SMALL = 64 << 20
"""Bytes of a file that is written anew in a moment: it is made one that shrinks before it is large."""
LARGEST_REWRITE = 512 << 20
"""Bytes of content up to which a file is written anew: some seconds, less than writers wait for a lock."""
STEP_PAGES = 1_000
BUSY_SECONDS = 10.0
_INCREMENTAL = 2


@dataclass(frozen=True)
class FreeSpace:
    """A database's file: its bytes, and those of its free pages. ``shrinks`` tells whether small steps suffice."""

    bytes: int
    free: int
    shrinks: bool

    @property
    def is_worth_it(self) -> bool:
        """Whether there is enough free space to give back, or the file is small, and to be made one that shrinks."""
        is_free = self.free >= LEAST_FREE_BYTES and self.free >= LEAST_FREE_SHARE * self.bytes
        return is_free or (not self.shrinks and self.bytes <= SMALL)

    @property
    def is_too_large(self) -> bool:
        """Whether it would have to be written anew, and has too much content for that under traffic."""
        return not self.shrinks and self.bytes - self.free > LARGEST_REWRITE


def free_space(path: Path) -> FreeSpace:
    """Return how much of a database's file is free; raises BusyError while another program holds it."""
    with closing(_open(path)) as connected:
        size, count, free, mode = (_number(connected, name) for name in _ASKED)
    return FreeSpace(size * count, size * free, mode == _INCREMENTAL)


def shrink(path: Path) -> None:
    """Give free pages back to the disk; raises BusyError while another program holds the database for too long.

    A kill in between changes nothing in the content.
    """
    try:
        with closing(_open(path)) as connected:
            if _number(connected, "auto_vacuum") == _INCREMENTAL:
                while _number(connected, "freelist_count"):
                    connected.execute(f"PRAGMA incremental_vacuum({STEP_PAGES})").fetchall()
            else:
                connected.execute("PRAGMA auto_vacuum = INCREMENTAL")
                connected.execute("VACUUM")
            connected.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.OperationalError as error:
        raise _busy(path, error) from error


def truncate_journal(path: Path, patience: float) -> None:
    """Write the journal of a database in WAL mode into it, and empty its file: it keeps what was deleted until then.

    Raises BusyError when a reader keeps an older state of the database for more than ``patience`` seconds.
    """
    deadline = time.monotonic() + patience
    with closing(_open(path)) as connected:
        connected.execute(f"PRAGMA busy_timeout = {_TRY_MILLISECONDS}")  # writers wait for it: a moment at a time
        while _is_journal_busy(connected):
            if time.monotonic() > deadline:
                raise BusyError(
                    f"The journal of the database {path} cannot be emptied: another process has read for over "
                    f"{patience:.0f} s, and what was deleted is in the journal until then",
                    "End the process that reads it, such as a backup or a shell, then do the same again",
                )
            time.sleep(_PAUSE_SECONDS)


def _is_journal_busy(connected: sqlite3.Connection) -> bool:
    try:
        return bool(connected.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            return True
        raise


_TRY_MILLISECONDS, _PAUSE_SECONDS = 1_000, 0.1
_ASKED = ("page_size", "page_count", "freelist_count", "auto_vacuum")


def _open(path: Path) -> sqlite3.Connection:
    """Open without creating: SQLite would make an empty database in the place of one that is gone."""
    try:
        return sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    except sqlite3.OperationalError as error:
        raise _busy(path, error) from error


def _number(connected: sqlite3.Connection, name: str) -> int:
    return int(connected.execute(f"PRAGMA {name}").fetchone()[0])


def _busy(path: Path, error: sqlite3.Error) -> BusyError:
    return BusyError(f"The database {path} cannot be made smaller now ({error})", "Try again when less is written")
