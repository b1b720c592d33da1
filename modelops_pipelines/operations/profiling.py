"""Profiles of what was asked and answered, and their distance from the reference."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from modelops_pipelines.core.drift import judge_fixed
from modelops_pipelines.core.endpoint import EndpointSpec
from modelops_pipelines.core.profiles import Kind, Profile, fit_bins, profile
from modelops_pipelines.core.tables import DRIFT, PROFILES
from modelops_pipelines.operations.recompute import Range, Recomputed, Windows, dates_of, recompute
from modelops_pipelines.operations.schemas import feature_types, log_table
from modelops_pipelines.store import sql
from modelops_pipelines.store.arrow import arrow_schema
from modelops_pipelines.store.references import Reference
from modelops_pipelines.store.stores import Stores

REFERENCE_ROWS = 1000
ANSWERS = ("prediction", "score")
Group = tuple[datetime, str]
_GROUP = ("window_start", "model_version")
_SAMPLED = "sampled"


def profile_windows(stores: Stores, spec: EndpointSpec, asked: Range | None = None) -> Recomputed:
    """Bring ``profiles`` up to date; ``drift`` of the same windows is marked for computing."""

    def compute(windows: Windows) -> pa.Table:
        rows: list[dict[str, Any]] = []
        for group, frame in _groups(stores, spec, windows):
            reference = _reference(stores, spec, group[1], frame)
            rows += _profile_rows(group, frame, reference) if reference else []
        return pa.Table.from_pylist(rows, schema=arrow_schema(PROFILES))

    return recompute(stores, spec, PROFILES, compute, then=[DRIFT.name], asked=asked)


def detect_drift(stores: Stores, spec: EndpointSpec, asked: Range | None = None) -> Recomputed:
    """Bring ``drift`` up to date, from stored profiles alone: the log is not read again."""

    def compute(windows: Windows) -> pa.Table:
        rows: list[dict[str, Any]] = []
        references = _references(stores, spec)
        for (window, version), current in _stored_profiles(stores, spec, windows, references).items():
            verdicts = judge_fixed(current, _monitored(spec, references[version].profiles))
            same = {"window_start": window, "model_version": version, "date": window.date()}
            rows += [{**asdict(verdict), **same} for verdict in verdicts]
        return pa.Table.from_pylist(rows, schema=arrow_schema(DRIFT))

    return recompute(stores, spec, DRIFT, compute, asked=asked)


def make_reference(source: str, frame: pa.Table, columns: Sequence[str]) -> Reference:
    """Fit bins on the frame's columns and profile it on them."""
    profiles = {}
    for name in columns:
        values = _values(frame.column(name))
        kind: Kind = "numeric" if isinstance(values, np.ndarray) else "categorical"
        bins = fit_bins(name, values, kind)
        profiles[name] = profile(values, bins)
    return Reference(source, profiles)


def monitored_features(spec: EndpointSpec, features: Sequence[str]) -> list[str]:
    """Return the features asked for (all when none are), less those that never reach the log."""
    return [name for name in spec.features or features if name not in spec.capture.redact]


def monitored_columns(spec: EndpointSpec, features: Sequence[str]) -> list[str]:
    """Return the columns that are profiled: the monitored features, and the answers."""
    return [*monitored_features(spec, features), *answers_of(spec.task)]


def answers_of(task: str) -> tuple[str, ...]:
    """Return the answers' columns: a regression has no score."""
    return ANSWERS[:1] if task == "regression" else ANSWERS


def _groups(stores: Stores, spec: EndpointSpec, windows: Windows) -> Iterator[tuple[Group, pa.Table]]:
    """Yield each window and version with its answered rows; where ``sampled`` is false a row has no features."""
    table = log_table(stores, spec)
    names = monitored_columns(spec, list(feature_types(stores, spec)))
    query = sql.answered_columns(table, names)
    with stores.lake.query(spec.name, [table], dates_of(windows)) as connected:
        rows = connected.sql(query, params={"size": spec.window, "windows": list(windows)}).to_arrow_table()
    pairs = rows.select(_GROUP).group_by(_GROUP).aggregate([])
    for pair in pairs.to_pylist():
        same_window = pc.equal(rows.column("window_start"), pair["window_start"])
        mine = pc.and_(same_window, pc.equal(rows.column("model_version"), pair["model_version"]))
        yield (pair["window_start"], pair["model_version"]), rows.filter(mine)


def _reference(stores: Stores, spec: EndpointSpec, version: str, frame: pa.Table) -> Reference | None:
    """Return the version's reference; one that has none gets its first window that is large enough."""
    found = stores.references.read(spec.model_name, version)
    kept = _with_features(frame)
    if found is not None or len(kept) < REFERENCE_ROWS:
        return found
    window = frame.column("window_start")[0].as_py()
    source = f"first window with {REFERENCE_ROWS} rows: {window:%Y-%m-%d %H:%M} UTC"
    answers = answers_of(spec.task)
    features = [name for name in frame.column_names if name not in (*_GROUP, _SAMPLED, *answers)]
    of_features, of_answers = make_reference(source, kept, features), make_reference(source, frame, answers)
    made = Reference(source, {**of_features.profiles, **of_answers.profiles})
    stores.references.write(spec.model_name, version, made)
    return made


def _with_features(frame: pa.Table) -> pa.Table:
    return frame.filter(frame.column(_SAMPLED))


def _profile_rows(group: Group, frame: pa.Table, reference: Reference) -> list[dict[str, Any]]:
    """Profile the columns of a group: features on the rows that have them, answers on all."""
    window, version = group
    rows, kept = [], _with_features(frame)
    for name, known in reference.profiles.items():
        if name not in frame.column_names:
            continue
        values = (frame if name in ANSWERS else kept).column(name)
        made = profile(_values(values, known.bins.kind), known.bins)
        rows.append(
            {
                "window_start": window,
                "model_version": version,
                "column": name,
                "kind": known.bins.kind,
                "n": made.n,
                "nulls": made.nulls,
                "bins_id": known.bins.fingerprint,
                "profile": orjson.dumps(made.to_dict()).decode(),
                "date": window.date(),
            }
        )
    return rows


def _stored_profiles(
    stores: Stores, spec: EndpointSpec, windows: Windows, references: Mapping[str, Reference]
) -> Mapping[Group, dict[str, Profile]]:
    """Return the stored profiles of the windows, by window and version, then by column."""
    found: dict[Group, dict[str, Profile]] = {}
    with stores.lake.query(spec.name, [PROFILES], dates_of(windows)) as connected:
        rows = connected.table(PROFILES.name).to_arrow_table().to_pylist()
    for row in rows:
        window, version, column = row["window_start"], row["model_version"], row["column"]
        known = references[version].profiles.get(column) if version in references else None
        if window in windows and known is not None and known.bins.fingerprint == row["bins_id"]:
            made = Profile.from_dict(orjson.loads(row["profile"]), known.bins)
            found.setdefault((window, version), {})[column] = made
    return found


def _references(stores: Stores, spec: EndpointSpec) -> dict[str, Reference]:
    """Return the reference of every version that has one."""
    versions = [version.version for version in stores.deployments.versions(spec.model_name)]
    found = {version: stores.references.read(spec.model_name, version) for version in versions}
    return {version: reference for version, reference in found.items() if reference is not None}


def _monitored(spec: EndpointSpec, profiles: Mapping[str, Profile]) -> dict[str, Profile]:
    wanted = set(monitored_columns(spec, list(profiles)))
    return {name: known for name, known in profiles.items() if name in wanted}


def _values(column: pa.ChunkedArray, kind: str | None = None) -> Any:
    """Return a column as profiles take it: floats with NaN for null, or text with None."""
    numeric = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    if numeric and kind != "categorical":
        return column.cast(pa.float64()).to_numpy()
    if pa.types.is_timestamp(column.type):
        return pc.divide(column.cast(pa.int64()).cast(pa.float64()), 1e6).to_numpy()
    return column.cast(pa.string()).to_pylist()
