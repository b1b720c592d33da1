"""Restores a generation of a backup as a home: every file is verified, and the home appears whole or not at all."""

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from glob import escape
from pathlib import Path
from tempfile import mkdtemp

from modelops_pipelines.core.errors import ConflictError, SettingsError, StateError
from modelops_pipelines.core.escaping import visible
from modelops_pipelines.store.backup.manifest import Manifest
from modelops_pipelines.store.backup.target import BackupTarget
from modelops_pipelines.store.filesystem.files import sync
from modelops_pipelines.store.state.database import REVISION
from modelops_pipelines.store.state.installation import FILE as MARK

OLDEST = "0001"
"""The first revision of a state database."""


@dataclass(frozen=True)
class Restored:
    """A home that was restored: every row that was acknowledged before ``taken_at`` is in it."""

    home: str
    generation: str
    taken_at: datetime
    files: int
    bytes: int


def restore(folder: Path, home: Path, generation: str | None = None) -> Restored:
    """Make a home of a generation of the backup in a folder, by default the newest.

    Killed at any instant it leaves no home, and the next call begins anew. Raises ConflictError where something is in
    the home's place already, or it lies in the backup or in another home, UnknownError for a folder without backups or
    generation, StateError for damaged files, SettingsError where the home cannot be written.
    """
    target, home = BackupTarget(folder), home.resolve()  # a link leads to where the home is to be
    manifest = target.manifest(generation)
    _require_known(manifest)
    _require_apart(home, target)
    _require_place(home)
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        with _draft_of(home) as draft:
            _fill(draft, target, manifest)
            _require_place(home)
            draft.replace(home)
            sync(home.parent)
    except OSError as error:
        raise SettingsError(
            f"The home {home} cannot be restored ({error.strerror}: {error.filename})",
            "Give this user write access to its parent folder and free disk space, then restore again",
        ) from error
    return Restored(str(home), manifest.generation, manifest.taken_at, len(manifest.files), manifest.size)


@contextmanager
def _draft_of(home: Path) -> Iterator[Path]:
    """Yield a new folder beside the home, which is removed unless it takes the home's place meanwhile.

    Its process holds a lock on it, which the system frees: those of processes that were killed are removed first.
    """
    prefix = f".{home.name}.restoring-"
    for path in home.parent.glob(f"{escape(prefix)}*"):
        with suppress(OSError), _locked(path):
            shutil.rmtree(path)
    draft = Path(mkdtemp(prefix=prefix, dir=home.parent))
    with _locked(draft):
        try:
            yield draft
        finally:
            shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder; raises BlockingIOError while another process does."""
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(held)


def _require_known(manifest: Manifest) -> None:
    if not int(OLDEST) <= int(manifest.revision) <= int(REVISION):
        raise StateError(
            f"Generation {manifest.generation} has a state of revision {manifest.revision}, but this release supports "
            f"{OLDEST} to {REVISION}",
            f"Restore it with the release that has saved it ({visible(manifest.release)}), or a later one",
        )


def _require_apart(home: Path, target: BackupTarget) -> None:
    """Raise ConflictError for a home in the backup's folder or above it, or in a folder that is a home."""
    folder = target.folder.resolve()
    if home.is_relative_to(folder) or folder.is_relative_to(home):
        raise ConflictError(
            f"The home {home} and the backup's folder {folder} lie in each other", "Restore to a folder elsewhere"
        )
    other = next((path for path in home.parents if (path / MARK).exists()), None)
    if other is not None:
        raise ConflictError(f"{home} lies in another home, {other}", "Restore to a folder elsewhere")


def _fill(draft: Path, target: BackupTarget, manifest: Manifest) -> None:
    for name, one in manifest.files.items():
        path = draft / name
        path.parent.mkdir(parents=True, exist_ok=True)
        target.copy_to(one.hash, one.size, path)
        path.chmod(one.mode | 0o600)
        if one.changed:
            os.utime(path, ns=(one.changed, one.changed))
    for where, _, _ in os.walk(draft):
        sync(Path(where))


def _require_place(home: Path) -> None:
    if home.exists() and not (home.is_dir() and not any(home.iterdir())):
        raise ConflictError(
            f"There is something at {home} already",
            "Restore to a folder that does not exist, or move the old home away",
        )


def faults_of(folder: Path, generation: str | None = None) -> tuple[Manifest, Mapping[str, str]]:
    """Read every file of a generation, by default the newest; return its manifest, and what is wrong by path."""
    target = BackupTarget(folder)
    manifest = target.manifest(generation)
    faults = {}
    for name, one in manifest.files.items():
        fault = target.fault_of(one.hash, one.size)
        if fault is not None:
            faults[name] = fault
    return manifest, faults


def generations_of(folder: Path) -> tuple[list[Manifest], dict[str, StateError]]:
    """Return the manifests in a folder, oldest first, and what is wrong with those that cannot be read, by generation.

    Raises UnknownError for a folder without backups.
    """
    return BackupTarget(folder).manifests()
