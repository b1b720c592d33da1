"""The newest requests, a hundred at a time, against the days before: what need not wait for a window to end.

A unit that changed, a category renamed, a column that went missing: what has not been there in a month. It takes two
chunks in a row, so that an odd hundred raises nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from modelops_pipelines.core.data_quality import Oddity, oddities
from modelops_pipelines.core.endpoint import EndpointSpec
from modelops_pipelines.core.seasons import DAY
from modelops_pipelines.core.stacks import Stack
from modelops_pipelines.core.tables import DATA_QUALITY
from modelops_pipelines.core.windows import LENGTH, hours_of, windows_between
from modelops_pipelines.operations.drifting import runs
from modelops_pipelines.operations.history import History, histories
from modelops_pipelines.operations.recompute import Range, Recomputed, Windows, dates_of, recompute
from modelops_pipelines.operations.references import ANSWERS, column_values, monitored_columns
from modelops_pipelines.operations.rule_verdicts import stored
from modelops_pipelines.operations.schemas import feature_types, log_table
from modelops_pipelines.store import sql
from modelops_pipelines.store.arrow import arrow_schema
from modelops_pipelines.store.profile_rows import hour_of
from modelops_pipelines.store.stores import Stores

CHUNK = 100
MOST_CHUNKS = 50
"""A window of more rows than this many chunks is cut into this many larger ones."""
LOOK_BACK = timedelta(days=1)
"""How far back a window with fewer rows than a chunk is filled up from."""
REMEMBERED = timedelta(days=7)
"""How long a window that failed is no measure of what is usual; what lasts longer is the new usual."""
FEWEST_DAYS = 4
"""Days of history that a verdict takes."""
Flags = frozenset[tuple[str, str]]
Row = dict[str, Any]


def watch_data(stores: Stores, spec: EndpointSpec, asked: Range | None = None) -> Recomputed:
    """Bring ``data_quality`` up to date."""

    def compute(windows: Windows) -> pa.Table:
        rows = [row for run in runs(windows, timedelta(days=spec.drift.days)) for row in _watched(stores, spec, run)]
        return pa.Table.from_pylist(rows, schema=arrow_schema(DATA_QUALITY))

    return recompute(stores, spec, DATA_QUALITY, compute, asked=asked)


def chunks_of(rows: int) -> Iterator[tuple[int, int]]:
    """Yield from where to where each chunk of ``rows`` rows reaches.

    All have CHUNK rows at least, or all that there are; the last one takes what is left over.
    """
    size = max(CHUNK, rows // MOST_CHUNKS)
    count = max(1, rows // size)
    for number in range(count):
        yield number * size, rows if number == count - 1 else (number + 1) * size


def _watched(stores: Stores, spec: EndpointSpec, windows: Sequence[datetime]) -> list[Row]:
    length = LENGTH[spec.window]
    rows: list[Row] = []
    known = _Known.stored(stores, spec, windows)
    for version, history in histories(stores, spec, windows[0], windows[-1] + length).items():
        for window in windows:
            past = _Past.before(window, history, known.odd_hours(version, window, spec.window))
            before = known.flags.get((window - length, version), Flags())
            for number, frame in enumerate(_frames(stores, spec, version, window)):
                odd = _odd(past, frame)
                rows.append(_row(window, version, frame, odd, past, before) | {"chunk": number})
                before = flags_of(odd)
                known.add(rows[-1])
    return rows


@dataclass(frozen=True)
class _Known:
    """What was found already: the flags of each window's last chunk, and the windows that failed."""

    flags: dict[tuple[datetime, str], Flags]
    failed: set[tuple[datetime, str]]

    @classmethod
    def stored(cls, stores: Stores, spec: EndpointSpec, windows: Sequence[datetime]) -> "_Known":
        """Return what is stored of the days before windows that are computed again."""
        found = cls({}, set())
        earlier = set(windows_between(windows[0] - REMEMBERED, windows[-1], spec.window)) - set(windows)
        for row in sorted(stored(stores, spec, DATA_QUALITY, sorted(earlier)), key=lambda row: row["chunk"]):
            found.add(row)
        return found

    def add(self, row: Row) -> None:
        """Take over a row; of a window's rows the last counts for its flags."""
        key = row["window_start"], row["model_version"]
        lines = [line.partition("\t") for line in (row["flags"] or "").splitlines()]
        self.flags[key] = frozenset((column, channel) for column, _, channel in lines)
        if row["passed"] is False:
            self.failed.add(key)

    def odd_hours(self, version: str, window: datetime, size: str) -> list[int]:
        """Return the hours of windows that failed shortly before: they are no measure of what is usual."""
        near = (one for one, of in self.failed if of == version and window - REMEMBERED <= one < window)
        return [hour_of(hour) for hour in hours_of(near, size)]


def _frames(stores: Stores, spec: EndpointSpec, version: str, window: datetime) -> Iterator[pa.Table]:
    """Yield a window's rows in chunks, in order of time; a small window is filled up from the day before."""
    table = log_table(stores, spec)
    query = sql.answered_until(table, monitored_columns(spec, list(feature_types(stores, spec))))
    end = window + LENGTH[spec.window]
    asked = {"version": version, "start": window - LOOK_BACK, "window": window, "end": end, "least": CHUNK}
    with stores.lake.query(spec.name, [table], dates_of([window - LOOK_BACK, window])) as connected:
        rows = connected.sql(query, params=asked).to_arrow_table()
    if len(rows) and rows.column("event_time")[-1].as_py() >= window:
        for start, stop in chunks_of(len(rows)):
            yield rows.slice(start, stop - start)


@dataclass(frozen=True, eq=False)
class _Past:
    """The hours of the days before a window by column, and how many days they are."""

    hours: Mapping[str, Stack]
    days: int

    @classmethod
    def before(cls, window: datetime, history: History, without: Sequence[int]) -> "_Past":
        """Return the days before the window's own, less some hours, of the columns that have enough days."""
        end = hour_of(window) // DAY * DAY
        past = {name: of.within(end - DAY * history.policy.days, end) for name, of in history.recent.items()}
        kept = {name: np.flatnonzero(~np.isin(of.at, without)) for name, of in past.items()}
        days = {name: len(np.unique(of.at[kept[name]] // DAY)) for name, of in past.items()}
        enough = {name: of.stack.take(kept[name]) for name, of in past.items() if days[name] >= FEWEST_DAYS}
        return cls(enough, max(days.values(), default=0))


def _odd(past: _Past, frame: pa.Table) -> list[Oddity]:
    """Return what is unlike the days before in a chunk."""
    if past.days < FEWEST_DAYS:
        return []
    kept = frame.filter(frame.column("sampled"))
    found: list[Oddity] = []
    for name, hours in past.hours.items():
        if name in frame.column_names:
            column = (frame if name in ANSWERS else kept).column(name)
            found += oddities(name, column_values(column, hours.bins.kind), hours)
    return found


def _row(window: datetime, version: str, frame: pa.Table, odd: Sequence[Oddity], past: _Past, before: Flags) -> Row:
    """Return a chunk's row: what lasts since the chunk before, else what is odd in it alone."""
    judged = past.days >= FEWEST_DAYS
    lasting = [one for one in odd if (one.column, one.channel) in before]
    shown = max(lasting or odd, key=lambda one: one.value, default=None)
    few = f"{past.days} days to compare with; {FEWEST_DAYS} are needed"
    return {
        "window_start": window,
        "model_version": version,
        "first_event": frame.column("event_time")[0].as_py(),
        "n": len(frame),
        "passed": not lasting if judged else None,
        "flags": _text_of(flags_of(odd)),
        "column": shown.column if shown else None,
        "channel": shown.channel if shown else None,
        "value": shown.value if shown else None,
        "reason": (shown.reason if shown else None) if judged else few,
        "date": window.date(),
    }


def flags_of(odd: Iterable[Oddity]) -> Flags:
    """Return the columns that are odd, each with how."""
    return frozenset((one.column, one.channel) for one in odd)


def _text_of(flags: Iterable[tuple[str, str]]) -> str:
    """Return flags as they are stored: column and channel, a tab between them, a line each."""
    return "\n".join(sorted(f"{column}\t{channel}" for column, channel in flags))
