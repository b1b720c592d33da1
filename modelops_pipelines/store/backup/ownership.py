"""Whether a folder is this user's alone: what is written to it holds a secret, and what is removed there is removed."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from modelops_pipelines.core.errors import SettingsError

_WRITABLE_BY_OTHERS = 0o022


def require_own(folder: Path, inner: Iterable[str] = ()) -> None:
    """Raise SettingsError unless the folder, its entries, and those of its ``inner`` folders are this user's alone.

    A link may lead anywhere, and whoever may write to a folder can put one there.
    """
    _check(folder)
    for entry in sorted(folder.iterdir()):
        _check(entry)
        if entry.name in inner and entry.is_dir():
            for path in sorted(entry.iterdir()):
                _check(path)


def _check(path: Path) -> None:
    try:
        fault = _fault_of(path.lstat())
    except FileNotFoundError:
        return  # another backup, which runs now, has removed it
    if fault is not None:
        problem, remedy = fault
        raise SettingsError(f"The backup's folder cannot be trusted: {path} {problem}", remedy.format(path=path))


def _fault_of(found: os.stat_result) -> tuple[str, str] | None:
    """Return what is wrong with an entry, and the remedy."""
    if stat.S_ISLNK(found.st_mode):
        return "is a symbolic link", "Remove it: nothing in a backup's folder is one; or use a new folder"
    if found.st_uid != os.geteuid():
        return "belongs to another user", "Run as its owner, or use a new folder of this user"
    if found.st_mode & _WRITABLE_BY_OTHERS:
        return (
            f"can be written by other users (mode {stat.S_IMODE(found.st_mode):04o})",
            "Look at what they may have changed there, then: chmod -R go-w {path}; or use a new folder",
        )
    if not stat.S_ISDIR(found.st_mode) and (not stat.S_ISREG(found.st_mode) or found.st_nlink != 1):
        return "is not a file of its own", "Remove it, or use a new folder"
    return None
