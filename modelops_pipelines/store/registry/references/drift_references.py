"""Drift references of versions: bins and profiles of the training set, as a whole and by hour.

Two files per version. ``<version>.json`` has the bins, the profiles of the whole set and the columns' importance;
``<version>.hours.parquet`` has the set's last days by hour, for the seasonal comparison. The same two files are
artefacts of the version's run in the registry.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from modelops_pipelines.core.profiles.profile import ColumnBins, Profile
from modelops_pipelines.store.filesystem.files import write_atomically
from modelops_pipelines.store.lake.rows.profiles import Hours, from_rows
from modelops_pipelines.store.registry.references.normal_values import USUAL, file_name
from modelops_pipelines.store.registry.references.reference_rows import ROWS

_LAST_WINDOW = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d) UTC$")
REFERENCE_FILE, HOURS_FILE = "reference.json", "reference_hours.parquet"
KEPT = 32
"""References in memory: more than the versions whose hours one endpoint's monitoring compares."""
_Stamp = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True)
class Reference:
    """A version's reference profiles by column; ``source`` says what they were taken from.

    ``importance`` is by feature, adds up to 1, and is empty if unknown. ``hours`` are rows of the table ``profiles``,
    None if the training set has no times.
    """

    source: str
    profiles: Mapping[str, Profile]
    importance: Mapping[str, float] = field(default_factory=dict)
    hours: pa.Table | None = None

    @property
    def last_window(self) -> datetime | None:
        """The last window of the log that it was taken from; None for a training set's."""
        found = _LAST_WINDOW.search(self.source)
        return datetime.strptime(found[1], "%Y-%m-%d %H:%M").replace(tzinfo=UTC) if found else None

    @property
    def bins(self) -> dict[str, ColumnBins]:
        """The bins by column."""
        return {name: known.bins for name, known in self.profiles.items()}

    def by_hour(self) -> dict[str, Hours]:
        """Return the training set's last days by column and hour."""
        return {} if self.hours is None else from_rows(self.hours, self.bins)

    def to_files(self) -> dict[str, bytes]:
        """Return the reference as files by name, the same bytes for the same content."""
        columns = {n: {"bins": p.bins.to_dict(), "profile": p.to_dict()} for n, p in self.profiles.items()}
        content = {"source": self.source, "columns": columns, "importance": dict(self.importance)}
        files = {REFERENCE_FILE: orjson.dumps(content, option=orjson.OPT_SORT_KEYS)}
        if self.hours is not None:
            sink = pa.BufferOutputStream()
            pq.write_table(self.hours, sink, compression="zstd")
            files[HOURS_FILE] = sink.getvalue().to_pybytes()
        return files

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> "Reference":
        """Read what ``to_files`` wrote; an older release's lack importance and hours."""
        read = orjson.loads(files[REFERENCE_FILE])
        profiles = {
            name: Profile.from_dict(column["profile"], ColumnBins.from_dict(column["bins"]))
            for name, column in read["columns"].items()
        }
        hours = pq.read_table(pa.BufferReader(files[HOURS_FILE])) if HOURS_FILE in files else None
        return cls(read["source"], profiles, read.get("importance", {}), hours)


class References:
    """All versions' references under one folder."""

    def __init__(self, folder: Path) -> None:
        """Nothing is read or written before the first call."""
        self._folder = folder
        self._kept: dict[tuple[str, str], tuple[_Stamp, Reference]] = {}

    def write(self, model_name: str, version: str, reference: Reference) -> None:
        """Write a version's reference; readers look for the JSON file, which is written last."""
        for name, content in reversed(reference.to_files().items()):
            write_atomically(self._paths(model_name, version)[name], content)

    def read(self, model_name: str, version: str) -> Reference | None:
        """Return a version's reference, or None when it has none; its files are read again once they have changed."""
        paths = self._paths(model_name, version)
        stamp = tuple(map(_stamp_of, paths.values()))
        known = self._kept.pop((model_name, version), None)
        if stamp[0] is None:
            return None
        if known is None or known[0] != stamp:
            files = {name: path.read_bytes() for name, path in paths.items() if path.exists()}
            known = (stamp, Reference.from_files(files))
        self._kept[model_name, version] = known  # the last one is the one that was asked for last
        while len(self._kept) > KEPT:
            self._kept.pop(next(iter(self._kept)), None)
        return known[1]

    def remove(self, model_name: str, version: str) -> None:
        """Remove a version's reference; the JSON file, by which it is found, goes first."""
        for path in self._paths(model_name, version).values():
            path.unlink(missing_ok=True)
        for suffix in (USUAL, ROWS):
            for path in (self._folder / model_name).glob(f"{file_name(version)}.*.{suffix}"):
                path.unlink(missing_ok=True)

    def _paths(self, model_name: str, version: str) -> dict[str, Path]:
        folder = self._folder / model_name
        name = file_name(version)
        return {REFERENCE_FILE: folder / f"{name}.json", HOURS_FILE: folder / f"{name}.hours.parquet"}


def _stamp_of(path: Path) -> tuple[int, int, int] | None:
    """Return what changes with a file's content, as it is only ever replaced; None where it is not there."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
