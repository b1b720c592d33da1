"""Crashes and hangs of versions: each is recorded before its callers are answered."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from modelops_pipelines.core.release.crash_guard import Crash
from modelops_pipelines.store.state.database import Database, moment, to_micros
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

KEPT = timedelta(days=7)
_CRASHES = STATE_TABLES["crashes"]


@dataclass(frozen=True)
class RecordedCrash:
    """A crash of a version on an endpoint, in the state."""

    id: int
    endpoint: str
    model_name: str
    version: str
    worker: str
    crash: Crash


class Crashes:
    """The store of crashes. Each write is one transaction."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def record(self, endpoint: str, model_name: str, version: str, worker: str, crash: Crash) -> int:
        """Write a crash and return its number; crashes older than KEPT are removed."""
        values = {
            "endpoint": endpoint,
            "model_name": model_name,
            "version": version,
            "worker": worker,
            "kind": crash.kind,
            "cause": crash.cause,
            "rows": sorted(crash.rows),
            "reproduced": crash.reproduced,
            "compared": crash.compared,
            "at": to_micros(crash.at),
        }
        with self._database.begin() as connected:
            connected.execute(_CRASHES.delete().where(_CRASHES.c.at < to_micros(crash.at - KEPT)))
            [number] = connected.execute(_CRASHES.insert().values(**values)).inserted_primary_key or (0,)
        return int(number)

    def conclude(self, number: int, *, reproduced: bool | None, compared: str) -> None:
        """Write what was found when the rows were tried again, apart from the endpoint."""
        change = _CRASHES.update().where(_CRASHES.c.id == number).values(reproduced=reproduced, compared=compared)
        with self._database.begin() as connected:
            connected.execute(change)

    def acquit(self, endpoint: str, version: str, rows: Collection[str]) -> None:
        """Remove rows from the version's crashes: it has answered them, so they were not the cause."""
        mine = sa.and_(_CRASHES.c.endpoint == endpoint, _CRASHES.c.version == version)
        with self._database.begin() as connected:
            for number, suspected in connected.execute(sa.select(_CRASHES.c.id, _CRASHES.c.rows).where(mine)).all():
                left = [row for row in suspected if row not in rows]
                if len(left) < len(suspected):
                    connected.execute(_CRASHES.update().where(_CRASHES.c.id == number).values(rows=left))

    def all(self, endpoint: str | None = None, since: datetime | None = None) -> list[RecordedCrash]:
        """Return crashes, oldest first; of one endpoint, or after a moment, if given."""
        query = sa.select(_CRASHES).order_by(_CRASHES.c.id)
        if endpoint is not None:
            query = query.where(_CRASHES.c.endpoint == endpoint)
        if since is not None:
            query = query.where(_CRASHES.c.at > to_micros(since))
        with self._database.read() as connected:
            return [_recorded(row) for row in connected.execute(query).mappings()]


def _recorded(row: RowMapping) -> RecordedCrash:
    crash = Crash(
        row["kind"], row["cause"], frozenset(row["rows"]), moment(row["at"]), row["reproduced"], row["compared"]
    )
    return RecordedCrash(row["id"], row["endpoint"], row["model_name"], row["version"], row["worker"], crash)
