"""Marks of windows to recompute, per derived table (or other consumer)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from modelops_pipelines.store.state.database import Database, moment, to_micros
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

_TOUCHED = STATE_TABLES["touched_windows"]


@dataclass(frozen=True)
class Touched:
    """The windows that a consumer must recompute, and the last mark that was read."""

    windows: tuple[datetime, ...]
    up_to: int


@dataclass(frozen=True)
class Marks:
    """An endpoint's marks: how many, the newest one's number, and the windows of the consumers that were asked for."""

    count: int
    newest: int
    windows: Mapping[str, Sequence[datetime]]


class TouchedWindows:
    """The store of marks. Each write is one transaction."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def mark(self, endpoint: str, consumers: Iterable[str], windows: Iterable[datetime]) -> None:
        """Mark windows as changed for the consumers; a window marked again gets a newer mark."""
        with self._database.begin() as connected:
            _mark(connected, endpoint, consumers, windows)

    def pending(self, endpoint: str, consumer: str) -> Touched:
        """Return the consumer's changed windows. Call it before opening their data, so that no change is missed."""
        query = sa.select(_TOUCHED.c.id, _TOUCHED.c.window_start).where(_of(endpoint, consumer))
        with self._database.read() as connected:
            rows = connected.execute(query).all()
        return Touched(tuple(sorted(moment(row.window_start) for row in rows)), max((r.id for r in rows), default=0))

    def clear(
        self,
        endpoint: str,
        consumer: str,
        touched: Touched,
        dependents: Iterable[str] = (),
        postponed: Iterable[datetime] = (),
    ) -> None:
        """Clear the marks of computed windows and, in the same transaction, mark the windows for their dependents.

        Windows marked again meanwhile keep their newer marks, and so do those that are ``postponed``.
        """
        with self._database.begin() as connected:
            clear_marks(connected, endpoint, consumer, touched)
            _mark(connected, endpoint, [consumer], postponed)
            _mark(connected, endpoint, dependents, touched.windows)

    def all_of(self, endpoint: str) -> frozenset[tuple[str, datetime]]:
        """Return the endpoint's pending marks: consumer and window."""
        query = sa.select(_TOUCHED.c.consumer, _TOUCHED.c.window_start).where(_TOUCHED.c.endpoint == endpoint)
        with self._database.read() as connected:
            return frozenset((row.consumer, moment(row.window_start)) for row in connected.execute(query))

    def by_endpoint(self, consumers: Iterable[str] = ()) -> dict[str, Marks]:
        """Return the marks of every endpoint that has any, with the windows of these consumers, in one read."""
        numbers = sa.select(_TOUCHED.c.endpoint, sa.func.count(), sa.func.max(_TOUCHED.c.id))
        of_consumers = sa.select(_TOUCHED.c.endpoint, _TOUCHED.c.consumer, _TOUCHED.c.window_start)
        windows: dict[str, dict[str, list[datetime]]] = {}
        with self._database.read() as connected:
            counted = connected.execute(numbers.group_by(_TOUCHED.c.endpoint)).all()
            found = connected.execute(of_consumers.where(_TOUCHED.c.consumer.in_(list(consumers)))).all()
        for row in found:
            windows.setdefault(row.endpoint, {}).setdefault(row.consumer, []).append(moment(row.window_start))
        return {name: Marks(count, newest, windows.get(name, {})) for name, count, newest in counted}

    def count(self, endpoint: str) -> int:
        """Return the number of pending marks of all consumers."""
        query = sa.select(sa.func.count()).select_from(_TOUCHED).where(_TOUCHED.c.endpoint == endpoint)
        with self._database.read() as connected:
            return connected.scalar(query) or 0


def clear_marks(connected: sa.Connection, endpoint: str, consumer: str, touched: Touched) -> None:
    """Clear the consumer's marks up to those that were read; windows marked again since keep their newer marks."""
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
