"""Profiles of requests and answers by hour: the log is read once, and every window is a sum of hours."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.profiles.profile import ColumnBins, Profile
from modelops_pipelines.core.tables.columns import Table
from modelops_pipelines.core.tables.lake import DAILY_PROFILES, PROFILES
from modelops_pipelines.core.windows import LENGTH, hours_of, window_of, windows_between
from modelops_pipelines.operations.drift.hourly_profiles import HourlyCounts
from modelops_pipelines.operations.drift.references import ANSWERS, make_of_windows, monitored_columns
from modelops_pipelines.operations.lake.endpoint_tables import log_table, profiled_types
from modelops_pipelines.operations.lake.incremental import Range, Recomputed, Windows, dates_of, recompute
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.lake.parquet_scan import scan_batches
from modelops_pipelines.store.lake.reader import partition_of
from modelops_pipelines.store.lake.rows.log_filters import answered, by_version, with_features
from modelops_pipelines.store.lake.rows.profiles import (
    READ_COLUMNS,
    Hours,
    from_rows,
    hour_of,
    hours_to_rows,
    joined_rows,
)
from modelops_pipelines.store.registry.references.drift_references import Reference
from modelops_pipelines.store.stores import Stores

BATCH_ROWS = 65_536
Stored: TypeAlias = dict[str, tuple[Reference, dict[str, Hours]]]
_ASKED = ("event_time", "model_version", "status", "source", "sampled", "truncated")


def profile_windows(stores: Stores, spec: EndpointSpec, backfill: Range | None = None) -> Recomputed:
    """Bring ``profiles`` up to date; the tables derived from them are marked for the same windows.

    Where windows are days, each day's sum is written after its hours and before the marks are cleared: a run killed in
    between is repeated. Sums without a mark (of a backfill, or where windows are hours) are removed before their hours
    change.
    """

    def compute(windows: Windows) -> pa.Table:
        if backfill is not None or spec.window != "day":
            _remove_days(stores, spec, windows)
        hours = sorted(map(hour_of, hours_of(windows, spec.window)))
        found: dict[str, HourlyCounts | None] = {}
        for batch in _batches(stores, spec, windows):
            for version, rows in by_version(batch):
                if version not in found:
                    reference = _reference(stores, spec, version, windows)
                    found[version] = HourlyCounts(hours, _known(reference, batch)) if reference else None
                counted = found[version]
                if counted is not None:
                    _count(counted, rows)
        joined = joined_rows([table for version, one in sorted(found.items()) if one for table in one.rows(version)])
        pa.default_memory_pool().release_unused()  # memory used to read the log is not needed to write
        return joined

    def sum_days(windows: Windows, rows: pa.Table) -> None:
        if spec.window == "day":
            stores.writer.replace_windows(spec.name, DAILY_PROFILES, _sum_by_day(stores, spec, rows), windows)

    return recompute(stores, spec, PROFILES, compute, backfill=backfill, after_write=sum_days)


def stored_profiles(
    stores: Stores, spec: EndpointSpec, windows: Sequence[datetime]
) -> dict[tuple[datetime, str], dict[str, Profile]]:
    """Return the windows' profiles by window and version, then by column; the log is not read."""
    length = _length(spec) // timedelta(hours=1)
    first, last = min(windows, default=None), max(windows, default=None)
    found: dict[tuple[datetime, str], dict[str, Profile]] = {}
    if first is None or last is None:
        return found
    for version, (_, columns) in stored_windows(stores, spec, first, last + _length(spec)).items():
        for window in windows:
            start = hour_of(window)
            merged = {name: hours.total(start, start + length) for name, hours in columns.items()}
            if any(profile.n for profile in merged.values()):
                found[window, version] = merged
    return found


def stored_windows(stores: Stores, spec: EndpointSpec, start: datetime, end: datetime) -> Stored:
    """Return the stored profiles of [start, end) in the endpoint's own windows: days, or hours."""
    return (stored_days if spec.window == "day" else stored_hours)(stores, spec, start, end)


def stored_days(
    stores: Stores, spec: EndpointSpec, start: datetime, end: datetime, earlier: Sequence[date] = ()
) -> Stored:
    """Return per version its reference, and the days from ``start`` up to ``end`` and some ``earlier``, by column.

    Only days without a stored sum are summed from their hours; the result is identical.
    """
    dates = _with_earlier(windows_between(start, end, "day"), earlier)
    months = _rows(stores, spec, DAILY_PROFILES, _months(dates))
    rows = months.filter(pc.is_in(months.column("window_start").cast(pa.date32()), pa.array(dates, pa.date32())))
    known = {day.astimezone(UTC).date() for day in rows.column("window_start").unique().to_pylist()}
    rest = [day for day in dates if day not in known]
    found = _by_version(stores, spec, rows)
    hours = _by_version(stores, spec, _rows(stores, spec, PROFILES, rest)) if rest else {}
    for version, (reference, columns) in hours.items():
        days = found[version][1] if version in found else {}
        found[version] = reference, days | {name: of.by_day().after(days.get(name)) for name, of in columns.items()}
    return {version: (reference, dict(sorted(days.items()))) for version, (reference, days) in sorted(found.items())}


def stored_hours(
    stores: Stores, spec: EndpointSpec, start: datetime, end: datetime, earlier: Sequence[date] = ()
) -> Stored:
    """Return per version its reference, and its hours of [start, end) and of ``earlier`` dates, by column.

    All are on that reference's bins.
    """
    dates = _with_earlier(windows_between(start, end, "day"), earlier)
    first = min([hour_of(start), *(hour_of(datetime(day.year, day.month, day.day, tzinfo=UTC)) for day in earlier)])
    found: Stored = {}
    for version, (reference, hours) in _by_version(stores, spec, _rows(stores, spec, PROFILES, dates)).items():
        within = {name: of.within(first, hour_of(end)) for name, of in hours.items()}
        found[version] = reference, {name: of for name, of in within.items() if len(of.at)}
    return found


def _with_earlier(windows: Sequence[datetime], earlier: Sequence[date]) -> list[date]:
    first = min(windows, default=None)
    return sorted({*dates_of(windows), *(day for day in earlier if first is None or day < first.date())})


def monitored_bins(spec: EndpointSpec, reference: Reference) -> dict[str, ColumnBins]:
    """Return the bins of the reference's columns that the endpoint monitors."""
    wanted = set(monitored_columns(spec, list(reference.profiles)))
    return {name: bins for name, bins in reference.bins.items() if name in wanted}


def _rows(stores: Stores, spec: EndpointSpec, table: Table, dates: Sequence[date]) -> pa.Table:
    return stores.lake.read(spec.name, table, dates, READ_COLUMNS)


def _by_version(stores: Stores, spec: EndpointSpec, rows: pa.Table) -> Stored:
    """Return rows by version, with its reference, whose bins they use, then by column."""
    found: Stored = {}
    versions = sorted(rows.column("model_version").unique().to_pylist())
    for version in versions:
        reference = stores.references.read(spec.model_name, version)
        if reference is not None:
            mine = rows if len(versions) == 1 else rows.filter(pc.equal(rows.column("model_version"), version))
            found[version] = reference, from_rows(mine, monitored_bins(spec, reference))
    return found


def _sum_by_day(stores: Stores, spec: EndpointSpec, rows: pa.Table) -> pa.Table:
    """Return hourly rows summed to daily rows."""
    found = _by_version(stores, spec, rows).items()
    days = joined_rows([hours_to_rows(version, of.by_day()) for version, (_, hours) in found for of in hours.values()])
    months = pc.floor_temporal(days.column("window_start"), unit="month").cast(pa.date32())
    return days.set_column(days.schema.get_field_index("date"), "date", months)


def _months(dates: Sequence[date]) -> list[date]:
    return sorted({partition_of(DAILY_PROFILES.name, day) for day in dates})


def _remove_days(stores: Stores, spec: EndpointSpec, windows: Windows) -> None:
    """Remove the stored sums of the windows' days, where there are any."""
    days = sorted({window_of(window, "day") for window in windows})
    if stores.lake.files(spec.name, DAILY_PROFILES.name, _months(dates_of(days))):
        stores.writer.replace_windows(spec.name, DAILY_PROFILES, joined_rows([]), days)


def _length(spec: EndpointSpec) -> timedelta:
    return LENGTH[spec.window]


def _reference(stores: Stores, spec: EndpointSpec, version: str, windows: Windows) -> Reference | None:
    """Return the version's reference; a version without one gets its first window that is large enough.

    Where no window is, the windows of a week together are used, and the earlier ones are marked: they can be profiled
    now.
    """
    found = stores.references.read(spec.model_name, version)
    if found is not None:
        return found
    start, end = window_of(windows[0] - timedelta(days=7), spec.window), windows[-1] + _length(spec)
    table = log_table(stores, spec)
    with stores.lake.query(spec.name, [table], dates_of(windows_between(start, end, "day"))) as connected:
        parameters = {"size": spec.window, "start": start, "end": end, "version": version}
        answered_windows = [row[0] for row in connected.execute(sql.named("answered_windows"), parameters).fetchall()]
    for window in (one for one in answered_windows if one in windows):
        if reference := make_of_windows(stores, spec, version, [window]):
            return reference
    reference = make_of_windows(stores, spec, version, answered_windows)
    if reference:
        earlier = [one for one in answered_windows if one not in windows]
        stores.touched_windows.mark(spec.name, [PROFILES.name], earlier)
    return reference


def _batches(stores: Stores, spec: EndpointSpec, windows: Windows) -> Iterator[pa.RecordBatch]:
    """Yield the answered rows of the windows' days in batches, so that memory does not grow with the days."""
    table = log_table(stores, spec)
    names = [*_ASKED, *monitored_columns(spec, list(profiled_types(stores, spec)))]
    with stores.lake.reading(spec.name):
        files = stores.lake.files(spec.name, table.name, dates_of(windows))
        for batch in scan_batches(files, table, names, BATCH_ROWS):
            yield answered(batch)


def _known(reference: Reference, rows: pa.RecordBatch) -> dict[str, ColumnBins]:
    """Return the bins of the reference's columns that the rows have."""
    return {name: known for name, known in reference.bins.items() if name in rows.schema.names}


def _count(counted: HourlyCounts, rows: pa.RecordBatch) -> None:
    """Count the answers of all rows, and the features of rows that have them."""
    selected = counted.select(rows)
    counted.add(selected, [name for name in counted.names if name in ANSWERS])
    counted.add(with_features(selected), [name for name in counted.names if name not in ANSWERS])
