"""What is normal for the features of a version, as files that are read without the lake's libraries.

``references/<model>/<version>.<endpoint>.usual.json`` is written by data quality; without one, the profiles of the
version's training set are read from its reference.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

import orjson

from modelops_pipelines.core.drift.sudden.normal_values import Normal, normal_of_training
from modelops_pipelines.core.ids import content_id
from modelops_pipelines.core.profiles.profile import ColumnBins, Profile
from modelops_pipelines.store.filesystem.files import write_atomically

USUAL = "usual.json"
_LONGEST_NAME = 100


def file_name(version: str) -> str:
    """Return a version as part of a file's name: versions from elsewhere may be any text."""
    name = quote(version, safe="")
    return name if len(name) <= _LONGEST_NAME else content_id(version)


class NormalValues:
    """The normal values of all endpoints' versions, under the folder of the references."""

    def __init__(self, folder: Path) -> None:
        """Nothing is read or written before the first call."""
        self._folder = folder

    def write(
        self, endpoint: str, model_name: str, version: str, until: datetime, normals: Mapping[str, Normal]
    ) -> None:
        """Write what is normal up to a time, unless what is known is newer."""
        path = self._usual(endpoint, model_name, version)
        if path.exists() and orjson.loads(path.read_bytes())["until"] > until.isoformat():
            return
        columns = {name: one.to_dict() for name, one in normals.items()}
        write_atomically(path, orjson.dumps({"until": until.isoformat(), "columns": columns}))

    def read(self, endpoint: str, model_name: str, version: str) -> dict[str, Normal]:
        """Return what is normal by column: by the days before, else by the training set, else empty."""
        usual = self._usual(endpoint, model_name, version)
        if usual.exists():
            return {n: Normal.from_dict(one) for n, one in orjson.loads(usual.read_bytes())["columns"].items()}
        reference = self._folder / model_name / f"{file_name(version)}.json"
        if not reference.exists():
            return {}
        columns = orjson.loads(reference.read_bytes())["columns"]
        return {
            name: normal_of_training(Profile.from_dict(one["profile"], ColumnBins.from_dict(one["bins"])))
            for name, one in columns.items()
        }

    def changed_at(self, endpoint: str, model_name: str, version: str) -> tuple[float, float]:
        """Return when the two files changed last, 0 for one that is not there: cheap, to know when to read again."""
        paths = self._usual(endpoint, model_name, version), self._folder / model_name / f"{file_name(version)}.json"
        usual, reference = (path.stat().st_mtime if path.exists() else 0.0 for path in paths)
        return usual, reference

    def _usual(self, endpoint: str, model_name: str, version: str) -> Path:
        return self._folder / model_name / f"{file_name(version)}.{endpoint}.{USUAL}"
