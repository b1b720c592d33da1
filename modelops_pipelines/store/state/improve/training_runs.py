"""Attempts to train a candidate, each in a process of its own: how it ended, how long it took, what it needed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from modelops_pipelines.store.state.database import Database, from_micros, moment, to_micros
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

RUNNING, TRAINED, FAILED = "running", "trained", "failed"
_RUNS = STATE_TABLES["training_runs"]


@dataclass(frozen=True)
class TrainingRun:
    """One attempt. ``retraining`` is None for a first version; ``output`` is the file of what it printed."""

    id: int
    endpoint: str
    retraining: int | None
    candidate: str
    content_hash: str
    attempt: int
    status: str
    failure: str | None
    message: str | None
    version: str | None
    output: str | None
    seconds: float | None
    peak_mib: float | None
    started_at: datetime
    ended_at: datetime | None


class TrainingRuns:
    """The store of attempts. Each write is one transaction."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def start(
        self, endpoint: str, retraining: int | None, candidate: str, content_hash: str, attempt: int, now: datetime
    ) -> int:
        """Record the start of an attempt; return its number."""
        values = {"endpoint": endpoint, "retraining": retraining, "candidate": candidate, "attempt": attempt}
        with self._database.begin() as connected:
            insert = _RUNS.insert().values(
                **values, content_hash=content_hash, status=RUNNING, started_at=to_micros(now)
            )
            key: Any = connected.execute(insert).inserted_primary_key
            return int(key[0])

    def end(self, number: int, now: datetime, values: Mapping[str, Any]) -> None:
        """Record how an attempt ended: the values of columns by name."""
        with self._database.begin() as connected:
            changed = {**values, "ended_at": to_micros(now)}
            connected.execute(_RUNS.update().where(_RUNS.c.id == number).values(**changed))

    def of(self, endpoint: str, most: int | None = None) -> list[TrainingRun]:
        """Return the endpoint's attempts, oldest first; the latest so many, if given."""
        query = sa.select(_RUNS).where(_RUNS.c.endpoint == endpoint).order_by(_RUNS.c.id.desc()).limit(most)
        return self._find(query)[::-1]

    def of_retraining(self, retraining: int) -> list[TrainingRun]:
        """Return a retraining's attempts, oldest first."""
        return self._find(sa.select(_RUNS).where(_RUNS.c.retraining == retraining).order_by(_RUNS.c.id))

    def behind(self, endpoint: str, version: str) -> list[TrainingRun]:
        """Return the attempts that a version came from, oldest first: its own, and those before it of its candidate."""
        own = _RUNS.alias("own")
        alike = sa.and_(
            own.c.endpoint == _RUNS.c.endpoint,
            own.c.version == version,
            own.c.retraining.is_not_distinct_from(_RUNS.c.retraining),
            own.c.candidate == _RUNS.c.candidate,
            own.c.content_hash == _RUNS.c.content_hash,
        )
        mine = sa.select(own.c.id).where(alike).exists()
        return self._find(sa.select(_RUNS).where(_RUNS.c.endpoint == endpoint, mine).order_by(_RUNS.c.id))

    def rivals(self, endpoint: str, version: str) -> int:
        """Return how many candidates competed in the retraining that made a version: 1 where it was alone."""
        mine = sa.select(_RUNS.c.retraining).where(_RUNS.c.endpoint == endpoint, _RUNS.c.version == version)
        counted = sa.select(sa.func.count(sa.distinct(_RUNS.c.candidate)).label("rivals"))
        per_retraining = counted.where(_RUNS.c.retraining.in_(mine)).group_by(_RUNS.c.retraining).subquery()
        with self._database.read() as connected:
            return int(connected.scalar(sa.select(sa.func.max(per_retraining.c.rivals))) or 1)

    def seconds_of(self, retrainings: list[int]) -> float:
        """Return how many seconds the attempts of these retrainings took together."""
        query = sa.select(sa.func.sum(_RUNS.c.seconds)).where(_RUNS.c.retraining.in_(retrainings))
        with self._database.read() as connected:
            return float(connected.scalar(query) or 0.0)

    def _find(self, query: sa.Select[Any]) -> list[TrainingRun]:
        with self._database.read() as connected:
            return [_run(row) for row in connected.execute(query).mappings()]


def _run(row: RowMapping) -> TrainingRun:
    times = {"started_at": moment(row["started_at"]), "ended_at": from_micros(row["ended_at"])}
    return TrainingRun(**{**row, **times})
