"""How far each source of labels was read, and up to which predictions labels with a key were matched."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from modelops_pipelines.store.state.database import Database, moment, to_micros
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

_SOURCES = STATE_TABLES["label_sources"]
MATCHING = ""
"""The name under which the progress of matching is kept; no source has it."""
PENDING = "pending"
UNFINISHED = f'{{"{PENDING}": true}}'
"""The position, as JSON, of a matching whose labels may not all be written."""


@dataclass(frozen=True)
class SourceProgress:
    """How far a source was read. Rows: ``rows`` is all that were read, each once."""

    endpoint: str
    source: str
    at: datetime
    position: Mapping[str, Any] = field(default_factory=dict)
    rows: int = 0
    matched: int = 0
    unmatched: int = 0
    refused: int = 0
    error: str | None = None


class LabelSources:
    """The store of what was read. Each write is one transaction."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def record(self, progress: SourceProgress) -> None:
        """Record a source's progress, instead of the one before."""
        values = {**asdict(progress), "position": dict(progress.position), "at": to_micros(progress.at)}
        mine = sa.and_(_SOURCES.c.endpoint == progress.endpoint, _SOURCES.c.source == progress.source)
        with self._database.begin() as connected:
            connected.execute(_SOURCES.delete().where(mine))
            connected.execute(_SOURCES.insert().values(**values))

    def of(self, endpoint: str) -> dict[str, SourceProgress]:
        """Return the progress of an endpoint's sources by name; that of matching too."""
        return self.of_all([endpoint]).get(endpoint, {})

    def of_all(self, endpoints: Iterable[str]) -> dict[str, dict[str, SourceProgress]]:
        """Return the progress of several endpoints' sources, in one read."""
        query = sa.select(_SOURCES).where(_SOURCES.c.endpoint.in_(list(endpoints)))
        found: dict[str, dict[str, SourceProgress]] = {}
        with self._database.read() as connected:
            for row in connected.execute(query).mappings():
                found.setdefault(row["endpoint"], {})[row["source"]] = _progress(row)
        return found


def _progress(row: RowMapping) -> SourceProgress:
    return SourceProgress(**{**row, "at": moment(row["at"])})
