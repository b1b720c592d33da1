"""The newest requests, a hundred at a time, against the days before: what need not wait for a window to end.

Only gross changes are told: a unit that changed, a category renamed, a column that went missing or out of range. It
takes two chunks in a row, so that an odd hundred raises nothing.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from modelops_pipelines.core.calibration import CalibratedVerdict, Calibration, Flags, flags_of, judge_calibrated
from modelops_pipelines.core.endpoint import EndpointSpec
from modelops_pipelines.core.profiles import profile
from modelops_pipelines.core.tables import DATA_QUALITY
from modelops_pipelines.core.windows import LENGTH
from modelops_pipelines.operations.drifting import runs
from modelops_pipelines.operations.history import History, histories
from modelops_pipelines.operations.profiling import monitored_bins
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
GROSS = Calibration(minimum=10**12, least=CHUNK // 2)
"""Rules under which only gross changes are flagged, however many rows a chunk has."""
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
    flags = _stored_flags(stores, spec, [window - length for window in windows])
    for version, history in histories(stores, spec, windows[0], windows[-1] + length).items():
        for window in windows:
            before = flags.get((window - length, version), frozenset())
            for number, frame in enumerate(_frames(stores, spec, version, window)):
                verdicts = _verdicts(spec, history, frame, before)
                rows.append(_row(window, version, number, frame, verdicts, before))
                before = flags_of(verdicts)
            flags[window, version] = before
    return rows


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


def _verdicts(spec: EndpointSpec, history: History, frame: pa.Table, before: Flags) -> list[CalibratedVerdict]:
    times = frame.column("event_time")
    start, end = hour_of(times[0].as_py()), hour_of(times[-1].as_py()) + 1
    kept = frame.filter(frame.column("sampled"))
    bins = {name: one for name, one in monitored_bins(spec, history.reference).items() if name in history.served}
    sides = {name: (frame if name in ANSWERS else kept).column(name) for name in bins if name in frame.column_names}
    current = {name: profile(column_values(column, bins[name].kind), bins[name]) for name, column in sides.items()}
    seasons = {name: history.reference_of(name, start, end) for name in current}
    return judge_calibrated(current, seasons, GROSS, before)


def _row(
    window: datetime, version: str, number: int, frame: pa.Table, verdicts: Sequence[CalibratedVerdict], before: Flags
) -> Row:
    """Return a chunk's row: what lasts since the chunk before, else what moved most, else why nothing was judged."""
    lasting = [one for one in verdicts if any((one.column, channel) in before for channel in one.channels)]
    tested = [one for one in verdicts if one.effect is not None]
    moved = max(lasting or tested, key=lambda one: one.effect or 0.0, default=None)
    told = _told(moved) if lasting and moved else None if tested else verdicts[0].reason if verdicts else "no column"
    return {
        "window_start": window,
        "model_version": version,
        "chunk": number,
        "first_event": frame.column("event_time")[0].as_py(),
        "n": len(frame),
        "passed": not lasting if tested else None,
        "flags": text_of(flags_of(verdicts)),
        "column": moved.column if moved else None,
        "channel": moved.channel if moved else None,
        "value": moved.value if moved else None,
        "effect": moved.effect if moved else None,
        "reason": told,
        "date": window.date(),
    }


def _told(one: CalibratedVerdict) -> str:
    what = {"distribution": f"its {one.statistic} distance", "missing": "its missing share", "range": "its share"}
    tail = " out of range" if one.channel == "range" else ""
    verb = "is" if one.channel == "distribution" else "moved by"
    return f"{one.column}: {what[one.channel]}{tail} {verb} {one.value:.3g}, {one.effect:.0f} times what matters"


def text_of(flags: Flags) -> str:
    """Return flags as they are stored: column and channel, a tab between them, a line each."""
    return "\n".join(sorted(f"{column}\t{channel}" for column, channel in flags))


def _stored_flags(
    stores: Stores, spec: EndpointSpec, windows: Sequence[datetime]
) -> dict[tuple[datetime, str], frozenset[tuple[str, str]]]:
    """Return the flags of each window's last chunk, by window and version."""
    last: dict[tuple[datetime, str], Row] = {}
    for row in sorted(stored(stores, spec, DATA_QUALITY, windows), key=lambda row: row["chunk"]):
        last[row["window_start"], row["model_version"]] = row
    return {
        key: frozenset((column, channel) for column, _, channel in (f.partition("\t") for f in lines if f))
        for key, row in last.items()
        for lines in [(row["flags"] or "").split("\n")]
    }
