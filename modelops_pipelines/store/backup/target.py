"""The folder that backups are kept in.

::

    modelops-backup.json            which installation it is of
    files/ab/abcd...                each file's content once, named after its SHA-256; never changed
    generations/<generation>.json   a manifest: which content has which path in the home
    drafts/                         what a backup is writing; nothing of it counts

Generations share the contents that they have in common. A content that no manifest names is removed by the next
backup; so whatever a killed one has left costs room until then, and nothing else.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from modelops_pipelines.core.errors import ConflictError, SettingsError, StateError, UnknownError
from modelops_pipelines.store.backup.manifest import Manifest
from modelops_pipelines.store.filesystem.files import exclusive, sync, write_atomically

MARKER = "modelops-backup.json"
_FILES, _GENERATIONS, _DRAFTS, _LOCK = "files", "generations", "drafts", ".lock"
_BLOCK = 1 << 20
_NAME = re.compile(r"[0-9TZ.]+")


class BackupTarget:
    """A folder with backups of one installation."""

    def __init__(self, folder: Path) -> None:
        """Use the folder; nothing is read or written before the first call."""
        self.folder = folder
        self._fresh: set[Path] = set()

    @contextmanager
    def opened(self, fingerprint: str) -> Iterator[None]:
        """Be the only one that writes to it while the block runs; the folder is made a target if it is new.

        Raises ConflictError for a folder that holds other things or another installation's backups, BusyError while
        another process writes there, SettingsError when it cannot be written.
        """
        try:
            self._make(fingerprint)
            with exclusive(self.folder / _LOCK, f"the backup {self.folder}", seconds=0):
                self._remove_drafts()
                yield
        except PermissionError as error:
            raise SettingsError(
                f"The backup's folder {self.folder} cannot be written ({error.strerror})",
                "Give this user write access to it, or use another folder",
            ) from error

    def draft(self, name: str) -> Path:
        """Return the path of a new file for what is still being made."""
        folder = self.folder / _DRAFTS
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / name
        path.unlink(missing_ok=True)
        return path

    def add(self, source: BinaryIO) -> tuple[str, int, bool]:
        """Keep the content that the file has until its end; return its hash, its bytes, and whether it is new here."""
        draft, whole, size = self.draft("content"), hashlib.sha256(), 0
        with draft.open("xb") as copy:
            while block := source.read(_BLOCK):
                whole.update(block)
                size += len(block)
                copy.write(block)
            copy.flush()
            path = self.path_of(whole.hexdigest())
            if path.exists() and path.stat().st_size == size:
                draft.unlink()
                return whole.hexdigest(), size, False
            os.fsync(copy.fileno())
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft.chmod(0o400)
        draft.replace(path)
        self._fresh.update((path.parent, path.parent.parent))
        return whole.hexdigest(), size, True

    def holds(self, content: str, size: int) -> bool:
        """Return whether it has a content of this hash and size."""
        with suppress(OSError):
            return self.path_of(content).stat().st_size == size
        return False

    def path_of(self, content: str) -> Path:
        """Return where the content of this hash is, or would be."""
        return self.folder / _FILES / content[:2] / content

    def generations(self) -> list[str]:
        """Return the names of its generations, oldest first; raises UnknownError for a folder that is no target."""
        self.fingerprint()
        return sorted(path.stem for path in (self.folder / _GENERATIONS).glob("*.json") if _NAME.fullmatch(path.stem))

    def manifest(self, generation: str | None = None) -> Manifest:
        """Return a generation's manifest, by default the newest; raises UnknownError, StateError for a damaged one."""
        known = self.generations()
        if not known or generation not in (None, *known):
            what = f"no generation {generation!r}" if known else "no generation yet"
            raise UnknownError(
                f"The backup {self.folder} has {what}", f"See what it has: modelops backup list {self.folder}"
            )
        path = self._manifest_path(generation or known[-1])
        return Manifest.from_json(path.read_bytes(), str(path))

    def write(self, manifest: Manifest) -> None:
        """Write a generation's manifest, once all its contents are durable; with it the generation exists."""
        for folder in self._fresh:
            sync(folder)
        self._fresh.clear()
        write_atomically(self._manifest_path(manifest.generation), manifest.to_json())

    def remove_older(self, keep: int) -> list[str]:
        """Remove the manifests of all but the newest ``keep`` generations; return their names."""
        gone = self.generations()[:-keep]
        for generation in gone:
            self._manifest_path(generation).unlink()
        if gone:
            sync(self.folder / _GENERATIONS)
        return gone

    def remove_unused(self) -> int:
        """Remove the contents that no generation has; return their bytes. A damaged manifest raises StateError."""
        used = {one.hash for name in self.generations() for one in self.manifest(name).files.values()}
        freed = 0
        for path in (self.folder / _FILES).glob("*/*"):
            if path.name not in used:
                freed += path.stat().st_size
                path.unlink()
        return freed

    def fault_of(self, content: str, size: int) -> str | None:
        """Read a content; return what is wrong with it, or None."""
        return _verified(self.path_of(content), content, size, lambda _: None)

    def copy_to(self, content: str, size: int, path: Path) -> None:
        """Write a content to a new file, durably; raises StateError where it is missing or damaged."""
        with path.open("xb") as copy:
            fault = _verified(self.path_of(content), content, size, copy.write)
            copy.flush()
            os.fsync(copy.fileno())
        if fault is not None:
            raise StateError(
                f"The backup {self.folder} is damaged: the content of {path.name} {fault}",
                f"Use another generation (modelops backup list {self.folder}): nothing was restored",
            )

    def fingerprint(self) -> str:
        """Return the fingerprint of the installation that it is of; raises UnknownError for another folder."""
        try:
            return str(json.loads((self.folder / MARKER).read_bytes())["fingerprint"])
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise UnknownError(
                f"{self.folder} holds no backup ({MARKER}: {type(error).__name__})",
                "Give the folder that modelops backup wrote to",
            ) from error

    def _make(self, fingerprint: str) -> None:
        marker = self.folder / MARKER
        if not marker.exists():
            if self.folder.exists() and any(self.folder.iterdir()):
                raise ConflictError(f"{self.folder} holds other things than backups", "Use a new or an empty folder")
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(marker, json.dumps({"fingerprint": fingerprint}).encode())
        if self.fingerprint() != fingerprint:
            raise ConflictError(
                f"{self.folder} holds backups of another installation: one with another secret",
                "Use a folder for each installation",
            )
        for name in (_FILES, _GENERATIONS):
            (self.folder / name).mkdir(mode=0o700, exist_ok=True)

    def _remove_drafts(self) -> None:
        shutil.rmtree(self.folder / _DRAFTS, ignore_errors=True)

    def _manifest_path(self, generation: str) -> Path:
        return self.folder / _GENERATIONS / f"{generation}.json"


def _verified(path: Path, content: str, size: int, take: Callable[[bytes], object]) -> str | None:
    """Hand all blocks of a content on; return what was wrong with it, or None."""
    whole, read = hashlib.sha256(), 0
    try:
        with path.open("rb") as opened:
            while block := opened.read(_BLOCK):
                whole.update(block)
                read += len(block)
                take(block)
    except FileNotFoundError:
        return "is missing"
    if (whole.hexdigest(), read) != (content, size):
        return f"does not have its hash ({content[:12]}...)"
    return None
