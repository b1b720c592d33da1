"""The folder that backups are kept in.

::

    modelops-backup.json            which installation it is of
    files/ab/abcd...                each file's content once, named after its SHA-256; never changed
    generations/<generation>.json   a manifest: which content has which path in the home
    drafts/                         what a backup is writing; nothing of it counts

Generations share the contents that they have in common. A content that no manifest names is removed by the next
backup; so whatever a killed one has left costs room until then, and nothing else. While a manifest cannot be read
nobody knows what it names: nothing is removed then.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from modelops_pipelines.core.errors import ConflictError, SettingsError, StateError, UnknownError
from modelops_pipelines.store.backup.manifest import Manifest
from modelops_pipelines.store.backup.manifest_schema import generation_name, moment_of
from modelops_pipelines.store.backup.ownership import require_own
from modelops_pipelines.store.backup.verified_content import BLOCK, verified
from modelops_pipelines.store.filesystem.files import create_private, exclusive, open_regular, sync, write_atomically

MARKER = "modelops-backup.json"
_FILES, _GENERATIONS, _DRAFTS, _LOCK = "files", "generations", "drafts", ".lock"
_TICK = timedelta(microseconds=1)


class BackupTarget:
    """A folder with backups of one installation."""

    def __init__(self, folder: Path) -> None:
        """Use the folder; nothing is read or written before the first call."""
        self.folder = folder
        self.healed = 0
        self._fresh: set[Path] = set()
        self._whole: set[str] = set()

    @contextmanager
    def opened(self, fingerprint: str) -> Iterator[None]:
        """Be the only one that writes to it while the block runs; the folder is made a target if it is new.

        Raises ConflictError for a folder that holds other things or another installation's backups, BusyError while
        another process writes there, SettingsError when it cannot be written, or others than this user may write to it.
        """
        try:
            self._make(fingerprint)
            with exclusive(self.folder / _LOCK, f"the backup {self.folder}", seconds=0):
                self._empty_drafts()
                yield
        except PermissionError as error:
            raise self._denied(error) from error

    def draft(self, name: str) -> Path:
        """Return the path of a new and empty file, which only this user may read, for what is still being made."""
        path = self.folder / _DRAFTS / name
        path.unlink(missing_ok=True)
        create_private(path).close()
        return path

    def add(self, source: BinaryIO) -> tuple[str, int, bool]:
        """Keep the content that the file has until its end; return its hash, its bytes, and whether it is new here."""
        draft, whole, size = self.draft("content"), hashlib.sha256(), 0
        with draft.open("wb") as copy:
            while block := source.read(BLOCK):
                whole.update(block)
                size += len(block)
                copy.write(block)
            copy.flush()
            if self.holds(whole.hexdigest(), size):
                draft.unlink()
                return whole.hexdigest(), size, False
            os.fsync(copy.fileno())
        draft.chmod(0o400)
        self._put(draft, whole.hexdigest())
        return whole.hexdigest(), size, True

    def holds(self, content: str, size: int) -> bool:
        """Return whether it has a content of this hash: it is read and compared, once by this object.

        A content can rot. A generation that took it for whole because it is there would hand that on to all later ones.
        """
        if content in self._whole:
            return True
        with suppress(OSError):
            if self.fault_of(content, size) is None:
                self._whole.add(content)
                return True
        return False

    def path_of(self, content: str) -> Path:
        """Return where the content of this hash is, or would be."""
        return self.folder / _FILES / content[:2] / content

    def generations(self) -> list[str]:
        """Return the names of its generations, oldest first; raises UnknownError for a folder that is no target."""
        self.fingerprint()
        names = (path.stem for path in (self.folder / _GENERATIONS).glob("*.json"))
        return sorted(name for name in names if moment_of(name) is not None)

    def next_generation(self, now: datetime) -> str:
        """Return the name of a new generation: it comes after all that are there, also if a clock was ahead."""
        known = self.generations()
        newest = moment_of(known[-1]) if known else None
        try:
            return generation_name(now if newest is None or newest < now else newest + _TICK)
        except OverflowError as error:
            raise ConflictError(
                f"No generation can come after {known[-1]} in {self.folder}",
                f"Remove its manifest ({self._manifest_path(known[-1])}), or use a new folder",
            ) from error

    def manifest(self, generation: str | None = None) -> Manifest:
        """Return a generation's manifest, by default the newest; raises UnknownError, StateError for a damaged one."""
        known = self.generations()
        if not known or generation not in (None, *known):
            what = f"no generation {generation!r}" if known else "no generation yet"
            raise UnknownError(
                f"The backup {self.folder} has {what}", f"See what it has: modelops backup list {self.folder}"
            )
        return self._manifest(generation or known[-1])

    def manifests(self) -> tuple[list[Manifest], dict[str, StateError]]:
        """Return the manifests that can be read, oldest first, and what is wrong with the others, by generation."""
        readable: list[Manifest] = []
        faults: dict[str, StateError] = {}
        for generation in self.generations():
            try:
                readable.append(self._manifest(generation))
            except StateError as fault:
                faults[generation] = fault
        return readable, faults

    def write(self, manifest: Manifest) -> None:
        """Write a generation's manifest, once all its contents are durable; with it the generation exists."""
        for folder in self._fresh:
            sync(folder)
        self._fresh.clear()
        write_atomically(self._manifest_path(manifest.generation), manifest.to_json(), mode=0o600)
        if self.manifest(manifest.generation).files != manifest.files:
            raise StateError(f"The backup {self.folder} does not keep what is written to it", "Use another disk")

    def remove_older(self, keep: int, home: str, made: str) -> list[str]:
        """Remove the manifests of all but a home's newest ``keep`` generations; return their names.

        Those of other homes, those that cannot be read and the one that was just made stay.
        """
        readable, _ = self.manifests()
        own = [one.generation for one in readable if one.home == home]
        gone = [generation for generation in own[:-keep] if generation != made]
        for generation in gone:
            self._manifest_path(generation).unlink()
        if gone:
            sync(self.folder / _GENERATIONS)
        return gone

    def remove_unused(self) -> None:
        """Remove the contents that no generation has; none while a generation cannot be read: it may have them."""
        readable, faults = self.manifests()
        if faults:
            return
        used = {one.hash for manifest in readable for one in manifest.files.values()}
        for path in (self.folder / _FILES).glob("*/*"):
            if path.name not in used:
                path.unlink()

    def fault_of(self, content: str, size: int) -> str | None:
        """Read a content; return what is wrong with it, or None."""
        return verified(self.path_of(content), content, size, lambda _: None)

    def copy_to(self, content: str, size: int, path: Path) -> None:
        """Write a content to a new file, durably; raises StateError where it is missing or damaged."""
        with path.open("xb") as copy:
            fault = verified(self.path_of(content), content, size, copy.write)
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
            with open_regular(self.folder / MARKER, follow=False) as opened:
                return str(json.loads(opened.read())["fingerprint"])
        except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
            raise UnknownError(
                f"{self.folder} holds no backup ({MARKER}: {type(error).__name__})",
                "Give the folder that modelops backup wrote to",
            ) from error

    def _make(self, fingerprint: str) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        require_own(self.folder, (_FILES, _GENERATIONS))
        marker = self.folder / MARKER
        if not marker.exists():
            if any(not path.name.startswith(f".{MARKER}.") for path in self.folder.iterdir()):
                raise ConflictError(f"{self.folder} holds other things than backups", "Use a new or an empty folder")
            write_atomically(marker, json.dumps({"fingerprint": fingerprint}).encode(), mode=0o600)
        if self.fingerprint() != fingerprint:
            raise ConflictError(
                f"{self.folder} holds backups of another installation: one with another secret",
                "Use a folder for each installation",
            )
        for name in (_FILES, _GENERATIONS):
            (self.folder / name).mkdir(mode=0o700, exist_ok=True)

    def _empty_drafts(self) -> None:
        shutil.rmtree(self.folder / _DRAFTS, ignore_errors=True)
        (self.folder / _DRAFTS).mkdir(mode=0o700, exist_ok=True)
        for path in (self.folder / _GENERATIONS).glob(".*"):
            path.unlink()

    def _denied(self, error: PermissionError) -> SettingsError:
        """Return what this user may not do: the folder's owner and the home's may be others."""
        at = None if error.filename is None else Path(os.fsdecode(error.filename))
        if at is None or at.is_relative_to(self.folder) or self.folder.is_relative_to(at):
            problem = f"The backup's folder {self.folder} cannot be written ({error.strerror})"
            return SettingsError(problem, "Give this user write access to it, or use another folder")
        return SettingsError(f"{at} cannot be read ({error.strerror})", "Run the backup as the home's owner")

    def _put(self, draft: Path, content: str) -> None:
        """Move a draft to where a content is; it replaces one that is damaged."""
        path = self.path_of(content)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.healed += os.path.lexists(path)
        draft.replace(path)
        self._whole.add(content)
        self._fresh.update((path.parent, path.parent.parent))

    def _manifest(self, generation: str) -> Manifest:
        path = self._manifest_path(generation)
        try:
            with open_regular(path, follow=False) as opened:
                manifest = Manifest.from_json(opened.read(), str(path))
        except OSError as error:
            raise StateError(
                f"The backup's manifest {path} cannot be read ({error.strerror})",
                f"Use another generation (modelops backup list {self.folder}), with --at",
            ) from error
        if (manifest.generation, manifest.fingerprint) != (generation, self.fingerprint()):
            raise StateError(
                f"The backup's manifest {path} is of another generation or installation",
                f"Use another generation (modelops backup list {self.folder}), with --at",
            )
        return manifest

    def _manifest_path(self, generation: str) -> Path:
        return self.folder / _GENERATIONS / f"{generation}.json"
