"""Sizes of folders on the disk, without opening a file; what vanishes meanwhile does not count."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FolderSize:
    """The files under a folder, and the bytes that they take on the disk."""

    files: int = 0
    bytes: int = 0

    def __add__(self, other: "FolderSize") -> "FolderSize":
        """Return both together."""
        return FolderSize(self.files + other.files, self.bytes + other.bytes)


def size_of(path: Path) -> FolderSize:
    """Return the size of a file, or of all under a folder; nothing where there is none. Links are not followed."""
    if not path.is_dir() or path.is_symlink():
        return _file(path)
    total = FolderSize()
    for entry in _entries(path):
        total += size_of(Path(entry.path)) if entry.is_dir(follow_symlinks=False) else _file(Path(entry.path))
    return total


def _entries(folder: Path) -> Iterator["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as found:
            yield from found
    except (FileNotFoundError, NotADirectoryError):
        return


def _file(path: Path) -> FolderSize:
    try:
        return FolderSize(1, path.lstat().st_blocks * 512)
    except (FileNotFoundError, NotADirectoryError):
        return FolderSize()
