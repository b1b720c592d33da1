"""Compares the newest requests, a few dozen at a time, with the days before, without waiting for a window to end.

It finds a changed unit, a renamed category, a missing column: values that did not occur in a month. A fault takes two
unusual pieces of a version's requests in a row, the second in the window: a single one raises nothing. The result for a
window depends on the log alone, not on the order in which its rows arrived.
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from modelops_pipelines.core.drift.data_quality import (
    PIECE,
    Channel,
    Mask,
    anomalies,
    describe_anomaly,
    effective_callers,
    enough_callers,
    pieces_of,
)
from modelops_pipelines.core.drift.seasonal_reference import DAY, Eligible
from modelops_pipelines.core.drift.sudden.normal_values import normal_of_days
from modelops_pipelines.core.drift.usual_values import Usual, usual_of
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.profiles.profile import Floats
from modelops_pipelines.core.profiles.quantiles import Places
from modelops_pipelines.core.tables.lake import DATA_QUALITY
from modelops_pipelines.core.windows import LENGTH, window_of, windows_between
from modelops_pipelines.operations.drift.detect import runs
from modelops_pipelines.operations.drift.faults import Failures, stored_checks
from modelops_pipelines.operations.drift.hourly_profiles import row_values
from modelops_pipelines.operations.drift.reference_hours import Columns, histories
from modelops_pipelines.operations.drift.references import ANSWERS, monitored_columns
from modelops_pipelines.operations.lake.endpoint_tables import log_table, profiled_types
from modelops_pipelines.operations.lake.incremental import Range, Recomputed, Windows, dates_of, recompute
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.lake.arrow_schemas import arrow_schema
from modelops_pipelines.store.lake.rows.profiles import hour_of
from modelops_pipelines.store.stores import Stores

MOST_CHUNKS = 50
"""Rows per window in the table, at most: with more pieces than that, adjacent pieces share a row."""
BEFORE = 2 * PIECE
"""Rows before a window that its first piece may depend on: those that fill it up, and the preceding piece."""
LOOK_BACK = (timedelta(days=1), timedelta(days=7))
"""How far back these rows are searched: the second span where the first holds too few."""
FEWEST_DAYS = 4
"""Days of history that a verdict needs."""
Row = dict[str, Any]


def check_data_quality(stores: Stores, spec: EndpointSpec, backfill: Range | None = None) -> Recomputed:
    """Bring ``data_quality`` up to date, with the stored windows whose first piece depends on a recomputed window."""

    def compute(windows: Windows) -> pa.Table:
        rows = [
            row for run in runs(windows, timedelta(days=spec.drift.days)) for row in _check_windows(stores, spec, run)
        ]
        return pa.Table.from_pylist(rows, schema=arrow_schema(DATA_QUALITY))

    return recompute(
        stores, spec, DATA_QUALITY, compute, backfill=backfill, dependents=partial(_dependent_windows, stores, spec)
    )


def _dependent_windows(stores: Stores, spec: EndpointSpec, windows: Windows, _: pa.Table) -> list[datetime]:
    """Return the stored windows, other than these, that may depend on the last rows of these."""
    stored = _stored(stores, spec, windows[0], windows[-1] + LOOK_BACK[-1], ["window_start", "model_version", "n"])
    rows: dict[str, dict[datetime, int]] = {}
    for row in stored.to_pylist():
        of = rows.setdefault(row["model_version"], {})
        of[row["window_start"]] = of.get(row["window_start"], 0) + row["n"]
    found, among = set[datetime](), set(windows)
    for of in rows.values():
        reach = 0  # rows after the last changed window that still depend on it
        for window in sorted({*of, *among}):
            if window in among:
                reach = BEFORE
            elif reach > 0:
                found.add(window)
                reach -= of[window]
    return sorted(found)


def _stored(stores: Stores, spec: EndpointSpec, start: datetime, end: datetime, names: Sequence[str]) -> pa.Table:
    return stored_checks(stores, spec, dates_of(windows_between(start, end, "day")), names)


def _check_windows(stores: Stores, spec: EndpointSpec, windows: Sequence[datetime]) -> list[Row]:
    rows: list[Row] = []
    failures = Failures.stored(stores, spec, windows)
    start, end = window_of(windows[0], "day"), windows[-1] + LENGTH[spec.window]
    for version, history in histories(stores, spec, start, end, earlier=failures.dates).items():
        pasts: dict[int, Past] = {}
        answered = _answered(stores, spec, version, windows)
        for window in sorted(answered | {windows[-1]}):  # the last: what is usual now
            day = hour_of(window) // DAY
            if day not in pasts:
                eligible = partial(failures.eligible, version, hour_of(window))
                pasts = {day: Past.before(day, history.recent, spec.drift.days, eligible)}
            past = pasts[day].until(window, history.recent).without(failures.accepted_lately(window))
            if window in answered:
                checked = list(rows_of(window, version, *_log(stores, spec, version, window), past))
                failures.add(checked, spec.window)
                rows += checked
        _keep_normal(stores, spec, version, windows[-1], past)
    return rows


def _keep_normal(stores: Stores, spec: EndpointSpec, version: str, window: datetime, past: "Past") -> None:
    """Keep what is usual up to the newest window, for the gateway, which judges new rows without the lake."""
    if past.days >= FEWEST_DAYS and past.usual:
        normals = {name: normal_of_days(usual) for name, usual in past.usual.items()}
        stores.normal_values.write(spec.name, spec.model_name, version, window, normals)


@dataclass(frozen=True, eq=False)
class Past:
    """What was usual by column in the days before a day, and the number of days.

    ``ends`` are the hours since 1970 up to which it was computed: the last rows are excluded, since a fault may have
    begun in them.
    """

    usual: Mapping[str, Usual]
    days: int
    ends: Mapping[str, int]

    @classmethod
    def before(cls, day: int, recent: Columns, days: int, eligible: Callable[[str], Eligible]) -> "Past":
        """Return what was usual in the ``days`` eligible days before a day (since 1970)."""
        end, usual, ends, most = day * DAY, dict[str, Usual](), dict[str, int](), 0
        for name, of in recent.items():
            allowed = eligible(name)
            past = of.within(DAY * allowed.first_day(day, days), end)
            kept = np.flatnonzero(allowed.allows(past.at, 1))
            known = len(np.unique(past.at[kept] // DAY))
            most = max(most, known)
            settled = kept[: _settled(past.stack.n[kept])]
            if known >= FEWEST_DAYS and (found := usual_of(past.stack.take(settled))):
                usual[name], ends[name] = found, int(past.at[settled[-1]]) + 1
        return cls(usual, most, ends)

    def without(self, columns: Container[str]) -> "Past":
        """Return this without some columns, which are not judged then."""
        return replace(self, usual={name: one for name, one in self.usual.items() if name not in columns})

    def until(self, window: datetime, recent: Columns) -> "Past":
        """Return what was usual up to a window: widened by the hours since ``ends``."""
        end = hour_of(window)
        usual = {name: one.widened(recent[name].between(self.ends[name], end)) for name, one in self.usual.items()}
        return replace(self, usual=usual)


def _settled(rows: Floats) -> int:
    """Return how many hours precede the last rows: a fault that begins in these is only found later."""
    return max(0, int(np.count_nonzero(np.cumsum(rows[::-1])[::-1] > BEFORE)) - 1)


def _answered(stores: Stores, spec: EndpointSpec, version: str, windows: Sequence[datetime]) -> set[datetime]:
    """Return those of the windows in which the version answered; the versions before the last seldom did."""
    span = {"start": windows[0], "end": windows[-1] + LENGTH[spec.window]}
    parameters = {"version": version, "size": spec.window, **span}
    with stores.lake.query(spec.name, [log_table(stores, spec)], dates_of(windows)) as connected:
        found = connected.execute(sql.named("answered_windows"), parameters).fetchall()
    return {window for (window,) in found} & {*windows}


def _log(stores: Stores, spec: EndpointSpec, version: str, window: datetime) -> tuple[pa.Table, int]:
    """Return a window's rows in order of time, with some rows before it, and the number of these."""
    table = log_table(stores, spec)
    query = sql.answered_until(table, monitored_columns(spec, list(profiled_types(stores, spec))))
    parameters = {"version": version, "window": window, "end": window + LENGTH[spec.window], "most": BEFORE}
    for back in LOOK_BACK:
        dates = dates_of(windows_between(window - back, window + timedelta(hours=1), "day"))
        with stores.lake.query(spec.name, [table], dates) as connected:
            rows = connected.sql(query, params=parameters | {"start": window - back}).to_arrow_table()
        before = int(pc.sum(pc.less(rows.column("event_time"), window)).as_py() or 0)
        if before == len(rows) or before == BEFORE:
            break
    return rows, before


def _callers(log: pa.Table) -> npt.NDArray[np.int64]:
    """Return a number for who sent each row."""
    coded = pc.dictionary_encode(log.column("caller_of_row")).combine_chunks()
    indices = coded.indices if isinstance(coded, pa.DictionaryArray) else coded.chunk(0).indices
    return np.asarray(pc.fill_null(indices, -1), np.int64)


def rows_of(window: datetime, version: str, log: pa.Table, before: int, past: Past) -> Iterator[Row]:
    """Yield a window's rows of the table: one per piece, or one for several adjacent pieces.

    ``log`` has its rows after some rows ``before`` it, in order: event_time, sampled, caller_of_row, and the columns.
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
    """What is unusual in a window's pieces: by column and channel the share per piece, NaN where nothing is.

    ``bounds`` of the pieces have shape (count + 1,); ``lasting`` is whether the preceding piece was unusual too.
    """

    past: Past
    log: pa.Table
    bounds: Places
    shares: Mapping[tuple[str, Channel], Floats]
    lasting: Mapping[tuple[str, Channel], Mask]

    @classmethod
    def of(cls, log: pa.Table, bounds: Places, past: Past, *, preceded: bool) -> "_Found":
        """Compare the rows with the past; ``preceded`` when the first piece lies before the window."""
        shares: dict[tuple[str, Channel], Floats] = {}
        all_rows = np.ones(len(log), np.bool_)
        sampled = np.asarray(log.column("sampled").to_numpy(), np.bool_)
        for name, usual in past.usual.items() if past.days >= FEWEST_DAYS else ():
            if name in log.column_names:
                values = row_values(log.column(name).combine_chunks(), usual.kind)
                found = anomalies(usual, values, all_rows if name in ANSWERS else sampled, bounds[:-1])
                shares |= {(name, channel): of for channel, of in found.items() if not np.isnan(of).all()}
        unusual = {key: ~np.isnan(of) for key, of in shares.items()}
        enough = enough_callers(effective_callers(_callers(log), bounds[:-1]))
        lasting = {key: np.concatenate([[False], of[1:] & of[:-1]]) & enough for key, of in unusual.items()}
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
        """The number of the window's pieces."""
        return len(self.bounds) - 1

    def row(self, first: int, stop: int) -> Row:
        """Return the table's row of some pieces: it shows the first that failed, else the most unusual one."""
        judged = self.past.days >= FEWEST_DAYS
        failed = [first + int(of[first:stop].argmax()) for of in self.lasting.values() if of[first:stop].any()]
        at = min(failed, default=None)
        shown = self._most_unusual(range(first, stop)) if at is None else self._most_unusual([at], lasting=True)
        flags = [key for key, of in self.shares.items() if not np.isnan(of[first:stop]).all()]
        too_few = f"{self.past.days} days to compare with; {FEWEST_DAYS} are needed"
        return {
            "first_event": self.log.column("event_time")[self._since(first if at is None else at - 1)].as_py(),
            "n": int(self.bounds[stop] - self.bounds[first]),
            "passed": at is None if judged else None,
            "flags": "\n".join(sorted(f"{column}\t{channel}" for column, channel in flags)),
            **({"reason": None if judged else too_few} if shown is None else shown),
        }

    def _since(self, piece: int) -> int:
        """Return a piece's first row; the piece before the window starts with the first row of all."""
        return int(self.bounds[piece]) if piece >= 0 else 0

    def _most_unusual(self, pieces: Sequence[int], *, lasting: bool = False) -> Row | None:
        """Return the column with the largest share in some pieces, and its channel; None when nothing is unusual."""
        unusual = [
            (float(of[piece]), name, channel, piece)
            for (name, channel), of in self.shares.items()
            for piece in pieces
            if (self.lasting[name, channel][piece] if lasting else not np.isnan(of[piece]))
        ]
        if not unusual:
            return None
        share, name, channel, piece = max(
            unusual, key=lambda one: (one[0], one[1] not in ANSWERS)
        )  # a feature first: the answers change with it
        usual, start = self.past.usual[name], int(self.bounds[piece])
        part = self.log.slice(start, int(self.bounds[piece + 1]) - start)
        kept = part if name in ANSWERS else part.filter(part.column("sampled"))
        reason = describe_anomaly(
            name, channel, share, usual, row_values(kept.column(name).combine_chunks(), usual.kind)
        )
        return {"column": name, "channel": channel, "value": share, "reason": reason}
