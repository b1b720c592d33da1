"""Takes a backup of a home while everything runs.

The order makes it consistent. What is acknowledged is in the spool until its rows and their marks are durable, so the
spool is copied first and the tables are noted afterwards: each row that was acknowledged before the backup's instant is
in a segment, in the log, or in both, and the next ingest tells by the segment's number. Labels and feedback are copied
before the predictions that they are about. The state is copied after the tables were noted, and what it names (versions
in the registry, their files, training sets) after the state. Files of the lake are copied then: those of a noted
version never change.
"""

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version as release_of
from pathlib import Path

from modelops_pipelines.core.errors import BusyError, ConflictError, SettingsError
from modelops_pipelines.core.maintenance.backups import TakenBackup
from modelops_pipelines.core.tables.lake import STREAMS
from modelops_pipelines.operations.backup.cut import EndpointCut, cut_endpoint, release_cuts
from modelops_pipelines.operations.backup.home_files import files_of_home, not_saved
from modelops_pipelines.operations.backup.saved_state import (
    add_marks,
    copy_state,
    erased_since,
    forget_late_labels,
    mark_of,
)
from modelops_pipelines.store.backup.manifest import Manifest
from modelops_pipelines.store.backup.saving import Saving
from modelops_pipelines.store.backup.sqlite_copies import COMPANIONS, ENDING, copy_database, is_database
from modelops_pipelines.store.backup.target import BackupTarget
from modelops_pipelines.store.filesystem.files import NotRegularError
from modelops_pipelines.store.lake.table_versions import GoneError, files_of, nested_tables
from modelops_pipelines.store.settings import own_registry
from modelops_pipelines.store.spool.held_files import endpoints_in, held_files
from modelops_pipelines.store.state.database import REVISION
from modelops_pipelines.store.state.faults import file_of
from modelops_pipelines.store.state.installation import FILE as MARK_FILE
from modelops_pipelines.store.state.installation import fingerprint_of
from modelops_pipelines.store.stores import Stores

ATTEMPTS = 5
"""Times that an endpoint's tables are noted again because an erasure has removed files of the noted versions."""
STATE, REGISTRY, NOTES = "state.db", "mlflow.db", "history.log"
_LAST_STREAM = "predictions"


@dataclass(frozen=True)
class Taken:
    """A backup that was taken: its generation, the bytes of all its files, and those that the target had not.

    ``healed`` are contents that were damaged in the target and are whole again. Generations that are ``unreadable``,
    and those ``of_other_homes`` with the same secret, are never removed.
    """

    generation: str
    taken_at: datetime
    files: int
    bytes: int
    new_bytes: int
    seconds: float
    removed: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    healed: int = 0
    unreadable: tuple[str, ...] = ()
    of_other_homes: tuple[str, ...] = ()


def take_backup(stores: Stores, folder: Path, keep: int | None = None) -> Taken:
    """Save the home in a folder, as a new generation; with ``keep``, remove then all of its own but the newest so many.

    Every row, label and piece of feedback that was acknowledged before the call is in it once. Killed at any instant it
    leaves the earlier generations as they are. Raises SettingsError where the state is on a server, ConflictError and
    BusyError as ``BackupTarget.opened`` does, BusyError when erasures or ingests leave no time for a copy.
    """
    state = _state_file(stores)
    target = BackupTarget(_outside(folder, stores.settings.home))
    started = stores.now()
    home = str(stores.settings.home)
    with target.opened(fingerprint_of(stores.database.secret().hex())):
        target.remove_unused()  # what killed backups have left; older generations go once there is a new one
        generation = target.next_generation(started)
        saving = Saving(target, stores.settings.home)
        left_out = _save(stores, saving, state, pin=f"backup-{generation}")
        manifest = Manifest(
            generation=generation,
            taken_at=started,
            finished_at=stores.now(),
            release=release_of("modelops_pipelines"),
            revision=REVISION,
            home=home,
            fingerprint=target.fingerprint(),
            left_out=left_out,
            files=saving.files,
        )
        target.write(manifest)
        removed = target.remove_older(keep, home, generation) if keep else []
        target.remove_unused()
        readable, faults = target.manifests()
    stores.backups.note(TakenBackup(started, str(target.folder)))
    return Taken(
        generation=generation,
        taken_at=started,
        files=len(saving.files),
        bytes=manifest.size,
        new_bytes=saving.new_bytes,
        seconds=(manifest.finished_at - started).total_seconds(),
        removed=tuple(removed),
        left_out=left_out,
        healed=target.healed,
        unreadable=tuple(faults),
        of_other_homes=tuple(one.generation for one in readable if one.home != home),
    )


def _save(stores: Stores, saving: Saving, state: Path, pin: str) -> tuple[str, ...]:
    """Save everything, in the order that makes it consistent; return what was left out."""
    endpoints = sorted({*stores.lake.endpoints(), *endpoints_in(stores.settings.spool)})
    _save_spool(stores, saving, endpoints)
    try:
        _save_data(stores, saving, state, endpoints, pin)
    finally:
        release_cuts(stores, endpoints, pin)
    left_out = _save_registry(stores, saving)
    _save_rest(stores, saving)
    return (*left_out, *not_saved(stores.settings.home))


def _save_data(stores: Stores, saving: Saving, state: Path, endpoints: Sequence[str], pin: str) -> None:
    """Save the tables, the state and the mark of the home that fits it."""
    cuts = {endpoint: cut_endpoint(stores, endpoint, pin) for endpoint in endpoints}
    with suppress(FileNotFoundError, NotRegularError):
        saving.add(stores.settings.home / NOTES)  # before the state: what it notes must be among its events
    copied = saving.target.draft(STATE)
    copy_state(state, copied)
    for endpoint in erased_since(copied, cuts.values()):
        cuts[endpoint] = cut_endpoint(stores, endpoint, pin)
    for endpoint in endpoints:
        cuts[endpoint] = _save_tables(stores, saving, cuts[endpoint], pin)
    add_marks(copied, cuts.values())
    forget_late_labels(copied, cuts.values())
    saving.add_bytes(MARK_FILE, json.dumps(asdict(mark_of(copied))).encode())
    saving.add_as(STATE, copied)


def _save_spool(stores: Stores, saving: Saving, endpoints: Iterable[str]) -> None:
    for endpoint in endpoints:
        for stream in sorted(STREAMS, key=lambda name: name == _LAST_STREAM):
            for path, opened in held_files(stores.settings.spool, endpoint, stream):
                saving.add_opened(path, opened)


def _save_tables(stores: Stores, saving: Saving, cut: EndpointCut, pin: str) -> EndpointCut:
    """Save the files of an endpoint's noted versions; return what was noted last. Raises BusyError."""
    for _ in range(ATTEMPTS):
        try:
            files = [path for folder, version in cut.versions.items() for path in files_of(folder, version)]
            frozen = [p for folder in nested_tables(stores.settings.lake / cut.endpoint) for p in _whole(folder)]
            saved = saving.saved([*files, *frozen])
        except (GoneError, FileNotFoundError):
            cut = cut_endpoint(stores, cut.endpoint, pin)
            continue
        saving.take(saved)
        return cut
    raise BusyError(
        f"Files of {cut.endpoint!r} are being removed faster than they are copied",
        "Try again when no erasure is running",
    )


def _save_registry(stores: Stores, saving: Saving) -> tuple[str, ...]:
    from modelops_pipelines.store.registry.availability import shown_uri

    if stores.settings.registry_uri != own_registry(stores.settings.home):
        return (f"the registry {shown_uri(stores.settings.registry_uri)}",)
    path = stores.settings.home / REGISTRY
    if path.exists():
        copied = saving.target.draft(REGISTRY)
        copy_database(path, copied)
        saving.add_as(REGISTRY, copied)
    return ()


def _save_rest(stores: Stores, saving: Saving) -> None:
    """Save every other file of the home; one that is removed meanwhile is of something that is gone."""
    home = stores.settings.home
    done = {STATE, REGISTRY, NOTES, MARK_FILE}
    for path in files_of_home(home):
        name = str(path.relative_to(home))
        if name in done or name.endswith(COMPANIONS):
            continue
        with suppress(FileNotFoundError, NotRegularError):
            if name.endswith(ENDING) and is_database(path):
                copied = saving.target.draft("database")
                copy_database(path, copied)
                saving.add_as(name, copied)
            else:
                saving.add(path)


def _whole(folder: Path) -> Sequence[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _state_file(stores: Stores) -> Path:
    """Return the file of the state database; raises SettingsError where it is on a server."""
    path = file_of(stores.settings.state_url)
    if path is None:
        raise SettingsError(
            "The state database is on a server, and a backup of the home alone would not fit it",
            "Stop modelops up and the gateways, save the database with its own tools, such as pg_dump, and copy "
            "the home (docs/backup.md)",
        )
    return path


def _outside(folder: Path, home: Path) -> Path:
    """Return the target's path; raises ConflictError for one in the home, or above it."""
    found = folder.resolve()
    if found.is_relative_to(home) or home.is_relative_to(found):
        raise ConflictError(
            f"The backup's folder {found} and the home {home} lie in each other", "Use a folder elsewhere"
        )
    return found
