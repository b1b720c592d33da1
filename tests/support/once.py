"""What takes long to make and is made once a run, whichever of the run's processes asks first."""

from collections.abc import Callable
from pathlib import Path

from filelock import FileLock


def made_once(path: Path, make: Callable[[], bytes]) -> bytes:
    """Return the file's bytes; who comes first makes them, and others wait."""
    with FileLock(path.with_name(f"{path.name}.lock")):
        if not path.exists():
            path.write_bytes(make())
        return path.read_bytes()
