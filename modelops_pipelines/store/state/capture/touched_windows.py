"""Marks of windows that have to be computed again, for each table (or other consumer) that has to do it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from modelops_pipelines.store.state.database import Database, moment, to_micros
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

_TOUCHED = STATE_TABLES["touched_windows"]


@dataclass(frozen=True)
class Touched:
    """Windows that a consumer has to compute again, and the mark up to which this says so."""

    windows: tuple[datetime, ...]
    up_to: int


class TouchedWindows:
    """The store of marks. Each write is one transaction."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def mark(self, endpoint: str, consumers: Iterable[str], windows: Iterable[datetime]) -> None:
        """Mark windows as changed for the consumers; marking again moves the mark, so that none is lost."""
        with self._database.begin() as connected:
            _mark(connected, endpoint, consumers, windows)

    def pending(self, endpoint: str, consumer: str) -> Touched:
        """Return the consumer's changed windows. Read them before opening the data that they speak of."""
        query = sa.select(_TOUCHED.c.id, _TOUCHED.c.window_start).where(_of(endpoint, consumer))
        with self._database.read() as connected:
            rows = connected.execute(query).all()
        return Touched(tuple(sorted(moment(row.window_start) for row in rows)), max((r.id for r in rows), default=0))

    def clear(
        self,
        endpoint: str,
        consumer: str,
        touched: Touched,
        then: Iterable[str] = (),
        left: Iterable[datetime] = (),
    ) -> None:
        """Clear what was computed and, in the same transaction, mark the windows for those that build on it.

        A window marked again meanwhile has a newer mark and stays, and so do those that are ``left`` for later.
        """
        with self._database.begin() as connected:
            clear_marks(connected, endpoint, consumer, touched)
            _mark(connected, endpoint, [consumer], left)
            _mark(connected, endpoint, then, touched.windows)

    def newest(self, endpoint: str) -> int:
        """Return the newest mark of any consumer, 0 without one: it grows whenever a window is marked."""
        query = sa.select(sa.func.max(_TOUCHED.c.id)).where(_TOUCHED.c.endpoint == endpoint)
        with self._database.read() as connected:
            return connected.scalar(query) or 0

    def count(self, endpoint: str) -> int:
        """Return how many marks are left for any consumer."""
        query = sa.select(sa.func.count()).select_from(_TOUCHED).where(_TOUCHED.c.endpoint == endpoint)
        with self._database.read() as connected:
            return connected.scalar(query) or 0


def clear_marks(connected: sa.Connection, endpoint: str, consumer: str, touched: Touched) -> None:
    """Clear the consumer's marks up to those that were read; a window marked again since has a newer one and stays."""
    done = sa.and_(_of(endpoint, consumer), _TOUCHED.c.id <= touched.up_to)
    connected.execute(_TOUCHED.delete().where(done))


def _of(endpoint: str, consumer: str) -> sa.ColumnElement[bool]:
    return sa.and_(_TOUCHED.c.endpoint == endpoint, _TOUCHED.c.consumer == consumer)


def _mark(connected: sa.Connection, endpoint: str, consumers: Iterable[str], windows: Iterable[datetime]) -> None:
    starts = [to_micros(window) for window in windows]
    for consumer in consumers:
        again = sa.and_(_of(endpoint, consumer), _TOUCHED.c.window_start.in_(starts))
        connected.execute(_TOUCHED.delete().where(again))
        rows = [{"endpoint": endpoint, "consumer": consumer, "window_start": start} for start in starts]
        if rows:
            connected.execute(_TOUCHED.insert(), rows)
