"""The rows that a version's explanations refer to, as a file that a gateway reads without the lake's libraries.

``references/<model>/<version>.<endpoint>.rows.json``: rows of the version's training set or of its first answers, with
their ids, so that an erasure finds them; and what each column contributed to their answers, once that is known.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from modelops_pipelines.core.models.typed_columns import Columns
from modelops_pipelines.core.timestamps import from_micros, to_micros
from modelops_pipelines.store.filesystem.files import write_atomically
from modelops_pipelines.store.registry.references.normal_values import file_name

ROWS = "rows.json"


@dataclass(frozen=True)
class Contributed:
    """What each column contributed to the answers of reference rows, by which method and on which scale.

    ``output`` is which of a regression's several values it was, None where it answers one.
    """

    method: str
    scale: str
    columns: Mapping[str, Sequence[float]]
    output: str | None = None


@dataclass(frozen=True)
class ReferenceRows:
    """Reference rows: where they are from, the ids of the rows there, their kinds and values by column."""

    source: str
    ids: tuple[str, ...]
    kinds: Mapping[str, str]
    columns: Columns
    contributed: Contributed | None = None

    def explained(self, contributed: Contributed | None) -> "ReferenceRows":
        """Return the same rows with what was found of their answers."""
        return replace(self, contributed=contributed)

    def to_json(self) -> bytes:
        """Return it as JSON; times are microseconds since 1970 UTC."""
        rows = {name: [_plain(value) for value in values] for name, values in self.columns.items()}
        known = None
        if self.contributed is not None:
            found = self.contributed
            named = {name: list(values) for name, values in found.columns.items()}
            known = {"method": found.method, "scale": found.scale, "columns": named, "output": found.output}
        content = {
            "source": self.source,
            "ids": self.ids,
            "kinds": dict(self.kinds),
            "rows": rows,
            "contributed": known,
        }
        return orjson.dumps(content)

    @classmethod
    def from_json(cls, content: bytes) -> "ReferenceRows":
        """Read what ``to_json`` wrote."""
        read = orjson.loads(content)
        kinds = read["kinds"]
        columns = {name: _typed(values, kinds[name]) for name, values in read["rows"].items()}
        known = None if read["contributed"] is None else Contributed(**read["contributed"])
        return cls(read["source"], tuple(read["ids"]), kinds, columns, known)


class ReferenceRowsOfVersions:
    """The reference rows of all endpoints' versions, under the folder of the references."""

    def __init__(self, folder: Path) -> None:
        """Nothing is read or written before the first call."""
        self._folder = folder

    def write(self, endpoint: str, model_name: str, version: str, rows: ReferenceRows) -> None:
        """Write the reference rows of an endpoint's version in place of earlier ones."""
        write_atomically(self.path(endpoint, model_name, version), rows.to_json())

    def read(self, endpoint: str, model_name: str, version: str) -> ReferenceRows | None:
        """Return the reference rows of an endpoint's version, None while there are none."""
        try:
            return ReferenceRows.from_json(self.path(endpoint, model_name, version).read_bytes())
        except FileNotFoundError:
            return None

    def remove(self, endpoint: str, model_name: str, version: str) -> None:
        """Remove the reference rows of an endpoint's version, if there are any."""
        self.path(endpoint, model_name, version).unlink(missing_ok=True)

    def remove_with(self, endpoint: str, model_name: str, ids: Collection[str]) -> int:
        """Remove the reference rows of an endpoint's versions that hold one of these rows; return how many files."""
        removed = 0
        for path in (self._folder / model_name).glob(f"*.{endpoint}.{ROWS}"):
            if not {*ids}.isdisjoint(orjson.loads(path.read_bytes())["ids"]):
                path.unlink()
                removed += 1
        return removed

    def changed_at(self, endpoint: str, model_name: str, version: str) -> float:
        """Return when the file changed last, 0 where there is none: cheap, to know when to read again."""
        path = self.path(endpoint, model_name, version)
        try:
            return path.stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def path(self, endpoint: str, model_name: str, version: str) -> Path:
        """Return the file of an endpoint's version."""
        return self._folder / model_name / f"{file_name(version)}.{endpoint}.{ROWS}"


def _plain(value: Any) -> Any:
    return to_micros(value) if isinstance(value, datetime) else value


def _typed(values: Sequence[Any], kind: str) -> list[Any]:
    if kind != "timestamp":
        return list(values)
    return [None if value is None else from_micros(value) for value in values]
