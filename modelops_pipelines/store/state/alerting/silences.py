"""Silences that people made: they are ended, and never changed otherwise.

One that cannot be read withholds nothing, and is logged: no row may keep alerts from being raised and told.
"""

import logging
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from modelops_pipelines.core.alerting.records import EventRecord
from modelops_pipelines.core.alerting.silencing.silences import Silence
from modelops_pipelines.store.state.alerting.alert_events import write_event
from modelops_pipelines.store.state.database import Database, from_micros, to_micros
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

_SILENCES = STATE_TABLES["silences"]
_LOG = logging.getLogger("modelops")
_TIMES = ("created_at", "starts_at", "until", "ended_at")


class Silences:
    """The store of silences."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database
        self._unreadable: set[int] = set()
        """Numbers of silences that were logged: they are read every second."""

    def add(self, silence: Silence, events: Iterable[EventRecord] = ()) -> int:
        """Add one, with the events of the alerts that it silences, in one transaction; return its number."""
        values = {**asdict(silence), **{name: to_micros(getattr(silence, name)) for name in _TIMES}}
        del values["id"]
        with self._database.begin() as connected:
            [number] = connected.execute(_SILENCES.insert().values(**values)).inserted_primary_key or (0,)
            for record in events:
                write_event(connected, record.event.alert_id, record)
        return int(number)

    def find(self, silence_id: int) -> Silence | None:
        """Return one by its number."""
        return next(iter(self._find(_SILENCES.c.id == silence_id)), None)

    def all(self) -> list[Silence]:
        """Return all, oldest first."""
        return self._find()

    def not_over(self, now: datetime) -> list[Silence]:
        """Return those that may still withhold something, oldest first."""
        lasts = sa.or_(_SILENCES.c.until.is_(None), _SILENCES.c.until > to_micros(now))
        return self._find(_SILENCES.c.ended_at.is_(None), lasts)

    def end(self, silence_id: int, actor: str, now: datetime) -> bool:
        """End one before its time; return False for one that was ended already."""
        mine = (_SILENCES.c.id == silence_id, _SILENCES.c.ended_at.is_(None))
        with self._database.begin() as connected:
            values = {"ended_at": to_micros(now), "ended_by": actor}
            return connected.execute(_SILENCES.update().where(*mine).values(**values)).rowcount > 0

    def _find(self, *wanted: sa.ColumnElement[bool]) -> list[Silence]:
        query = sa.select(_SILENCES).where(*wanted).order_by(_SILENCES.c.id)
        with self._database.read() as connected:
            found = [self._silence(row) for row in connected.execute(query).mappings()]
        return [silence for silence in found if silence is not None]

    def _silence(self, row: RowMapping) -> Silence | None:
        try:
            return Silence(**{**row, **{name: from_micros(row[name]) for name in _TIMES}})
        except (OverflowError, TypeError, ValueError) as error:
            if row["id"] not in self._unreadable:
                _LOG.warning("Silence %s cannot be read, and withholds nothing: %s", row["id"], error)
            self._unreadable.add(row["id"])
            return None
