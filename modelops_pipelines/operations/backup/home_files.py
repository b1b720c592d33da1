"""The files of a home that a backup copies as they are, and what of the home it does not copy."""

from collections.abc import Iterator
from pathlib import Path

from modelops_pipelines.store.lake.table_versions import LOG

LEFT_OUT = frozenset({"backups.json", "dagster", "live", "locks", "logs", "pins", "services.json", "evaluation.lock"})
"""What is of this home and its processes alone, or can be made again, such as Dagster's own history and log files."""
LAKE, SPOOL = "lake", "spool"
_ROOMS = frozenset(
    {LAKE, SPOOL, "models", "mlartifacts", "reports", "references", "configurations", "maintenance", "proofs"}
)
"""The home's own folders, each of which may be a link to another disk's; those in lake and spool too."""
_VERSION_FILES = ("models", "mlartifacts")
_TABLE_DEPTH = 3
"""The folders of a table of the lake: ``lake/<endpoint>/<table>``."""
_SHOWN = 20


def files_of_home(home: Path) -> Iterator[Path]:
    """Yield the home's files, without the spool, the lake's tables, what is left out, and files in the making."""
    for folder, inner in _walk(home):
        if inner[:1] != (SPOOL,) and not _is_saved_with_tables(folder, inner):
            yield from (path for path in _entries(folder, inner) if path.is_file())


def not_saved(home: Path) -> tuple[str, ...]:
    """Return what of a home is not in its backups: what is left out, and what is no file (links, pipes, sockets)."""
    left_out = sorted(name for name in LEFT_OUT if (home / name).exists())
    irregular = sorted(
        f"{path.relative_to(home)} ({_kind(path)})"
        for folder, inner in _walk(home)
        for path in _entries(folder, inner)
        if not path.is_file() and not (path.is_dir() and _is_followed(path, inner))
    )
    more = [f"{len(irregular) - _SHOWN} more that are no files"] if len(irregular) > _SHOWN else []
    return (*left_out, *irregular[:_SHOWN], *more)


def _walk(home: Path) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Yield each folder that is the home's, with its path in the home."""
    waiting: list[tuple[str, ...]] = [()]
    while waiting:
        inner = waiting.pop()
        folder = home.joinpath(*inner)
        yield folder, inner
        found = [path for path in _entries(folder, inner) if path.is_dir() and _is_followed(path, inner)]
        waiting.extend((*inner, path.name) for path in reversed(found))


def _entries(folder: Path, inner: tuple[str, ...]) -> list[Path]:
    """Return what is in a folder by name, without what is left out of a home, and what is hidden: in the making.

    Files of a model version may have any name.
    """
    try:
        names = sorted(path.name for path in folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []  # it was removed meanwhile
    hidden = len(inner) > 1 and inner[0] in _VERSION_FILES
    left_out = frozenset[str]() if inner else LEFT_OUT
    return [folder / name for name in names if name not in left_out and (hidden or not name.startswith("."))]


def _is_followed(path: Path, inner: tuple[str, ...]) -> bool:
    """Return whether a folder is the home's: one that lies in it, or one of its own that is a link to elsewhere."""
    if not path.is_symlink():
        return True
    return path.name in _ROOMS if not inner else inner[0] in (LAKE, SPOOL) and len(inner) < _TABLE_DEPTH


def _is_saved_with_tables(folder: Path, inner: tuple[str, ...]) -> bool:
    """Return whether a folder is a table of the lake, or deeper than an endpoint's folders; sidecars of tables stay."""
    if inner[:1] != (LAKE,):
        return False
    return len(inner) > _TABLE_DEPTH or (len(inner) == _TABLE_DEPTH and (folder / LOG).is_dir())


def _kind(path: Path) -> str:
    if path.is_symlink():
        return "a link to a folder elsewhere" if path.is_dir() else "a link to nothing"
    if path.is_fifo():
        return "a pipe"
    return "a socket" if path.is_socket() else "a device"
