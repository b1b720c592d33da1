"""Retrainings: when each started and why, and the version that it trained."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from modelops_pipelines.core.improve.retraining.failures import LOST
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
    evidence: Mapping[str, Any] | None = None
    ended_at: datetime | None = None
    failure: str | None = None


class Retrainings:
    """The store of retrainings. Each write is one transaction."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def start(
        self,
        endpoint: str,
        watermark: datetime | None,
        reason: str,
        now: datetime,
        evidence: Mapping[str, Any] | None = None,
    ) -> int:
        """Record the start of a retraining; return its number.

        An earlier one of the endpoint that has no end was lost with its process, and is recorded as such.
        """
        values = {"endpoint": endpoint, "at": to_micros(now), "watermark": to_micros(watermark), "reason": reason}
        given = None if evidence is None else dict(evidence)
        ended = {"ended_at": to_micros(now), "failure": LOST}
        with self._database.begin() as connected:
            connected.execute(_RETRAININGS.update().where(*_unended(endpoint)).values(**ended))
            insert = _RETRAININGS.insert().values(**values, evidence=given, training_set=None, version=None)
            key: Any = connected.execute(insert).inserted_primary_key
            return int(key[0])

    def take_set(self, endpoint: str, training_set: str) -> None:
        """Record the training set of the endpoint's latest retraining: the one that its candidates are trained on."""
        self._change_latest(endpoint, {"training_set": training_set})

    def finish(self, endpoint: str, training_set: str, version: str, now: datetime | None = None) -> None:
        """Record the version of the endpoint's latest retraining, and its end if ``now`` is given."""
        values = {"training_set": training_set, "version": version, "failure": None}
        self._change_latest(endpoint, {**values, **({} if now is None else {"ended_at": to_micros(now)})})

    def fail(self, endpoint: str, failure: str, now: datetime) -> None:
        """Record that the endpoint's latest retraining ended without a version, by the kind of its failure."""
        self._change_latest(endpoint, {"failure": failure, "ended_at": to_micros(now)})

    def add_evidence(self, endpoint: str, more: Mapping[str, Any]) -> None:
        """Add to the evidence of the endpoint's latest retraining."""
        latest = self.latest(endpoint)
        if latest is not None:
            self._change_latest(endpoint, {"evidence": {**(latest.evidence or {}), **more}})

    def latest(self, endpoint: str) -> Retraining | None:
        """Return the endpoint's latest retraining, None when it was never retrained."""
        query = sa.select(_RETRAININGS).where(_RETRAININGS.c.endpoint == endpoint)
        with self._database.read() as connected:
            row = connected.execute(query.order_by(_RETRAININGS.c.id.desc()).limit(1)).mappings().first()
        return None if row is None else _retraining(row)

    def of(self, endpoint: str) -> list[Retraining]:
        """Return the endpoint's retrainings, oldest first."""
        query = sa.select(_RETRAININGS).where(_RETRAININGS.c.endpoint == endpoint).order_by(_RETRAININGS.c.id)
        with self._database.read() as connected:
            return [_retraining(row) for row in connected.execute(query).mappings()]

    def _change_latest(self, endpoint: str, values: Mapping[str, Any]) -> None:
        latest = sa.select(sa.func.max(_RETRAININGS.c.id)).where(_RETRAININGS.c.endpoint == endpoint).scalar_subquery()
        with self._database.begin() as connected:
            connected.execute(_RETRAININGS.update().where(_RETRAININGS.c.id == latest).values(**values))


def _unended(endpoint: str) -> tuple[sa.ColumnElement[bool], ...]:
    open_ones = (_RETRAININGS.c.ended_at, _RETRAININGS.c.version, _RETRAININGS.c.failure)
    return (_RETRAININGS.c.endpoint == endpoint, *(one.is_(None) for one in open_ones))


def _retraining(row: RowMapping) -> Retraining:
    times = {name: from_micros(row[name]) for name in ("watermark", "ended_at")}
    return Retraining(**{**row, "at": moment(row["at"]), **times})
