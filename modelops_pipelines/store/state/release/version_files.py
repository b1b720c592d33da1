"""Where a version's files are: recorded relative to the home, so that a home that moved finds its own."""

from pathlib import Path

_FILE = "file://"
_ARTIFACTS, _COPIES = "mlartifacts", "models"


def recorded_place(folder: str, home: Path | None) -> str:
    """Return what is recorded of a version's folder: relative to the home, if it is in there."""
    path = Path(folder.removeprefix(_FILE))
    return str(path.relative_to(home)) if home is not None and path.is_relative_to(home) else folder


def place_of(recorded: str, files_hash: str | None, home: Path | None) -> str:
    """Return the folder of a version's files.

    Releases before 0.3 recorded where it was then. Where the home has that folder too, it is the home's own that is
    meant: a copy of a home reads nothing from its origin.
    """
    plain = recorded.removeprefix(_FILE)
    if home is None or "://" in plain:
        return recorded
    path = Path(plain)
    if not path.is_absolute():
        return str(home / path)
    own = None if path.is_relative_to(home) else _same_in(path, files_hash, home)
    return recorded if own is None else str(own)


def _same_in(path: Path, files_hash: str | None, home: Path) -> Path | None:
    """Return the folder in the home that has the place of this one in the home that recorded it; None without one."""
    if path.parts[-2:] == (_COPIES, files_hash):
        own = home / _COPIES / path.name
    elif _ARTIFACTS in path.parts:
        own = home.joinpath(*path.parts[path.parts.index(_ARTIFACTS) :])
    else:
        return None
    return own if own.is_dir() else None
