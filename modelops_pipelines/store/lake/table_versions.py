"""The files of one version of a table, from its folder: to copy the table as it was at one instant."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

LOG = "_delta_log"
_VERSION_DIGITS = 20
_CHECKPOINT = ".checkpoint"


class GoneError(Exception):
    """A file of a noted version is gone: an erasure has removed it. Note the table's newest version."""


def tables_in(folder: Path) -> list[Path]:
    """Return the folders of the tables directly in an endpoint's folder of the lake."""
    return sorted(path for path in _folders(folder) if (path / LOG).is_dir())


def nested_tables(folder: Path) -> list[Path]:
    """Return the folders of the tables one level deeper: training sets, which never change once they are written."""
    rooms = [path for path in _folders(folder) if not (path / LOG).is_dir()]
    return sorted(table for room in rooms for table in tables_in(room))


def newest_version(table: Path) -> int | None:
    """Return the table's newest version from its log's names; None for a table that is not made yet."""
    return max((number for path, number in log_entries(table).items() if path.suffix == ".json"), default=None)


def log_entries(table: Path) -> dict[Path, int]:
    """Return the entries of the table's log, checkpoints among them, with their versions; none without a log."""
    try:
        return {path: int(path.name[:_VERSION_DIGITS]) for path in (table / LOG).iterdir() if _is_version(path)}
    except FileNotFoundError:
        return {}


def first_needed(entries: Mapping[Path, int], version: int) -> int:
    """Return the version of the newest checkpoint that this version can be read from; 0 without one."""
    checkpoints = (number for path, number in entries.items() if _is_checkpoint(path))
    return max((number for number in checkpoints if number <= version), default=0)


def files_of(table: Path, version: int) -> list[Path]:
    """Return all files that the table needs to be this version: of its log, and its rows'.

    The log begins with the last checkpoint up to this version; earlier versions cannot be read from the files. Raises
    GoneError when some are gone.
    """
    try:
        delta = DeltaTable(str(table), version=version)
        rows = [_below(table, Path(unquote(uri.removeprefix("file://")))) for uri in delta.file_uris()]
        log = _log_of(table, version)
    except (DeltaError, TableNotFoundError, FileNotFoundError, OSError) as error:
        raise GoneError(f"{table}: {error}") from error
    missing = next((path for path in rows if not path.is_file()), None)
    if missing is not None:
        raise GoneError(str(missing))
    return [*rows, *log]


def _below(table: Path, path: Path) -> Path:
    """Return a table's file by the table's own path, which may lead over a symbolic link."""
    return table / path.relative_to(table.resolve()) if not path.is_relative_to(table) else path


def _log_of(table: Path, version: int) -> list[Path]:
    known = log_entries(table)
    start = first_needed(known, version)
    return sorted(path for path, number in known.items() if start <= number <= version)


def _is_checkpoint(path: Path) -> bool:
    return _CHECKPOINT in path.name and path.suffix == ".parquet"


def _is_version(path: Path) -> bool:
    return path.name[:_VERSION_DIGITS].isdecimal() and path.name[_VERSION_DIGITS : _VERSION_DIGITS + 1] == "."


def _folders(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from (path for path in folder.iterdir() if path.is_dir())
