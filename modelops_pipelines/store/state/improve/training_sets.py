"""Records of training sets; their rows are in the lake."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from modelops_pipelines.store.state.database import Database, from_micros, moment, to_micros
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

_SETS = STATE_TABLES["training_sets"]
_TIMES = ("watermark", "at", "as_of")


@dataclass(frozen=True)
class TrainingSet:
    """An immutable training set; its table is ``training_sets/<content hash>``."""

    endpoint: str
    content_hash: str
    base_hash: str | None
    rows: int
    labels_seen: int
    watermark: datetime | None
    at: datetime
    as_of: datetime | None = None
    manifest: Mapping[str, Any] | None = None


class TrainingSets:
    """The store of training sets' records. Each write is one transaction."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def record(self, training_set: TrainingSet) -> None:
        """Write a training set's record; one with the same content is replaced, and keeps when it was built first."""
        same = sa.and_(_SETS.c.endpoint == training_set.endpoint, _SETS.c.content_hash == training_set.content_hash)
        times = {name: to_micros(getattr(training_set, name)) for name in _TIMES}
        values = {**asdict(training_set), **times}
        with self._database.begin() as connected:
            first = connected.scalar(sa.select(_SETS.c.at).where(same))
            values["at"] = values["at"] if first is None else min(first, values["at"])
            connected.execute(_SETS.delete().where(same))
            connected.execute(_SETS.insert().values(**values))

    def builders(self, hashes: Sequence[str]) -> list[tuple[str, str]]:
        """Return the content hash and the endpoint of each of these training sets that is recorded."""
        if not hashes:
            return []
        query = sa.select(_SETS.c.content_hash, _SETS.c.endpoint).where(_SETS.c.content_hash.in_(set(hashes)))
        with self._database.read() as connected:
            return [(row.content_hash, row.endpoint) for row in connected.execute(query)]

    def of(self, endpoint: str) -> list[TrainingSet]:
        """Return the endpoint's training sets, oldest first."""
        query = sa.select(_SETS).where(_SETS.c.endpoint == endpoint).order_by(_SETS.c.at)
        with self._database.read() as connected:
            rows = connected.execute(query).mappings().all()
        return [_training_set(row) for row in rows]


def _training_set(row: RowMapping) -> TrainingSet:
    times = {name: from_micros(row[name]) for name in ("watermark", "as_of")}
    return TrainingSet(**{**row, **times, "at": moment(row["at"])})
