"""Changed values that a person accepted as the new normal."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from modelops_pipelines.store.state.database import Database, moment, to_micros
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

_ACCEPTANCES = STATE_TABLES["drift_acceptances"]
_TIMES = ("since", "until", "at")


@dataclass(frozen=True)
class Acceptance:
    """A column's values of the windows from ``since`` up to ``until`` are the new normal for windows from there on."""

    endpoint: str
    column: str
    since: datetime
    until: datetime
    actor: str
    reason: str
    at: datetime


class Acceptances:
    """The store of acceptances: they are added, and never changed."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def add(self, accepted: Iterable[Acceptance]) -> None:
        """Add some in one transaction."""
        rows = [asdict(one) | {name: to_micros(getattr(one, name)) for name in _TIMES} for one in accepted]
        with self._database.begin() as connected:
            connected.execute(_ACCEPTANCES.insert(), rows)

    def of(self, endpoint: str) -> list[Acceptance]:
        """Return an endpoint's acceptances, oldest first."""
        query = sa.select(_ACCEPTANCES).where(_ACCEPTANCES.c.endpoint == endpoint).order_by(_ACCEPTANCES.c.id)
        with self._database.read() as connected:
            return [_acceptance(row) for row in connected.execute(query).mappings()]


def _acceptance(row: RowMapping) -> Acceptance:
    since, until, at = (moment(row[name]) for name in _TIMES)
    return Acceptance(row["endpoint"], row["column"], since, until, row["actor"], row["reason"], at)
