"""Drift of each window, judged from stored profiles alone: the log is not read again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from modelops_pipelines.core.calibration import LEVELS, Calibration, Flags, flags_of, judge_calibrated
from modelops_pipelines.core.drift import ColumnVerdict, judge_fixed
from modelops_pipelines.core.endpoint import EndpointSpec
from modelops_pipelines.core.evidently_rules import judge_evidently
from modelops_pipelines.core.profiles import Profile
from modelops_pipelines.core.severity import severity_of
from modelops_pipelines.core.tables import DRIFT
from modelops_pipelines.core.windows import LENGTH
from modelops_pipelines.operations.history import windowed_histories
from modelops_pipelines.operations.profiling import stored_profiles
from modelops_pipelines.operations.recompute import Range, Recomputed, Windows, dates_of, recompute
from modelops_pipelines.store.arrow import arrow_schema
from modelops_pipelines.store.profile_rows import hour_of
from modelops_pipelines.store.references import Reference
from modelops_pipelines.store.scan import read_whole
from modelops_pipelines.store.stores import Stores

Row = dict[str, Any]
_FLAGS = ("window_start", "model_version", "column", "channel", "flagged")
FLOOR = 0.05
"""The smallest distance that matters, in standard deviations or as a Jensen-Shannon distance."""


def detect_drift(stores: Stores, spec: EndpointSpec, asked: Range | None = None) -> Recomputed:
    """Bring ``drift`` up to date."""

    def compute(windows: Windows) -> pa.Table:
        rows = judged_windows(stores, spec, windows)
        return pa.Table.from_pylist(rows, schema=arrow_schema(DRIFT))

    return recompute(stores, spec, DRIFT, compute, asked=asked)


def judged_windows(stores: Stores, spec: EndpointSpec, windows: Sequence[datetime]) -> list[Row]:
    """Return the rows of ``drift`` of the windows, in order of time, by the endpoint's method."""
    if spec.drift.method == "calibrated":
        return _calibrated(stores, spec, windows)
    references = {version: stores.references.read(spec.model_name, version) for version in _versions(stores, spec)}
    rows: list[Row] = []
    for (window, version), current in stored_profiles(stores, spec, windows).items():
        reference = references[version]
        if reference is not None:
            known = {name: one for name, one in reference.profiles.items() if name in current}
            verdicts = _judge_whole(spec)(current, known)
            rows += [_row(window, version, reference, reference.source, asdict(one), spec) for one in verdicts]
    return rows


def _calibrated(stores: Stores, spec: EndpointSpec, windows: Sequence[datetime]) -> list[Row]:
    """Hold windows against their season; what was flagged in the window before is judged or stored already."""
    length, rules = LENGTH[spec.window], Calibration(minimum=spec.drift.minimum, level=LEVELS[spec.window])
    rows: list[Row] = []
    for run in runs(windows, timedelta(days=spec.drift.days)):
        flags = _stored_flags(stores, spec, [window - length for window in run])
        for version, history in windowed_histories(stores, spec, run[0], run[-1] + length).items():
            for window in run:
                start, end = hour_of(window), hour_of(window + length)
                if not any(hours.between(start, end).n.sum() for hours in history.served.values()):
                    continue
                current, seasons = history.season(start, end)
                verdicts = judge_calibrated(current, seasons, rules, flags.get((window - length, version), ()))
                flags[window, version] = flags_of(verdicts)
                rows += [_row(window, version, history.reference, history.described, vars(v), spec) for v in verdicts]
    return sorted(rows, key=lambda row: (row["window_start"], row["model_version"], row["column"]))


def runs(windows: Sequence[datetime], gap: timedelta) -> list[list[datetime]]:
    """Return the windows in order of time, parted where more than the gap lies between two: those share no days."""
    parted: list[list[datetime]] = []
    for window in sorted(windows):
        if parted and window - parted[-1][-1] <= gap:
            parted[-1].append(window)
        else:
            parted.append([window])
    return parted


def _stored_flags(stores: Stores, spec: EndpointSpec, windows: Sequence[datetime]) -> dict[tuple[datetime, str], Flags]:
    """Return what is stored as flagged in windows, by window and version: columns with their channels."""
    files = stores.lake.files(spec.name, DRIFT.name, dates_of(windows))
    found: dict[tuple[datetime, str], set[tuple[str, str]]] = {}
    for row in read_whole(files, DRIFT, _FLAGS).to_pylist():
        if row["window_start"] in windows and row["flagged"] and row["channel"]:
            found.setdefault((row["window_start"], row["model_version"]), set()).add((row["column"], row["channel"]))
    return dict(found)


def _judge_whole(spec: EndpointSpec) -> Callable[[Mapping[str, Profile], Mapping[str, Profile]], list[ColumnVerdict]]:
    """Return the method that holds a window against the whole training set."""
    if spec.drift.method == "evidently":
        return judge_evidently
    return lambda current, reference: judge_fixed(current, reference, minimum=spec.drift.minimum)


def _row(
    window: datetime, version: str, reference: Reference, held_against: str, verdict: Row, spec: EndpointSpec
) -> Row:
    """Return a verdict as a row, with what every method adds: importance, severity, what it was held against."""
    column = verdict["column"]
    effect = verdict["effect"] if "effect" in verdict else _effect(verdict)
    severity = severity_of(column, effect, reference.importance, drifted=verdict["drifted"])
    return {
        **{name: verdict[name] for name in DRIFT.names if name in verdict},
        "window_start": window,
        "model_version": version,
        "date": window.date(),
        "method": spec.drift.method,
        "reference": held_against,
        "flagged": verdict["flagged"] if "flagged" in verdict else verdict["drifted"],
        "effect": effect,
        "importance": reference.importance.get(column),
        "severity": severity,
    }


def _effect(verdict: Row) -> float | None:
    """Return the effect of a method that does not measure it: a distance has one, a p-value has none."""
    distance = verdict["statistic"] in {"wasserstein", "jensen_shannon"} and verdict["value"] is not None
    return verdict["value"] / FLOOR if distance else None


def _versions(stores: Stores, spec: EndpointSpec) -> list[str]:
    return [known.version for known in stores.deployments.versions(spec.model_name)]
