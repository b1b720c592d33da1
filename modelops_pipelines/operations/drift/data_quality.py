"""The newest requests, a few dozen at a time, against the days before: what need not wait for a window to end.

A unit that changed, a category renamed, a column that went missing: what has not been there in a month. It takes two
pieces of a version's requests in a row, the second in the window, so that an odd one raises nothing. What is found in
a window hangs on the log alone, not on how its rows came in.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelops_pipelines.core.drift.data_quality import (
    LASTING,
    PIECE,
    Channel,
    Mask,
    Usual,
    anomalies,
    describe_anomaly,
    lasting_days,
    pieces_of,
    usual_of,
)
from modelops_pipelines.core.drift.seasonal_reference import DAY
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.profiles.profile import Floats
from modelops_pipelines.core.profiles.quantiles import Places
from modelops_pipelines.core.tables.lake import DATA_QUALITY
from modelops_pipelines.core.windows import LENGTH, window_of, windows_between
from modelops_pipelines.operations.drift.detect import runs
from modelops_pipelines.operations.drift.hourly_profiles import row_values
from modelops_pipelines.operations.drift.reference_hours import Columns, histories
from modelops_pipelines.operations.drift.references import ANSWERS, monitored_columns
from modelops_pipelines.operations.lake.endpoint_tables import feature_types, log_table
from modelops_pipelines.operations.lake.incremental import Range, Recomputed, Windows, dates_of, recompute
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.lake.arrow_schemas import arrow_schema
from modelops_pipelines.store.lake.parquet_scan import read_files
from modelops_pipelines.store.lake.profile_rows import hour_of
from modelops_pipelines.store.stores import Stores

MOST_CHUNKS = 50
"""Rows that a window has in the table: where it has more pieces, some in a row share one."""
BEFORE = 2 * PIECE
"""Rows before a window that its first piece may hang on: those that fill it up, and the piece before."""
LOOK_BACK = (timedelta(days=1), timedelta(days=7))
"""How far back these are looked for; further where they are few."""
FEWEST_DAYS = 4
"""Days of history that a verdict takes."""
_KNOWN = ("window_start", "model_version", "chunk", "first_event", "passed", "flags")
Row = dict[str, Any]


def watch_data(stores: Stores, spec: EndpointSpec, asked: Range | None = None) -> Recomputed:
    """Bring ``data_quality`` up to date, with the stored windows whose first rows hang on a window's last."""

    def compute(windows: Windows) -> pa.Table:
        rows = [row for run in runs(windows, timedelta(days=spec.drift.days)) for row in _watched(stores, spec, run)]
        return pa.Table.from_pylist(rows, schema=arrow_schema(DATA_QUALITY))

    return recompute(stores, spec, DATA_QUALITY, compute, asked=asked, hanging=partial(_hanging_on, stores, spec))


def _hanging_on(stores: Stores, spec: EndpointSpec, windows: Windows, _: pa.Table) -> list[datetime]:
    """Return the stored windows, not among these, that may hang on the last rows of these."""
    stored = _stored(stores, spec, windows[0], windows[-1] + LOOK_BACK[-1], ["window_start", "model_version", "n"])
    rows: dict[str, dict[datetime, int]] = {}
    for row in stored.to_pylist():
        of = rows.setdefault(row["model_version"], {})
        of[row["window_start"]] = of.get(row["window_start"], 0) + row["n"]
    found, among = set[datetime](), set(windows)
    for of in rows.values():
        left = 0
        for window in sorted({*of, *among}):
            if window in among:
                left = BEFORE
            elif left > 0:
                found.add(window)
                left -= of[window]
    return sorted(found)


def _stored(stores: Stores, spec: EndpointSpec, start: datetime, end: datetime, names: Sequence[str]) -> pa.Table:
    files = stores.lake.files(spec.name, DATA_QUALITY.name, dates_of(windows_between(start, end, "day")))
    return read_files(files, DATA_QUALITY, names)


def _watched(stores: Stores, spec: EndpointSpec, windows: Sequence[datetime]) -> list[Row]:
    rows: list[Row] = []
    failures = Failures.stored(stores, spec, windows)
    end = windows[-1] + LENGTH[spec.window]
    for version, history in histories(stores, spec, window_of(windows[0], "day"), end).items():
        pasts: dict[int, Past] = {}
        for window in windows:
            day = hour_of(window) // DAY
            if day not in pasts:
                pasts = {
                    day: Past.before(day, history.recent, spec.drift.days, partial(failures.left_out, version, day))
                }
            log, before = _log(stores, spec, version, window)
            past = pasts[day].until(window, history.recent)
            made = list(rows_of(window, version, log, before, past))
            failures.add(made, spec.window)
            rows += made
    return rows


@dataclass
class Failures:
    """What was found already, in days and hours since 1970.

    ``failed``: by version and column each window that failed: its day, and from which hour to which. ``judged``: by
    version the days that had a verdict.
    """

    failed: dict[tuple[str, str], list[tuple[int, int, int]]] = field(default_factory=dict)
    judged: dict[str, set[int]] = field(default_factory=dict)

    @classmethod
    def stored(cls, stores: Stores, spec: EndpointSpec, windows: Sequence[datetime]) -> "Failures":
        """Return what is stored of the days before windows that are computed again."""
        found, among = cls(), set(windows)
        start = windows[0] - timedelta(days=spec.drift.days + LASTING)
        known = _stored(stores, spec, start, windows[-1], _KNOWN)
        for rows in _by_window(known.filter(known.column("passed").is_valid()).to_pylist()).values():
            if rows[0]["window_start"] not in among:
                found.add(rows, spec.window)
        return found

    def add(self, rows: Sequence[Row], size: str) -> None:
        """Take over a window's rows of the table, in order."""
        if not rows or rows[0]["passed"] is None:
            return
        version, window = rows[0]["model_version"], rows[0]["window_start"]
        day = hour_of(window) // DAY
        self.judged.setdefault(version, set()).add(day)
        starts = [hour_of(row["first_event"]) for row in rows]
        ends = [*starts[1:], hour_of(window + LENGTH[size]) - 1]
        found: dict[str, tuple[int, int]] = {}
        for row, start, end in zip(rows, starts, ends, strict=True):
            if not row["passed"]:
                for column in {line.partition("\t")[0] for line in row["flags"].splitlines()}:
                    found[column] = found.get(column, (start - 1, end))[0], end
        for column, (first, last) in found.items():
            self.failed.setdefault((version, column), []).append((day, first, last))

    def left_out(self, version: str, day: int, column: str) -> list[int]:
        """Return the hours before a day in which a column was at fault: they are no measure of what is usual."""
        failed = [one for one in self.failed.get((version, column), ()) if one[0] < day]
        usual = lasting_days((one[0] for one in failed), (one for one in self.judged.get(version, ()) if one < day))
        return [hour for of, first, last in failed if of not in usual for hour in range(first, last + 1)]


def _by_window(rows: Iterable[Row]) -> dict[tuple[datetime, str], list[Row]]:
    """Return rows of the table by window and version, in order."""
    found: dict[tuple[datetime, str], list[Row]] = {}
    for row in sorted(rows, key=lambda row: (row["window_start"], row["chunk"])):
        found.setdefault((row["window_start"], row["model_version"]), []).append(row)
    return found


@dataclass(frozen=True, eq=False)
class Past:
    """What was usual in the days before a day by column, and how many days they are.

    ``ends`` are the hours since 1970 up to which it is known: a fault may have begun in the last rows.
    """

    usual: Mapping[str, Usual]
    days: int
    ends: Mapping[str, int]

    @classmethod
    def before(cls, day: int, recent: Columns, days: int, left_out: Callable[[str], Sequence[int]]) -> "Past":
        """Return so many ``days`` before a day (since 1970), less some hours of a column, where they are enough."""
        end, usual, ends, most = day * DAY, dict[str, Usual](), dict[str, int](), 0
        for name, of in recent.items():
            past = of.within(end - DAY * days, end)
            kept = np.flatnonzero(~np.isin(past.at, left_out(name)))
            known = len(np.unique(past.at[kept] // DAY))
            most = max(most, known)
            settled = kept[: _settled(past.stack.n[kept])]
            if known >= FEWEST_DAYS and (found := usual_of(past.stack.take(settled))):
                usual[name], ends[name] = found, int(past.at[settled[-1]]) + 1
        return cls(usual, most, ends)

    def until(self, window: datetime, recent: Columns) -> "Past":
        """Return what was usual up to a window: the hours since then have widened it."""
        end = hour_of(window)
        usual = {name: one.widened(recent[name].between(self.ends[name], end)) for name, one in self.usual.items()}
        return replace(self, usual=usual)


def _settled(rows: Floats) -> int:
    """Return how many hours come before the last rows: a fault that begins in these is found after them only."""
    return max(0, int(np.count_nonzero(np.cumsum(rows[::-1])[::-1] > BEFORE)) - 1)


def _log(stores: Stores, spec: EndpointSpec, version: str, window: datetime) -> tuple[pa.Table, int]:
    """Return a window's rows in order of time after some before it, and how many these are."""
    table = log_table(stores, spec)
    query = sql.answered_until(table, monitored_columns(spec, list(feature_types(stores, spec))))
    asked = {"version": version, "window": window, "end": window + LENGTH[spec.window], "most": BEFORE}
    for back in LOOK_BACK:
        dates = dates_of(windows_between(window - back, window + timedelta(hours=1), "day"))
        with stores.lake.query(spec.name, [table], dates) as connected:
            rows = connected.sql(query, params=asked | {"start": window - back}).to_arrow_table()
        before = int(pc.sum(pc.less(rows.column("event_time"), window)).as_py() or 0)
        if before == len(rows) or before == BEFORE:
            break
    return rows, before


def rows_of(window: datetime, version: str, log: pa.Table, before: int, past: Past) -> Iterator[Row]:
    """Yield a window's rows of the table: one a piece, or one for some pieces in a row.

    ``log`` has its rows after some ``before`` it, in order: event_time, sampled, and the columns.
    """
    if before == len(log):
        return
    bounds, preceded = pieces_of(before, len(log) - before)
    found = _Found.of(log.slice(bounds[0]), bounds - bounds[0], past, preceded=preceded)
    size = -(-found.count // MOST_CHUNKS)
    for number, first in enumerate(range(0, found.count, size)):
        stop = min(first + size, found.count)
        whole = {"window_start": window, "model_version": version, "chunk": number, "date": window.date()}
        yield whole | found.row(first, stop)


@dataclass(frozen=True, eq=False)
class _Found:
    """What is odd in a window's pieces: for each column and channel the share by piece, NaN where nothing is.

    ``bounds`` of the pieces, of shape (count + 1,), and ``lasting``: whether it was so in the piece before, too.
    """

    past: Past
    log: pa.Table
    bounds: Places
    shares: Mapping[tuple[str, Channel], Floats]
    lasting: Mapping[tuple[str, Channel], Mask]

    @classmethod
    def of(cls, log: pa.Table, bounds: Places, past: Past, *, preceded: bool) -> "_Found":
        """Look at the rows; ``preceded`` when the first piece is of those before the window."""
        shares: dict[tuple[str, Channel], Floats] = {}
        everything = np.ones(len(log), np.bool_)
        sampled = np.asarray(log.column("sampled").to_numpy(), np.bool_)
        for name, usual in past.usual.items() if past.days >= FEWEST_DAYS else ():
            if name in log.column_names:
                values = row_values(log.column(name).combine_chunks(), usual.kind)
                found = anomalies(usual, values, everything if name in ANSWERS else sampled, bounds[:-1])
                shares |= {(name, channel): of for channel, of in found.items() if not np.isnan(of).all()}
        odd = {key: ~np.isnan(of) for key, of in shares.items()}
        lasting = {key: np.concatenate([[False], of[1:] & of[:-1]]) for key, of in odd.items()}
        own = int(preceded)
        return cls(
            past,
            log,
            bounds[own:],
            {key: of[own:] for key, of in shares.items()},
            {key: of[own:] for key, of in lasting.items()},
        )

    @property
    def count(self) -> int:
        """Pieces of the window."""
        return len(self.bounds) - 1

    def row(self, first: int, stop: int) -> Row:
        """Return what the table says of some pieces: of the first that failed, else of the oddest."""
        judged = self.past.days >= FEWEST_DAYS
        failed = [first + int(of[first:stop].argmax()) for of in self.lasting.values() if of[first:stop].any()]
        at = min(failed, default=None)
        shown = self._oddest(range(first, stop)) if at is None else self._oddest([at], lasting=True)
        flags = [key for key, of in self.shares.items() if not np.isnan(of[first:stop]).all()]
        few = f"{self.past.days} days to compare with; {FEWEST_DAYS} are needed"
        return {
            "first_event": self.log.column("event_time")[self._since(first if at is None else at - 1)].as_py(),
            "n": int(self.bounds[stop] - self.bounds[first]),
            "passed": at is None if judged else None,
            "flags": "\n".join(sorted(f"{column}\t{channel}" for column, channel in flags)),
            **({"reason": None if judged else few} if shown is None else shown),
        }

    def _since(self, piece: int) -> int:
        """Return a piece's first row; that of the piece before the window is the first of all."""
        return int(self.bounds[piece]) if piece >= 0 else 0

    def _oddest(self, pieces: Sequence[int], *, lasting: bool = False) -> Row | None:
        """Return the column with the largest share in some pieces, and how; None when nothing is odd."""
        odd = [
            (float(of[piece]), name, channel, piece)
            for (name, channel), of in self.shares.items()
            for piece in pieces
            if (self.lasting[name, channel][piece] if lasting else not np.isnan(of[piece]))
        ]
        if not odd:
            return None
        share, name, channel, piece = max(
            odd, key=lambda one: (one[0], one[1] not in ANSWERS)
        )  # what answers move with
        usual, start = self.past.usual[name], int(self.bounds[piece])
        part = self.log.slice(start, int(self.bounds[piece + 1]) - start)
        kept = part if name in ANSWERS else part.filter(part.column("sampled"))
        reason = describe_anomaly(
            name, channel, share, usual, row_values(kept.column(name).combine_chunks(), usual.kind)
        )
        return {"column": name, "channel": channel, "value": share, "reason": reason}
