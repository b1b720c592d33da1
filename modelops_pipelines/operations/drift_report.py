"""Evidently's drift report for people: drawn from a bounded sample, when a person or an alert asks for it."""

import warnings
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from modelops_pipelines.core.endpoint import DRIFTED_SHARE, EndpointSpec
from modelops_pipelines.core.errors import EvidenceError
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.profiling import monitored_features
from modelops_pipelines.operations.recompute import dates_of
from modelops_pipelines.operations.schemas import feature_types, log_table
from modelops_pipelines.operations.training_sets import read_training_set
from modelops_pipelines.store import sql
from modelops_pipelines.store.files import write_atomically
from modelops_pipelines.store.stores import Stores

if TYPE_CHECKING:
    import pandas as pd

SAMPLE = 5000
CATEGORIES = 50


@dataclass(frozen=True)
class DriftReport:
    """A written report: what it compares, and what had to be left out of it."""

    path: Path
    window: datetime
    rows: int
    reference_rows: int
    left_out: dict[str, str]


def write_drift_report(stores: Stores, spec: EndpointSpec, window: datetime | None = None) -> DriftReport:
    """Draw a window (the newest with rows by default) against the champion's training set.

    Columns that Evidently falls over or that one side lacks are left out, each with its reason. Raises
    EvidenceError when there is nothing to compare.
    """
    chosen = window or _newest_window(stores, spec)
    current = _window_rows(stores, spec, chosen).to_pandas()
    reference = _reference_rows(stores, spec).to_pandas()
    columns, left_out = comparable(current, reference)
    if not columns or current.empty or reference.empty:
        raise EvidenceError(
            f"Endpoint {spec.name!r} has nothing to compare on {text(chosen)} ({left_out or 'no rows'})",
            "Choose a window with traffic, and deploy a version that was trained here",
        )
    path = stores.settings.reports / spec.name / f"drift-{chosen:%Y-%m-%dT%H}.html"
    write_atomically(path, _draw(current[columns], reference[columns], _drift_share(spec)))
    return DriftReport(path, chosen, len(current), len(reference), left_out)


def comparable(current: "pd.DataFrame", reference: "pd.DataFrame") -> tuple[list[str], dict[str, str]]:
    """Return the columns that can be drawn, and why the others cannot."""
    left_out: dict[str, str] = {}
    for name in dict.fromkeys([*current.columns, *reference.columns]):
        for side, frame in (("the window", current), ("the reference", reference)):
            if name not in frame.columns:
                left_out[name] = f"{side} has no such column"
            elif frame[name].isna().all():
                left_out[name] = f"every value of {side} is null"
    return [name for name in current.columns if name not in left_out], left_out


def _drift_share(spec: EndpointSpec) -> float:
    """Return the share of drifted columns from which the endpoint's own rule speaks of drift."""
    return next((rule.above for rule in spec.alerts if rule.kind == "drift" and rule.above is not None), DRIFTED_SHARE)


def _draw(current: "pd.DataFrame", reference: "pd.DataFrame", share: float) -> bytes:
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    numbers = [name for name in current.columns if _both_numeric(current, reference, name)]
    words = [name for name in current.columns if name not in numbers]
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=words)
    sides = [Dataset.from_pandas(_drawable(frame, words), data_definition=definition) for frame in (current, reference)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # constant columns divide by zero in its correlations
        drawn = Report([DataDriftPreset(drift_share=share)]).run(*sides)
    content: str = drawn.get_html_str(as_iframe=False)
    return content.encode()


def _drawable(frame: "pd.DataFrame", words: list[str]) -> "pd.DataFrame":
    """Return the frame with plain text categories, the rare ones as one, and numbers as floats."""
    drawn = frame.copy()
    for name in drawn.columns:
        if name not in words:
            drawn[name] = drawn[name].astype("float64")
            continue
        values = drawn[name].astype("object").where(drawn[name].notna(), None)
        common = set(values.value_counts().index[:CATEGORIES])
        drawn[name] = [None if v is None else str(v) if v in common else "(other)" for v in values]
    return drawn


def _both_numeric(current: "pd.DataFrame", reference: "pd.DataFrame", name: str) -> bool:
    return all(frame[name].dtype.kind in "iuf" for frame in (current, reference))


def _newest_window(stores: Stores, spec: EndpointSpec) -> datetime:
    from modelops_pipelines.core.windows import window_of

    watermark = stores.journal.progress(spec.name).watermark
    if watermark is None:
        raise EvidenceError(f"The log of endpoint {spec.name!r} is empty", "Send it requests first")
    return window_of(watermark, spec.window)


def _window_rows(stores: Stores, spec: EndpointSpec, window: datetime) -> pa.Table:
    table = log_table(stores, spec)
    features = monitored_features(spec, list(feature_types(stores, spec)))
    with stores.lake.query(spec.name, [table], dates_of([window])) as connected:
        rows = connected.sql(
            sql.answered_columns(table, features), params={"size": spec.window, "windows": [window]}
        ).to_arrow_table()
    return _sampled(rows.filter(rows.column("sampled")).select(features))


def _reference_rows(stores: Stores, spec: EndpointSpec) -> pa.Table:
    champion = stores.deployments.desired(spec.name).champion
    version = stores.deployments.version(spec.model_name, champion) if champion else None
    sets = [
        known
        for known in stores.journal.training_sets(spec.name)
        if version and known.content_hash == version.training_set
    ]
    if not sets:
        raise EvidenceError(
            f"The champion of endpoint {spec.name!r} has no training set here",
            "Train it with modelops train or retrain",
        )
    rows = read_training_set(stores, sets[0])
    features = monitored_features(spec, list(feature_types(stores, spec)))
    return _sampled(rows.select([name for name in features if name in rows.column_names]))


def _sampled(rows: pa.Table) -> pa.Table:
    """Return at most SAMPLE rows, evenly spread and the same at every call."""
    step = max(1, -(-len(rows) // SAMPLE))
    return rows.take(list(range(0, len(rows), step)))
