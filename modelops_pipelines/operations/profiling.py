"""Profiles of what was asked and answered, hour by hour: the log is read once, and any window is a sum of hours."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelops_pipelines.core.endpoint import EndpointSpec
from modelops_pipelines.core.profiles import ColumnBins, Profile, empty, merge
from modelops_pipelines.core.tables import DATA_QUALITY, DRIFT, PROFILES
from modelops_pipelines.core.windows import LENGTH, hours_of, windows_between
from modelops_pipelines.operations.recompute import Range, Recomputed, Windows, dates_of, recompute
from modelops_pipelines.operations.references import ANSWERS, make_of_window, monitored_columns, profile_by_hour
from modelops_pipelines.operations.schemas import feature_types, log_table
from modelops_pipelines.store import sql
from modelops_pipelines.store.profile_rows import HourlyProfile, Hours, from_rows, hour_of, to_rows
from modelops_pipelines.store.references import Reference
from modelops_pipelines.store.stores import Stores

BATCH_ROWS = 100_000
Profiles = dict[tuple[int, str], dict[str, Profile]]


def profile_windows(stores: Stores, spec: EndpointSpec, asked: Range | None = None) -> Recomputed:
    """Bring ``profiles`` up to date; what is judged from them is marked for the same windows."""

    def compute(windows: Windows) -> pa.Table:
        references: dict[str, Reference | None] = {}
        hours = set(map(hour_of, hours_of(windows, spec.window)))
        found: Profiles = {}
        for batch in _batches(stores, spec, windows):
            wanted = _where(batch, pc.is_in(batch.column("hour"), value_set=pa.array(sorted(hours), pa.int64())))
            for version in wanted.column("model_version").unique().to_pylist():
                if version not in references:
                    references[version] = _reference(stores, spec, version, windows)
                reference = references[version]
                if reference is not None:
                    mine = _where(wanted, pc.equal(wanted.column("model_version"), version))
                    _add(found, version, mine, reference.bins)
        ordered = sorted(found.items())
        return to_rows([HourlyProfile(h, v, made) for (h, v), columns in ordered for made in columns.values()])

    return recompute(stores, spec, PROFILES, compute, then=[DRIFT.name, DATA_QUALITY.name], asked=asked)


def stored_profiles(
    stores: Stores, spec: EndpointSpec, windows: Sequence[datetime]
) -> dict[tuple[datetime, str], dict[str, Profile]]:
    """Return the windows' profiles by window and version, then by column; nothing of the log is read."""
    length = _length(spec) // timedelta(hours=1)
    first, last = min(windows, default=None), max(windows, default=None)
    found: dict[tuple[datetime, str], dict[str, Profile]] = {}
    if first is None or last is None:
        return found
    for version, (_, columns) in stored_hours(stores, spec, first, last + _length(spec)).items():
        for window in windows:
            start = hour_of(window)
            merged = {name: hours.total(start, start + length) for name, hours in columns.items()}
            if any(made.n for made in merged.values()):
                found[window, version] = merged
    return found


def stored_hours(
    stores: Stores, spec: EndpointSpec, start: datetime, end: datetime
) -> dict[str, tuple[Reference, dict[str, Hours]]]:
    """Return by version its reference, and the stored hours of [start, end) on that reference's bins, by column."""
    days = dates_of(windows_between(start, end, "day"))
    with stores.lake.query(spec.name, [PROFILES], days, threads=1) as connected:
        rows = connected.sql(sql.named("stored_hours"), params={"start": start, "end": end}).to_arrow_table()
    found = {}
    for version in sorted(rows.column("model_version").unique().to_pylist()):
        reference = stores.references.read(spec.model_name, version)
        if reference is not None:
            bins = monitored_bins(spec, reference)
            mine = rows.filter(pc.equal(rows.column("model_version"), version))
            found[version] = reference, from_rows(mine, bins)
    return found


def monitored_bins(spec: EndpointSpec, reference: Reference) -> dict[str, ColumnBins]:
    """Return the bins of the reference's columns that the endpoint watches."""
    wanted = set(monitored_columns(spec, list(reference.profiles)))
    return {name: bins for name, bins in reference.bins.items() if name in wanted}


def _length(spec: EndpointSpec) -> timedelta:
    return LENGTH[spec.window]


def _reference(stores: Stores, spec: EndpointSpec, version: str, windows: Windows) -> Reference | None:
    """Return the version's reference; one that has none gets its first window that is large enough."""
    found = stores.references.read(spec.model_name, version)
    if found is not None:
        return found
    table = log_table(stores, spec)
    with stores.lake.query(spec.name, [table], dates_of(windows)) as connected:
        asked = {"size": spec.window, "windows": list(windows), "version": version}
        seen = [row[0] for row in connected.execute(sql.named("answered_windows"), asked).fetchall()]
    return next((made for window in seen if (made := make_of_window(stores, spec, version, window))), None)


def _batches(stores: Stores, spec: EndpointSpec, windows: Windows) -> Iterator[pa.Table]:
    """Yield the answered rows of the windows' days in batches, so that memory does not grow with the days."""
    table, days = log_table(stores, spec), dates_of(windows)
    query = sql.answered_hours(table, monitored_columns(spec, list(feature_types(stores, spec))))
    with stores.lake.query(spec.name, [table], days, threads=1) as connected:
        for day in days:
            for batch in connected.sql(query, params={"day": day}).to_arrow_reader(BATCH_ROWS):
                yield pa.Table.from_batches([batch])


def _add(found: Profiles, version: str, rows: pa.Table, bins: Mapping[str, ColumnBins]) -> None:
    """Add the rows' profiles: features on the rows that have them, answers on all."""
    kept = _where(rows, rows.column("sampled"))
    held = {name: known for name, known in bins.items() if name in rows.column_names}
    answers = {name: known for name, known in held.items() if name in ANSWERS}
    features = {name: known for name, known in held.items() if name not in ANSWERS}
    for frame, columns in ((rows, answers), (kept, features)):
        hours = frame.column("hour").to_numpy().astype(np.int64, copy=False)
        for hour, made in profile_by_hour(frame, hours, columns):
            so_far = found.setdefault((hour, version), {name: empty(known) for name, known in held.items()})
            so_far |= {name: merge(so_far[name], one) for name, one in made.items()}


def _where(rows: pa.Table, chosen: pa.ChunkedArray) -> pa.Table:
    """Return the chosen rows, without a copy when all are."""
    return rows if pc.all(chosen).as_py() else rows.filter(chosen)
