"""A sample of the log beside a training set: which of its answered rows are labelled, and what was served."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.evaluation.gate import is_evaluation_day
from modelops_pipelines.core.improve.guards.selection import LogRows
from modelops_pipelines.core.tables.training import FEEDBACK
from modelops_pipelines.operations.improve.guards.cross_fit import LEAST_OF_CLASS, cross_fitted
from modelops_pipelines.operations.improve.guards.set_rows import SetRows, days_of, drawn, matrix_of, values_of
from modelops_pipelines.operations.improve.training.sets import EVENT_TIME, ROW_ID
from modelops_pipelines.operations.lake.endpoint_tables import feature_types, log_table
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.lake.utc_times import STORED
from modelops_pipelines.store.stores import Stores

MOST_ROWS, MOST_DUE, LEAST_EARLIER = 50_000, 20_000, 100
BINARY = 2
BACK = timedelta(days=60)


@dataclass(frozen=True, eq=False)
class LogSample:
    """Rows of the log (prediction_id, event_time, prediction, score, features), and each one's place in the set.

    ``at`` is the place of the set's row, -1 for a row that is not in it; ``due`` are the rows of the time of the newly
    added ones whose label was due and that are not on an evaluation day.
    """

    rows: pa.Table
    at: NDArray[np.int64]
    due: NDArray[np.bool_]


def log_sample(stores: Stores, of: SetRows) -> LogSample | None:
    """Return the sample beside the newly added rows; None where the set has none of the log."""
    span = _span(of)
    watermark = stores.ingest_progress.of(of.spec.name).watermark
    if span is None or watermark is None:
        return None
    return beside(of, _sampled(stores, of.spec, span[0] - BACK, span[1]), watermark)


def beside(of: SetRows, rows: pa.Table, watermark: datetime) -> LogSample:
    """Return rows of the log (prediction_id, event_time, prediction, score, features) with their places in the set."""
    places = pc.index_in(rows["prediction_id"], value_set=of.rows.column(ROW_ID).combine_chunks())
    at = np.asarray(pc.fill_null(places, -1).to_numpy(), np.int64)
    span, due = _span(of), pa.scalar(watermark - of.spec.label_horizon, STORED)
    if span is None:
        return LogSample(rows, at, np.zeros(len(rows), np.bool_))
    times = rows[EVENT_TIME]
    inside = pc.and_(pc.greater_equal(times, pa.scalar(span[0], STORED)), pc.less_equal(times, due))
    held = [is_evaluation_day(day, of.spec.gate.every_nth_day) for day in times.cast(pa.date32()).to_pylist()]
    return LogSample(rows, at, np.asarray(inside.to_numpy(), np.bool_) & ~np.asarray(held, np.bool_))


def _span(of: SetRows) -> tuple[datetime, datetime] | None:
    """Return the first and the last event of the newly added rows; None without any."""
    added = of.rows.filter(pa.array(of.added)).column(EVENT_TIME)
    ends: dict[str, Any] = pc.min_max(added).as_py() if len(added) else {"min": None}
    return None if ends["min"] is None else (ends["min"], ends["max"])


def _sampled(stores: Stores, spec: EndpointSpec, since: datetime, until: datetime) -> pa.Table:
    table = log_table(stores, spec)
    given = {"since": since, "until": until, "most": MOST_ROWS}
    with stores.lake.query(spec.name, [table]) as connected:
        query = sql.answered_sample(table, list(feature_types(stores, spec)))
        found: pa.Table = connected.sql(query, params=given).to_arrow_table()
        return found


def selection_rows(of: SetRows, sample: LogSample) -> tuple[LogRows, float | None]:
    """Return (at most MOST_DUE of) the due rows, and the share of wrong answers among the sample's earlier labels."""
    wrong, labelled = _wrong(of, sample), sample.at >= 0
    new, told = (np.zeros(len(labelled), np.bool_) for _ in range(2))
    new[labelled] = of.added[sample.at[labelled]]
    origin = of.origin("origin")
    if origin is not None:
        told[labelled] = np.asarray(origin, object)[sample.at[labelled]] == FEEDBACK
    earlier = labelled & ~new
    error = float(wrong[earlier].mean()) if earlier.sum() >= LEAST_EARLIER else None
    chosen = drawn(sample.due & ~earlier, MOST_DUE)
    rows, doubt = sample.rows.take(pa.array(chosen)), _doubt(of.spec, sample.rows)
    parts = (labelled[chosen], wrong[chosen], doubt[chosen], days_of(rows[EVENT_TIME]), told[chosen])
    return LogRows(*parts, propensity=propensity(rows, labelled[chosen])), error


def propensity(rows: pa.Table, labelled: NDArray[np.bool_]) -> NDArray[np.float64] | None:
    """Return each row's probability of being labelled by its features, prediction and score, cross-fitted.

    None with too few rows of either kind.
    """
    target = labelled.astype(np.int64)
    if not LEAST_OF_CLASS <= target.sum() <= len(target) - LEAST_OF_CLASS:
        return None
    names = [name for name in rows.column_names if name not in ("prediction_id", EVENT_TIME)]
    return cross_fitted(matrix_of(rows, names), target, 2)[:, 1]


def _wrong(of: SetRows, sample: LogSample) -> NDArray[np.bool_]:
    """Return which rows of the set were answered with another class than their label; none for regression."""
    wrong = np.zeros(len(sample.at), np.bool_)
    if of.spec.task == "regression":
        return wrong
    labelled = sample.at >= 0
    said = np.asarray(sample.rows["prediction"].to_pylist(), object)
    known = np.array([one is not None for one in said.tolist()], np.bool_)
    wrong[labelled] = (said[labelled] != of.label[sample.at[labelled]]) & known[labelled]
    return wrong


def _doubt(spec: EndpointSpec, rows: pa.Table) -> NDArray[np.float64]:
    """Return the probability of a wrong answer that the score says; NaN without a score."""
    score = values_of(rows["score"])
    if spec.task != "binary_classification":
        return 1 - score
    positive = np.array([one == spec.positive_label for one in rows["prediction"].to_pylist()], np.bool_)
    return np.where(positive, 1 - score, score)


def differing(of: SetRows, sample: LogSample) -> dict[str, int]:
    """Return in how many of the sample's rows of the set each feature has another value than was served."""
    inside = np.flatnonzero(sample.at >= 0)
    served, given = sample.rows.take(pa.array(inside)), of.rows.take(pa.array(sample.at[inside]))
    names = [name for name in of.features if name in served.column_names]
    counts = {name: _differ(values_of(served[name]), values_of(given[name])) for name in names}
    return {name: number for name, number in counts.items() if number}


def _differ(served: NDArray[Any], given: NDArray[Any]) -> int:
    if served.dtype != given.dtype:
        return 0  # the feature changed its type between versions
    if served.dtype.kind == "f":
        return int((~((served == given) | (np.isnan(served) & np.isnan(given)))).sum())
    return int((served != given).sum())


def expected_shares(spec: EndpointSpec, sample: LogSample, classes: list[str]) -> dict[str, float] | None:
    """Return each class's expected share by the scores of the due rows; by the answers with more than two classes."""
    rows = sample.rows.filter(pa.array(sample.due))
    if not len(rows) or spec.task == "regression":
        return None
    if spec.task == "binary_classification" and len(classes) <= BINARY:
        score = values_of(rows["score"])
        if not np.isfinite(score).any():
            return None
        share = float(np.nanmean(score))
        other = next((one for one in classes if one != spec.positive_label), None)
        return {spec.positive_label: share, **({} if other is None else {other: 1 - share})}
    counts = pc.value_counts(rows["prediction"].drop_null().combine_chunks()).to_pylist()
    total = sum(one["counts"] for one in counts)
    return {one["values"]: one["counts"] / total for one in counts} if total else None
