"""The newest summary of each endpoint, which the overview of all endpoints shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from modelops_pipelines.store.state.database import Database, moment, to_micros
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

_SUMMARIES = STATE_TABLES["summaries"]


@dataclass(frozen=True)
class Summary:
    """What was known of an endpoint at a time."""

    endpoint: str
    at: datetime
    content: Mapping[str, Any]


class Summaries:
    """The store of summaries. Each change is one transaction."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def put(self, summary: Summary) -> None:
        """Replace the endpoint's summary."""
        mine = _SUMMARIES.c.endpoint == summary.endpoint
        values = {"endpoint": summary.endpoint, "at": to_micros(summary.at), "content": dict(summary.content)}
        with self._database.begin() as connected:
            connected.execute(_SUMMARIES.delete().where(mine))
            connected.execute(_SUMMARIES.insert().values(**values))

    def all(self) -> Mapping[str, Summary]:
        """Return the summaries by endpoint."""
        with self._database.read() as connected:
            rows = connected.execute(sa.select(_SUMMARIES)).mappings().all()
        return {row["endpoint"]: Summary(row["endpoint"], moment(row["at"]), row["content"]) for row in rows}

    def forget(self, endpoint: str) -> None:
        """Delete an endpoint's summary: the next one is made from what is there then."""
        with self._database.begin() as connected:
            connected.execute(_SUMMARIES.delete().where(_SUMMARIES.c.endpoint == endpoint))
