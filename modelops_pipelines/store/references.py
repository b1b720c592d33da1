"""What a version's windows are compared with: its training set's bins and profiles, one JSON file a version."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from modelops_pipelines.core.profiles import ColumnBins, Profile
from modelops_pipelines.store.files import write_atomically


@dataclass(frozen=True)
class Reference:
    """A version's reference profiles by column; ``source`` says what they were taken from."""

    source: str
    profiles: Mapping[str, Profile]

    def to_json(self) -> bytes:
        """Return the reference as JSON, the same bytes for the same content."""
        columns = {n: {"bins": p.bins.to_dict(), "profile": p.to_dict()} for n, p in self.profiles.items()}
        return orjson.dumps({"source": self.source, "columns": columns}, option=orjson.OPT_SORT_KEYS)

    @classmethod
    def from_json(cls, content: bytes) -> "Reference":
        """Read what ``to_json`` wrote."""
        read = orjson.loads(content)
        profiles = {
            name: Profile.from_dict(column["profile"], ColumnBins.from_dict(column["bins"]))
            for name, column in read["columns"].items()
        }
        return cls(read["source"], profiles)


class References:
    """All versions' references under one folder."""

    def __init__(self, folder: Path) -> None:
        """Nothing is read or written before the first call."""
        self._folder = folder

    def write(self, model_name: str, version: str, reference: Reference) -> None:
        """Write a version's reference, whole or not at all."""
        write_atomically(self._path(model_name, version), reference.to_json())

    def read(self, model_name: str, version: str) -> Reference | None:
        """Return a version's reference, or None when it has none."""
        path = self._path(model_name, version)
        return Reference.from_json(path.read_bytes()) if path.exists() else None

    def _path(self, model_name: str, version: str) -> Path:
        return self._folder / model_name / f"{version}.json"
