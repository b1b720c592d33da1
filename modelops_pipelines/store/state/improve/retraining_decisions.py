"""The latest decision on each endpoint whether to retrain."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from modelops_pipelines.store.state.database import Database, moment, to_micros
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

_DECISIONS = STATE_TABLES["retraining_decisions"]


@dataclass(frozen=True)
class RetrainingDecision:
    """A decision with its reason and all numbers behind it; ``at`` is when it was first made like this."""

    endpoint: str
    at: datetime
    start: bool
    reason: str
    numbers: Mapping[str, Any]


class RetrainingDecisions:
    """The store of decisions."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def record(self, decision: RetrainingDecision) -> None:
        """Write a decision, which replaces the endpoint's one before; one transaction."""
        mine = _DECISIONS.c.endpoint == decision.endpoint
        values = {"start": decision.start, "reason": decision.reason, "numbers": dict(decision.numbers)}
        with self._database.begin() as connected:
            connected.execute(_DECISIONS.delete().where(mine))
            connected.execute(
                _DECISIONS.insert().values(endpoint=decision.endpoint, at=to_micros(decision.at), **values)
            )

    def all(self) -> dict[str, RetrainingDecision]:
        """Return the latest decision of every endpoint that has one."""
        with self._database.read() as connected:
            return {row["endpoint"]: _decision(row) for row in connected.execute(sa.select(_DECISIONS)).mappings()}

    def of(self, endpoint: str) -> RetrainingDecision | None:
        """Return the endpoint's latest decision, None when none was made yet."""
        query = sa.select(_DECISIONS).where(_DECISIONS.c.endpoint == endpoint)
        with self._database.read() as connected:
            row = connected.execute(query).mappings().first()
        return None if row is None else _decision(row)


def _decision(row: RowMapping) -> RetrainingDecision:
    return RetrainingDecision(**{**row, "at": moment(row["at"])})
