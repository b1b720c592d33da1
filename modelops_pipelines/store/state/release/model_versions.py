"""What serving needs of registered versions. Functions on an open transaction; ``home`` is the folder of this home."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from modelops_pipelines.core.models.output_kinds import UNKNOWN
from modelops_pipelines.store.state.database import moment, to_micros
from modelops_pipelines.store.state.release.version_files import place_of, recorded_place
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

_VERSIONS = STATE_TABLES["model_versions"]
AT_ONCE = 400
"""Versions that one query asks for: SQLite takes a bounded number of parameters."""


@dataclass(frozen=True)
class ModelVersion:
    """What serving needs of a registered version. ``inputs`` maps a feature to its column type, in order.

    ``classes`` are in the order of the model's score columns, None while unknown; ``classes_from`` is their source.
    """

    model_name: str
    version: str
    artifact_uri: str
    inputs: dict[str, str]
    classes: list[str] | None
    training_set: str | None
    run_id: str | None
    registered_at: datetime
    output: str = UNKNOWN
    files_hash: str | None = None
    trained_here: bool | None = None
    classes_from: str | None = None

    @property
    def folder(self) -> Path:
        """The folder with the version's files."""
        return Path(self.artifact_uri.removeprefix("file://"))


def record(connected: sa.Connection, version: ModelVersion, home: Path | None) -> None:
    """Write a version, in the place of an earlier record of it."""
    place = recorded_place(version.artifact_uri, home)
    values = {**asdict(version), "registered_at": to_micros(version.registered_at), "artifact_uri": place}
    connected.execute(_VERSIONS.delete().where(_is(version.model_name, version.version)))
    connected.execute(_VERSIONS.insert().values(**values))


def record_classes(connected: sa.Connection, version: ModelVersion) -> None:
    """Write the classes and the kind of output of a recorded version; nothing else of it changes."""
    values = {"classes": version.classes, "classes_from": version.classes_from, "output": version.output}
    connected.execute(_VERSIONS.update().where(_is(version.model_name, version.version)).values(**values))


def record_files(connected: sa.Connection, version: ModelVersion, home: Path | None) -> None:
    """Write where the files of a recorded version are now."""
    place = recorded_place(version.artifact_uri, home)
    connected.execute(_VERSIONS.update().where(_is(version.model_name, version.version)).values(artifact_uri=place))


def model_names(connected: sa.Connection) -> list[str]:
    """Return the models with recorded versions."""
    query = sa.select(_VERSIONS.c.model_name).distinct().order_by(_VERSIONS.c.model_name)
    return list(connected.scalars(query))


def classes_by_model(connected: sa.Connection, model_name: str | None = None) -> dict[str, dict[str, list[str] | None]]:
    """Return the classes of each recorded version, of one model or of every one; None where they are unknown."""
    query = sa.select(_VERSIONS.c.model_name, _VERSIONS.c.version, _VERSIONS.c.classes)
    if model_name is not None:
        query = query.where(_VERSIONS.c.model_name == model_name)
    found: dict[str, dict[str, list[str] | None]] = {}
    for model, version, classes in connected.execute(query):
        found.setdefault(model, {})[version] = classes
    return found


def find(connected: sa.Connection, model_name: str, version: str, home: Path | None) -> ModelVersion | None:
    """Return a version, or None when it was never recorded here."""
    row = connected.execute(sa.select(_VERSIONS).where(_is(model_name, version))).mappings().first()
    return None if row is None else _version(row, home)


def find_all(
    connected: sa.Connection, wanted: Iterable[tuple[str, str]], home: Path | None
) -> dict[tuple[str, str], ModelVersion]:
    """Return the recorded ones of these versions (model name, version), however many they are."""
    both, pairs = sa.tuple_(_VERSIONS.c.model_name, _VERSIONS.c.version), sorted(wanted)
    found: dict[tuple[str, str], ModelVersion] = {}
    for start in range(0, len(pairs), AT_ONCE):
        query = sa.select(_VERSIONS).where(both.in_(pairs[start : start + AT_ONCE]))
        versions = [_version(row, home) for row in connected.execute(query).mappings()]
        found |= {(version.model_name, version.version): version for version in versions}
    return found


def of_model(connected: sa.Connection, model_name: str, home: Path | None) -> list[ModelVersion]:
    """Return the model's versions, oldest first."""
    query = sa.select(_VERSIONS).where(_VERSIONS.c.model_name == model_name).order_by(_VERSIONS.c.registered_at)
    return [_version(row, home) for row in connected.execute(query).mappings()]


def _version(row: RowMapping, home: Path | None) -> ModelVersion:
    place = place_of(row["artifact_uri"], row["files_hash"], home)
    return ModelVersion(**{**row, "registered_at": moment(row["registered_at"]), "artifact_uri": place})


def _is(model_name: str, version: str) -> sa.ColumnElement[bool]:
    return sa.and_(_VERSIONS.c.model_name == model_name, _VERSIONS.c.version == version)
