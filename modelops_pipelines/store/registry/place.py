"""Where the registry in the home lies: MLflow writes absolute paths, so a home that moved leads them to itself first.

MLflow keeps the address of every experiment, run, version and logged model as an absolute path. In a home that was
moved, copied or restored these would lead to where it came from, and what is trained here would be written there. So
the database keeps the folder of the home beside them, in a table of ours. When the home is elsewhere, all addresses
and that folder are changed in one transaction: killed at any instant it is done wholly or not at all.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from modelops_pipelines.core.errors import RegistryError
from modelops_pipelines.store.filesystem.files import exclusive
from modelops_pipelines.store.registry.availability import unreachable
from modelops_pipelines.store.settings import Settings, own_registry

ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("trace_tags", "value"),
    ("workspaces", "default_artifact_root"),
    ("workspaces", "trace_archival_location"),
)
"""The columns in which MLflow keeps addresses of files; those that a release of it does not have are passed over."""
ARTIFACTS, MLFLOW_DEFAULT = "mlartifacts", "mlruns"
BUSY_SECONDS = 30.0
_TABLE = "modelops_place"
_READ = "SELECT home FROM modelops_place"
_WRITE = (
    "CREATE TABLE IF NOT EXISTS modelops_place (home TEXT NOT NULL)",
    "DELETE FROM modelops_place",
)


def registry_file(settings: Settings) -> Path | None:
    """Return the database of the registry in the home; None where another registry is set, or none is made yet."""
    if settings.registry_uri != own_registry(settings.home):
        return None
    path = settings.home / "mlflow.db"
    return path if path.exists() else None


def lead_registry_home(settings: Settings) -> bool:
    """Lead the addresses in the registry to this home, if it was moved or copied here; return whether any changed.

    Call it before anything opens the registry. Does nothing for a registry that is not in the home. Raises
    RegistryError when the database cannot be read or written.
    """
    path = registry_file(settings)
    if path is None:
        return False
    with _opened(path, settings) as connected:
        if _is_settled(connected, settings.home):
            return False
    with exclusive(settings.home / "locks" / "registry.lock", "the registry's set-up"):
        return settle_registry(settings)


def settle_registry(settings: Settings) -> bool:
    """Do the same for a caller that holds the lock of the registry's set-up."""
    path = registry_file(settings)
    if path is None:
        return False
    with _opened(path, settings) as connected:
        connected.execute("BEGIN IMMEDIATE")
        if _is_settled(connected, settings.home) or not _has_table(connected, "experiments"):
            connected.execute("ROLLBACK")
            return False
        changed = sum(_lead(connected, old, settings.home) for old in _earlier_homes(connected, settings.home))
        changed += _take_in(connected, settings)
        _record(connected, settings.home)
        connected.execute("COMMIT")
    return bool(changed)


@contextmanager
def _opened(path: Path, settings: Settings) -> Iterator[sqlite3.Connection]:
    """Open the database without creating it; an open transaction is undone in the end."""
    try:
        address = f"file:{quote(str(path))}?mode=rw"
        with closing(sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None)) as connected:
            yield connected
    except sqlite3.Error as error:
        raise _fault(settings, error) from error


def _fault(settings: Settings, error: sqlite3.Error) -> RegistryError:
    return unreachable(settings.registry_uri, f"{type(error).__name__}: {error}")


def _is_settled(connected: sqlite3.Connection, home: Path) -> bool:
    return _recorded(connected) == str(home) and not _default_places(connected)


def _recorded(connected: sqlite3.Connection) -> str | None:
    if not _has_table(connected, _TABLE):
        return None
    row = connected.execute(_READ).fetchone()
    return None if row is None else str(row[0])


def _record(connected: sqlite3.Connection, home: Path) -> None:
    for statement in _WRITE:
        connected.execute(statement)
    connected.execute("INSERT INTO modelops_place VALUES (?)", (str(home),))


def _earlier_homes(connected: sqlite3.Connection, home: Path) -> list[Path]:
    """Return the folders in which this home was; releases before 0.3 did not record it, but named experiments so."""
    recorded = _recorded(connected)
    if recorded is not None:
        found = {Path(recorded)}
    else:
        named = connected.execute("SELECT name, artifact_location FROM experiments").fetchall()
        places = [(name, _local(location)) for name, location in named]
        found = {place.parent.parent for name, place in places if place and place.parts[-2:] == (ARTIFACTS, name)}
    return sorted(found - {home})


def _lead(connected: sqlite3.Connection, old: Path, home: Path) -> int:
    """Lead every address below the old folder to the same file below the new one; return how many there were."""
    changed = 0
    for table, column in ADDRESSES:
        if not _has_column(connected, table, column):
            continue
        for before, after in ((f"{old}/", f"{home}/"), (f"{old.as_uri()}/", f"{home.as_uri()}/")):
            changed += connected.execute(
                f'UPDATE "{table}" SET "{column}" = ? || substr("{column}", ?) WHERE substr("{column}", 1, ?) = ?',  # noqa: S608 - our own names
                (after, len(before) + 1, len(before), before),
            ).rowcount
    return changed


def _take_in(connected: sqlite3.Connection, settings: Settings) -> int:
    """Have experiments whose runs MLflow would write to ``mlruns`` of some folder write to the home from now on.

    MLflow gives the experiment ``Default``, and those made without its server, a place in the folder that a process
    happened to run in. The runs that they have keep theirs.
    """
    moved = _default_places(connected)
    for number in moved:
        location = (settings.artifacts / number).as_uri()
        connected.execute("UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", (location, number))
    return len(moved)


def _default_places(connected: sqlite3.Connection) -> list[str]:
    if not _has_table(connected, "experiments"):
        return []
    query = "SELECT experiment_id, artifact_location FROM experiments WHERE artifact_location LIKE ?"
    found = connected.execute(query, (f"%/{MLFLOW_DEFAULT}/%",)).fetchall()
    places = [(str(number), _local(location)) for number, location in found]
    return [number for number, place in places if place and place.parts[-2:] == (MLFLOW_DEFAULT, number)]


def _local(location: str | None) -> Path | None:
    """Return the folder of an address; None for one that is not on this machine."""
    parts = urlsplit(location or "")
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return Path(str(location)) if location and not parts.scheme else None


def _has_table(connected: sqlite3.Connection, table: str) -> bool:
    query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    return connected.execute(query, (table,)).fetchone() is not None


def _has_column(connected: sqlite3.Connection, table: str, column: str) -> bool:
    query = "SELECT 1 FROM pragma_table_info(?) WHERE name = ?"
    return connected.execute(query, (table, column)).fetchone() is not None
