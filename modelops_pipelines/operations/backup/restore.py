"""Restores a generation of a backup as a home: every file is verified, and the home appears whole or not at all."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from modelops_pipelines.core.errors import ConflictError, SettingsError, StateError
from modelops_pipelines.store.backup.manifest import Manifest
from modelops_pipelines.store.backup.target import BackupTarget
from modelops_pipelines.store.filesystem.files import exclusive, sync


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
    the home's place already, UnknownError for a folder without backups or generation, StateError for damaged files,
    BusyError while another restore of this home runs, SettingsError where the home cannot be written.
    """
    target, home = BackupTarget(folder), home.absolute()
    manifest = target.manifest(generation)
    _require_place(home)
    draft = home.with_name(f".{home.name}.restoring")
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(home.with_name(f".{home.name}.restoring.lock"), f"restoring {home}", seconds=0):
            shutil.rmtree(draft, ignore_errors=True)
            _fill(draft, target, manifest)
            _require_place(home)
            draft.replace(home)
            sync(home.parent)
            home.with_name(f".{home.name}.restoring.lock").unlink(missing_ok=True)
    except StateError:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    except OSError as error:
        raise SettingsError(
            f"The home {home} cannot be restored ({error.strerror}: {error.filename})",
            "Give this user write access to its parent folder and free disk space, then restore again",
        ) from error
    return Restored(str(home), manifest.generation, manifest.taken_at, len(manifest.files), manifest.size)


def _fill(draft: Path, target: BackupTarget, manifest: Manifest) -> None:
    draft.mkdir(mode=0o700)
    for name, one in manifest.files.items():
        path = draft / name
        if not path.resolve().is_relative_to(draft.resolve()):
            raise StateError(
                f"The backup's manifest names a file outside of the home ({name})", "Do not trust this backup"
            )
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


def generations_of(folder: Path) -> list[Manifest]:
    """Return the manifests in a folder, newest first; raises UnknownError for one without backups, StateError."""
    target = BackupTarget(folder)
    return [target.manifest(name) for name in reversed(target.generations())]
