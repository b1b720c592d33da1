"""Computes derived tables window by window: only changed windows are computed again, and their rows replaced."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from modelops_pipelines.core.drift.schedule import is_due
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.maintenance.retention import SHORTEST
from modelops_pipelines.core.tables.columns import Table
from modelops_pipelines.core.tables.derivations import derivation_of
from modelops_pipelines.core.timestamps import EARLIEST, out_of_bounds
from modelops_pipelines.core.windows import LENGTH, hours_of, window_of, windows_between
from modelops_pipelines.store.filesystem.files import exclusive
from modelops_pipelines.store.state.capture.touched_windows import Touched
from modelops_pipelines.store.stores import Stores

Windows = Sequence[datetime]
BATCH = timedelta(days=31)
"""The time whose windows are computed and written in one batch, so that a backfill of years needs little memory.

It bounds the time, not the number of windows: what lies between two windows is looked through by some computations.
"""


@dataclass(frozen=True)
class Range:
    """The windows of a backfill, computed instead of those that changed: from ``start``, before ``end``."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class Recomputed:
    """The windows that a derived table's run computed, and the rows that it wrote."""

    table: str
    windows: tuple[datetime, ...]
    rows: int

    def followed_by(self, more: "Recomputed") -> "Recomputed":
        """Return the sum of this and a later run of the same table."""
        return Recomputed(self.table, tuple(sorted({*self.windows, *more.windows})), self.rows + more.rows)


def recompute(
    stores: Stores,
    spec: EndpointSpec,
    table: Table,
    compute: Callable[[Windows], pa.Table],
    *,
    backfill: Range | None = None,
    after_write: Callable[[Windows, pa.Table], None] | None = None,
    dependents: Callable[[Windows, pa.Table], Sequence[datetime]] | None = None,
    until_unchanged: bool = False,
) -> Recomputed:
    """Compute the table's changed windows and replace them; mark them for the tables that are derived from this one.

    Windows that are not yet due (``is_due``) keep their marks. Those out of bounds, which earlier releases
    accepted, are never computed; nor are those of which a source's rows were deleted because they were past their
    retention: their results are final, whatever arrives late.

    ``after_write`` is called with windows and their rows once these are durable, and before their marks are cleared.
    ``dependents`` is called with them before they are written, and returns the table's other windows that depend on
    them: these are marked at once, and computed afterwards; with ``until_unchanged`` those that depend on these too.

    The marks are read before the data is opened and cleared after the result is durable, so that a run that is killed
    leaves its windows marked, and rows that arrive meanwhile mark theirs again.
    """
    again: set[datetime] = set()
    with derive_lock(stores, spec, table):
        touched = stores.touched_windows.pending(spec.name, table.name)
        now = stores.now()
        if backfill is not None:
            touched = Touched(_windows_of(backfill, spec, now), 0)
        marked = sorted({window_of(window, spec.window) for window in touched.windows})  # some may be of hours
        first = _first_open(stores, spec, table, marked, now)
        whole = [window for window in marked if out_of_bounds(window) is None and window >= first]
        due = tuple(window for window in whole if is_due(spec, table.name, window, now))
        touched = Touched(due, touched.up_to)
        if not due and whole == marked:
            return Recomputed(table.name, (), 0)
        written = 0
        for part in parts_of(touched.windows):
            rows = compute(part)
            part, rows = _without_final(part, rows, _first_open(stores, spec, table, part, now))  # noqa: PLW2901
            if dependents is not None and (later := dependents(part, rows)):
                stores.touched_windows.mark(spec.name, [table.name], later)
                again.update(later)
            stores.writer.replace_windows(spec.name, table, rows, _replaced(table, part, spec))
            if after_write is not None:
                after_write(part, rows)
            written += len(rows)
        not_due = () if backfill is not None else [window for window in whole if window not in due]
        stores.touched_windows.clear(spec.name, table.name, touched, spec.dependents(table.name), not_due)
    done = Recomputed(table.name, touched.windows, written)
    if not again:
        return done
    more = dependents if until_unchanged else None
    next_ = recompute(
        stores, spec, table, compute, after_write=after_write, dependents=more, until_unchanged=until_unchanged
    )
    return done.followed_by(next_)


def _first_open(stores: Stores, spec: EndpointSpec, table: Table, windows: Windows, now: datetime) -> datetime:
    """Return the start of the first day of which all sources of a derived table keep their rows."""
    if not windows or min(windows) >= now - SHORTEST:
        return EARLIEST
    kept = [stores.lake.kept_from(spec.name, source) for source in derivation_of(table.name).computed_from]
    return max((datetime.combine(day, time(), UTC) for day in kept if day is not None), default=EARLIEST)


def _without_final(windows: Windows, rows: pa.Table, first: datetime) -> tuple[Windows, pa.Table]:
    """Return windows and rows from ``first`` on: rows that the others were computed from may have gone meanwhile."""
    if not windows or min(windows) >= first:
        return windows, rows
    kept = rows.filter(pc.field("window_start") >= pa.scalar(first, pa.timestamp("us", "UTC")))
    return [window for window in windows if window >= first], kept


def _windows_of(backfill: Range, spec: EndpointSpec, now: datetime) -> tuple[datetime, ...]:
    """Return the windows of a backfill, without those before any event and those to come."""
    start, end = max(backfill.start, EARLIEST), min(backfill.end, now + LENGTH["day"])
    return tuple(windows_between(start, end, spec.window))


def parts_of(windows: Windows) -> Iterator[Windows]:
    """Yield the windows, which are in order of time, in groups that each lie within BATCH."""
    part: list[datetime] = []
    for window in windows:
        if part and window - part[0] >= BATCH:
            yield part
            part = []
        part.append(window)
    if part:
        yield part


def _replaced(table: Table, windows: Windows, spec: EndpointSpec) -> Windows:
    """Return the table's own windows: the hours of these, for a table by hour."""
    return hours_of(windows, spec.window) if derivation_of(table.name).hourly else windows


def derive_lock(stores: Stores, spec: EndpointSpec, table: Table) -> AbstractContextManager[None]:
    """Return the lock under which a derived table is replaced and its marks are cleared."""
    lock = stores.settings.home / "locks" / f"{spec.name}.{table.name}.derive.lock"
    return exclusive(lock, f"{spec.name}/{table.name}")


def dates_of(windows: Windows) -> list[date]:
    """Return the date partitions of the windows."""
    return sorted({window.date() for window in windows})
