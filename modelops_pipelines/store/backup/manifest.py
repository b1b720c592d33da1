"""The manifest of one generation of a backup: what was saved when, and the hash of every file.

It is written last: a generation without a manifest is none.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from modelops_pipelines.core.errors import StateError
from modelops_pipelines.store.backup.manifest_schema import problem_of

FORMAT = 1
PERMISSIONS = 0o777
"""The bits of a file's mode that are saved and restored: a file never becomes one that runs as its owner."""


@dataclass(frozen=True)
class SavedFile:
    """A file of the home: its content's SHA-256, its bytes, its permission bits and its last change (nanoseconds)."""

    hash: str
    size: int
    mode: int
    changed: int


@dataclass(frozen=True)
class Manifest:
    """One generation. Every row that was acknowledged before ``taken_at`` (UTC) is in it.

    Its name orders it: it is ``taken_at``, or just after the name of the generation before, where a clock was ahead.
    ``fingerprint`` is that of the installation's secret; ``files`` are by their path in the home. ``left_out`` says
    what of the installation is not in it.
    """

    generation: str
    taken_at: datetime
    finished_at: datetime
    release: str
    revision: str
    home: str
    fingerprint: str
    left_out: tuple[str, ...] = ()
    files: Mapping[str, SavedFile] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """The bytes of all its files."""
        return sum(one.size for one in self.files.values())

    def to_json(self) -> bytes:
        """Return the manifest as it is written, with the hash of all the rest of it."""
        values = asdict(self) | {
            "format": FORMAT,
            "taken_at": self.taken_at.isoformat(),
            "finished_at": self.finished_at.isoformat(),
            "files": {name: [one.hash, one.size, one.mode, one.changed] for name, one in self.files.items()},
        }
        return json.dumps(values | {"hash": _hash_of(values)}, sort_keys=True, indent=0).encode()

    @classmethod
    def from_json(cls, content: bytes, where: str) -> "Manifest":
        """Read a manifest; raises StateError for one that is damaged, or of a newer format."""
        try:
            values = json.loads(content)
            written, form = values.pop("hash"), values.pop("format")
            if form > FORMAT:
                raise StateError(f"The backup's manifest {where} is of a newer release", "Use that release")
            is_whole = written == _hash_of(values | {"format": form})
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise StateError(
                f"The backup's manifest {where} cannot be read ({type(error).__name__}: {error})", _OTHER
            ) from error
        problem = problem_of(values) if is_whole else "its hash does not match"
        if problem is not None:
            raise StateError(f"The backup's manifest {where} is damaged: {problem}", _OTHER)
        return _read(values)


_OTHER = "Use another generation (modelops backup list TARGET), with --at"


def _read(values: dict[str, Any]) -> Manifest:
    return Manifest(
        **{
            **values,
            "taken_at": datetime.fromisoformat(values["taken_at"]),
            "finished_at": datetime.fromisoformat(values["finished_at"]),
            "left_out": tuple(values["left_out"]),
            "files": {
                name: SavedFile(content, size, mode & PERMISSIONS, changed)
                for name, (content, size, mode, changed) in values["files"].items()
            },
        }
    )


def _hash_of(values: Mapping[str, Any]) -> str:
    plain = {**values, "left_out": list(values["left_out"])}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
