"""The audit of deletions: each is recorded before it begins, and finished after it.

One that was killed in between stays unfinished until the next run deletes the rest under the same record.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from modelops_pipelines.core.maintenance.effects import Effect
from modelops_pipelines.store.state.database import Database, from_micros, moment, to_micros
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

_DELETIONS = STATE_TABLES["deletions"]
_SAME = ("kind", "endpoint", "item")
_COUNTS = ("items", "bytes")


@dataclass(frozen=True)
class Deletion:
    """Things of one kind that were deleted at one time; ``finished_at`` is None until all of them are gone."""

    id: int
    at: datetime
    finished_at: datetime | None
    kind: str
    endpoint: str | None
    item: str
    reason: str
    items: int
    bytes: int
    detail: Mapping[str, Any]


class Deletions:
    """The store of deletions. Each write is one transaction."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def start(self, effect: Effect, now: datetime) -> Deletion:
        """Record a deletion that is about to begin; an unfinished one of the same things is continued.

        What is left of a continued one is less than what it began with: its larger counts are kept.
        """
        values = {name: getattr(effect, name) for name in (*_SAME, *_COUNTS, "reason")}
        same = (_DELETIONS.c[name].is_not_distinct_from(getattr(effect, name)) for name in _SAME)
        mine = sa.select(_DELETIONS).where(_DELETIONS.c.finished_at.is_(None), *same)
        with self._database.begin() as connected:
            known = connected.execute(mine).mappings().first()
            if known is None:
                connected.execute(_DELETIONS.insert().values(**values, at=to_micros(now), detail=dict(effect.detail)))
            else:
                counts = {name: max(known[name], getattr(effect, name)) for name in _COUNTS}
                connected.execute(_DELETIONS.update().where(_DELETIONS.c.id == known["id"]).values(**counts))
            return _deletion(connected.execute(mine).mappings().one())

    def finish(self, number: int, now: datetime, items: int | None = None) -> None:
        """Record that a deletion is complete; ``items`` is how many there were, where it is known only then."""
        counted = {} if items is None else {"items": items}
        change = _DELETIONS.update().where(_DELETIONS.c.id == number).values(finished_at=to_micros(now), **counted)
        with self._database.begin() as connected:
            connected.execute(change)

    def unfinished(self, kind: str) -> list[Deletion]:
        """Return the deletions of a kind that have begun and not ended, oldest first."""
        mine = _DELETIONS.c.kind == kind, _DELETIONS.c.finished_at.is_(None)
        with self._database.read() as connected:
            found = connected.execute(sa.select(_DELETIONS).where(*mine).order_by(_DELETIONS.c.id)).mappings()
            return [_deletion(row) for row in found]

    def newest(self, limit: int, endpoint: str | None = None, kind: str | None = None) -> list[Deletion]:
        """Return up to ``limit`` deletions, newest first; of one endpoint or one kind if given."""
        query = sa.select(_DELETIONS).order_by(_DELETIONS.c.id.desc()).limit(limit)
        if endpoint is not None:
            query = query.where(_DELETIONS.c.endpoint == endpoint)
        if kind is not None:
            query = query.where(_DELETIONS.c.kind == kind)
        with self._database.read() as connected:
            return [_deletion(row) for row in connected.execute(query).mappings()]


def _deletion(row: RowMapping) -> Deletion:
    return Deletion(**{**row, "at": moment(row["at"]), "finished_at": from_micros(row["finished_at"])})
