"""What a home keeps of its state outside the state database, so that a state that is gone is not taken for a new one.

The file ``installation.json`` holds a fingerprint of the secret in the database, and whether an API key was ever
created. Whoever wants to begin anew deletes it together with the database.
"""

import hashlib
import json
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from modelops_pipelines.core.errors import StateError
from modelops_pipelines.store.filesystem.files import exclusive, write_atomically

FILE = "installation.json"


@dataclass(frozen=True)
class Mark:
    """The fingerprint of the state database's secret, and whether this home has ever had an API key."""

    fingerprint: str
    has_had_keys: bool = False


class Installation:
    """The mark of one home. It is kept in memory too: it holds while its file, or the whole home, is gone."""

    def __init__(self, path: Path | None = None, known: Mark | None = None) -> None:
        """Use the file, or memory alone without one; ``known`` is the mark as another process has read it."""
        self._path, self._known = path, known

    @property
    def home(self) -> Path | None:
        """The home's folder; None for a mark in memory."""
        return None if self._path is None else self._path.parent

    def mark(self) -> Mark | None:
        """Return the mark, None for a home that never had a state; raises StateError for a damaged file."""
        written = None if self._path is None else _read(self._path)
        if written is not None:
            had_keys = self._known is not None and self._known.has_had_keys
            self._known = replace(written, has_had_keys=written.has_had_keys or had_keys)
        return self._known

    def remember(self, fingerprint: str, *, has_keys: bool) -> None:
        """Write the mark durably; it never forgets that there were keys. Raises OSError when it cannot be written."""
        with self._locked():
            before = self.mark()
            has_keys = has_keys or (before is not None and before.has_had_keys)
            after = Mark(fingerprint, has_keys)
            if self._path is not None and after != _read(self._path):
                write_atomically(self._path, json.dumps(asdict(after)).encode())
            self._known = after

    def describe(self) -> str:
        """Return how to begin anew: which file to delete."""
        return f"delete {self._path}" if self._path is not None else "begin with a new home"

    def _locked(self) -> AbstractContextManager[None]:
        if self._path is None:
            return nullcontext()
        return exclusive(self._path.parent / "locks" / f"{FILE}.lock", "the home's mark")


def fingerprint_of(secret: str) -> str:
    """Return the fingerprint of a secret; the secret cannot be computed from it."""
    return hashlib.sha256(f"modelops installation {secret}".encode()).hexdigest()


def _read(path: Path) -> Mark | None:
    try:
        found = json.loads(path.read_bytes())
        return Mark(str(found["fingerprint"]), bool(found["has_had_keys"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StateError(
            f"The home's mark {path} cannot be read ({type(error).__name__})",
            "Restore it from a backup; or delete it, if the state database beside it is this home's",
        ) from error
