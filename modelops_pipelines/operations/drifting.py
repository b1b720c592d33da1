"""Drift of each window, judged from stored profiles alone: the log is not read again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import pyarrow as pa

from modelops_pipelines.core.drift import ColumnVerdict, judge_fixed
from modelops_pipelines.core.endpoint import EndpointSpec
from modelops_pipelines.core.evidently_rules import judge_evidently
from modelops_pipelines.core.profiles import Profile
from modelops_pipelines.core.severity import severity_of
from modelops_pipelines.core.tables import DRIFT
from modelops_pipelines.operations.profiling import stored_profiles
from modelops_pipelines.operations.recompute import Range, Recomputed, Windows, recompute
from modelops_pipelines.store.arrow import arrow_schema
from modelops_pipelines.store.references import Reference
from modelops_pipelines.store.stores import Stores

Row = dict[str, Any]
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


def _judge_whole(spec: EndpointSpec) -> Callable[[Mapping[str, Profile], Mapping[str, Profile]], list[ColumnVerdict]]:
    """Return the method that holds a window against the whole training set."""
    if spec.drift.method == "evidently":
        return judge_evidently
    return lambda current, reference: judge_fixed(current, reference, minimum=spec.drift.minimum)


def _row(
    window: datetime, version: str, reference: Reference, held_against: str, verdict: Row, spec: EndpointSpec
) -> Row:
    """Return a verdict as a row, with what every method adds: importance, severity, what it was held against."""
    column, effect = verdict["column"], verdict.get("effect", _effect(verdict))
    severity = severity_of(column, effect, reference.importance, drifted=verdict["drifted"])
    return {
        **{name: verdict[name] for name in DRIFT.names if name in verdict},
        "window_start": window,
        "model_version": version,
        "date": window.date(),
        "method": spec.drift.method,
        "reference": held_against,
        "flagged": verdict.get("flagged", verdict["drifted"]),
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
