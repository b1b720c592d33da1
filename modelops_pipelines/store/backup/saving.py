"""The files of a generation that is being saved: each content is added to the target, unless it is there already."""

import os
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from modelops_pipelines.store.backup.manifest import PERMISSIONS, SavedFile
from modelops_pipelines.store.backup.target import BackupTarget
from modelops_pipelines.store.filesystem.files import open_regular

SETTLED_NANOSECONDS = 2_000_000_000
"""A file that was changed less than this before the last backup may have been changed once more at the same time."""


class Saving:
    """What has been saved of a home, by path in it. The contents are in the target; the manifest is to be written."""

    def __init__(self, target: BackupTarget, home: Path) -> None:
        """Files that have not changed since the home's last generation in the target are not read again."""
        self.target, self._home = target, home
        self.files: dict[str, SavedFile] = {}
        self.new_bytes = 0
        self._known, self._known_at = _newest(target, home)

    def add(self, path: Path) -> None:
        """Save a file of the home; raises FileNotFoundError when it is gone, NotRegularError for no file."""
        self.take(self.saved([path]))

    def add_opened(self, path: Path, opened: BinaryIO) -> None:
        """Save the content of an opened file of the home, up to its end now."""
        self.files[self._name(path)] = self._read(opened)

    def add_as(self, name: str, path: Path) -> None:
        """Save a file from elsewhere under a path in the home, and remove it."""
        with open_regular(path, follow=False) as opened:
            self.files[name] = self._read(opened)
        path.unlink()

    def add_bytes(self, name: str, content: bytes) -> None:
        """Save a content under a path in the home."""
        found, size = self._keep(BytesIO(content))
        self.files[name] = SavedFile(found, size, 0o600, 0)

    def saved(self, paths: Iterable[Path]) -> Mapping[str, SavedFile]:
        """Add the contents of these files of the home; return them. Raises FileNotFoundError when one is gone."""
        found = {}
        for path in paths:
            name = self._name(path)
            with open_regular(path) as opened:
                found[name] = self._unchanged(name, os.fstat(opened.fileno())) or self._read(opened)
        return found

    def take(self, saved: Mapping[str, SavedFile]) -> None:
        """Let these files be part of the generation."""
        self.files.update(saved)

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self._home))

    def _unchanged(self, name: str, now: os.stat_result) -> SavedFile | None:
        """Return the file as it was saved before, if it is the same still by its size and its last change."""
        known = self._known.get(name)
        if known is None or (known.size, known.changed) != (now.st_size, now.st_mtime_ns):
            return None
        settled = known.changed < self._known_at - SETTLED_NANOSECONDS
        return known if settled and self.target.holds(known.hash, known.size) else None

    def _read(self, opened: BinaryIO) -> SavedFile:
        status = os.fstat(opened.fileno())
        content, size = self._keep(opened)
        return SavedFile(content, size, status.st_mode & PERMISSIONS, status.st_mtime_ns)

    def _keep(self, opened: BinaryIO) -> tuple[str, int]:
        content, size, is_new = self.target.add(opened)
        self.new_bytes += size if is_new else 0
        return content, size


def _newest(target: BackupTarget, home: Path) -> tuple[Mapping[str, SavedFile], int]:
    """Return the files of the home's newest readable generation, and when it was begun, in nanoseconds."""
    readable, _ = target.manifests()
    known = next((one for one in reversed(readable) if one.home == str(home)), None)
    return ({}, 0) if known is None else (known.files, int(known.taken_at.timestamp() * 1e9))
