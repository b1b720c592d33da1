"""Copies of SQLite databases that others are writing to, each of one instant."""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from modelops_pipelines.core.errors import StateError
from modelops_pipelines.store.filesystem.files import open_regular

ENDING = ".db"
COMPANIONS = (f"{ENDING}-wal", f"{ENDING}-shm", f"{ENDING}-journal")
"""Files beside a database that mean something together with it only; a copy of one instant has none."""
_BUSY_SECONDS = 60.0
_HEADER = b"SQLite format 3\0"


def is_database(path: Path) -> bool:
    """Return whether a file is a database, rather than another file that is named like one."""
    with open_regular(path) as opened:
        return opened.read(len(_HEADER)) == _HEADER


def copy_database(path: Path, copy: Path) -> None:
    """Copy a database as it is at one instant; writers go on, the copy is one file. Raises StateError when it cannot.

    All pages are copied in one step: it is never begun again, however much is written.
    """
    address = f"file:{quote(str(path))}?mode=rw"
    try:
        with (
            closing(sqlite3.connect(address, uri=True, timeout=_BUSY_SECONDS)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target, pages=-1)
            target.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        raise StateError(
            f"The database {path} cannot be copied ({error})",
            "Check it with: modelops doctor; then take the backup again",
        ) from error
