"""Retrainings: when each started and why, and the version that it trained."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from modelops_pipelines.store.state.database import Database, from_micros, moment, to_micros
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

_RETRAININGS = STATE_TABLES["retrainings"]


@dataclass(frozen=True)
class Retraining:
    """One retraining, with its training set and version once it has finished."""

    id: int
    endpoint: str
    at: datetime
    watermark: datetime | None
    reason: str
    training_set: str | None
    version: str | None


class Retrainings:
    """The store of retrainings. Each write is one transaction."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def start(self, endpoint: str, watermark: datetime | None, reason: str, now: datetime) -> int:
        """Record the start of a retraining; return its number."""
        values = {"endpoint": endpoint, "at": to_micros(now), "watermark": to_micros(watermark), "reason": reason}
        with self._database.begin() as connected:
            result = connected.execute(_RETRAININGS.insert().values(**values, training_set=None, version=None))
            key: Any = result.inserted_primary_key
            return int(key[0])

    def finish(self, endpoint: str, training_set: str, version: str) -> None:
        """Record the result of the endpoint's latest retraining."""
        latest = sa.select(sa.func.max(_RETRAININGS.c.id)).where(_RETRAININGS.c.endpoint == endpoint).scalar_subquery()
        change = _RETRAININGS.update().where(_RETRAININGS.c.id == latest)
        with self._database.begin() as connected:
            connected.execute(change.values(training_set=training_set, version=version))

    def of(self, endpoint: str) -> list[Retraining]:
        """Return the endpoint's retrainings, oldest first."""
        query = sa.select(_RETRAININGS).where(_RETRAININGS.c.endpoint == endpoint).order_by(_RETRAININGS.c.id)
        with self._database.read() as connected:
            rows: Sequence[RowMapping] = connected.execute(query).mappings().all()
        return [
            Retraining(**{**row, "at": moment(row["at"]), "watermark": from_micros(row["watermark"])}) for row in rows
        ]
