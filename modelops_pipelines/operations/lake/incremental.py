"""Deriving tables window by window: only what changed is computed again, and it replaces what was there."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime

import pyarrow as pa

from modelops_pipelines.core.drift.schedule import is_due
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.columns import Table
from modelops_pipelines.core.tables.derivations import derivation_of
from modelops_pipelines.core.windows import hours_of, window_of, windows_between
from modelops_pipelines.store.filesystem.files import exclusive
from modelops_pipelines.store.state.capture.touched_windows import Touched
from modelops_pipelines.store.stores import Stores

Windows = Sequence[datetime]
AT_ONCE = {"hour": 24 * 31, "day": 31}
"""Windows that are computed and written in one go, so that a backfill of years stays small in memory."""


@dataclass(frozen=True)
class Range:
    """Windows asked for by a person (a backfill), instead of those that changed."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class Recomputed:
    """What a derived table's run did."""

    table: str
    windows: tuple[datetime, ...]
    rows: int

    def followed_by(self, more: "Recomputed") -> "Recomputed":
        """Return what this and another run of the same table did."""
        return Recomputed(self.table, tuple(sorted({*self.windows, *more.windows})), self.rows + more.rows)


def recompute(
    stores: Stores,
    spec: EndpointSpec,
    table: Table,
    compute: Callable[[Windows], pa.Table],
    *,
    asked: Range | None = None,
    also: Callable[[Windows, pa.Table], None] | None = None,
    hanging: Callable[[Windows, pa.Table], Sequence[datetime]] | None = None,
) -> Recomputed:
    """Compute the table's changed windows and replace them; mark them for the tables that build on this one.

    Windows that are not yet due (``is_due``) keep their marks.

    ``also`` is told of windows and their rows when these are durable: what it writes is there before the marks go.
    ``hanging`` is told of them before they are written, and returns other windows of the table that hang on them: these
    are marked at once, and computed after them.

    The marks are read before the data is opened and cleared after the result is durable, so that a run killed
    anywhere leaves its windows marked, and rows that arrive meanwhile mark theirs again.
    """
    again: set[datetime] = set()
    with derive_lock(stores, spec, table):
        touched = stores.touched_windows.pending(spec.name, table.name)
        if asked is not None:
            touched = Touched(tuple(windows_between(asked.start, asked.end, spec.window)), 0)
        whole = sorted({window_of(window, spec.window) for window in touched.windows})  # marks may be of hours before
        now = stores.now()
        due = tuple(window for window in whole if is_due(spec, table.name, window, now))
        touched = Touched(due, touched.up_to)
        if not touched.windows:
            return Recomputed(table.name, (), 0)
        written = 0
        for part in _parts(touched.windows, AT_ONCE[spec.window]):
            rows = compute(part)
            if hanging is not None and (later := hanging(part, rows)):
                stores.touched_windows.mark(spec.name, [table.name], later)
                again.update(later)
            stores.writer.replace_windows(spec.name, table, rows, _replaced(table, part, spec))
            if also is not None:
                also(part, rows)
            written += len(rows)
        left = () if asked is not None else [window for window in whole if window not in due]
        stores.touched_windows.clear(spec.name, table.name, touched, spec.dependents(table.name), left)
    done = Recomputed(table.name, touched.windows, written)
    return done.followed_by(recompute(stores, spec, table, compute, also=also)) if again else done


def _parts(windows: Windows, size: int) -> Iterator[Windows]:
    for start in range(0, len(windows), size):
        yield windows[start : start + size]


def _replaced(table: Table, windows: Windows, spec: EndpointSpec) -> Windows:
    """Return the windows as the table has them: their hours, where it is of hours."""
    return hours_of(windows, spec.window) if derivation_of(table.name).hourly else windows


def derive_lock(stores: Stores, spec: EndpointSpec, table: Table) -> AbstractContextManager[None]:
    """Return the lock under which a derived table is replaced and its marks are cleared."""
    lock = stores.settings.home / "locks" / f"{spec.name}.{table.name}.derive.lock"
    return exclusive(lock, f"{spec.name}/{table.name}")


def dates_of(windows: Windows) -> list[date]:
    """Return the partitions that the windows lie in."""
    return sorted({window.date() for window in windows})
