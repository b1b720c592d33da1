"""The weights that a trainer gets beside its frame, as the endpoint's policy says."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.improve.training.weights import Weights, balanced, by_age, by_propensity
from modelops_pipelines.core.tables.training import EVENT_TIME, PROVIDED_PREFIX, ROW_ID
from modelops_pipelines.operations.lake.endpoint_tables import feature_types, log_table
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.stores import Stores

SAMPLE_ROWS = 50_000
_MICROS = 1e6
_MOST_CATEGORIES = 200


def weights_of(stores: Stores, spec: EndpointSpec, rows: pa.Table) -> Weights | None:
    """Return a weight for each row of a training set, in its order; None where the policy asks for none."""
    match spec.training.weights:
        case "balance":
            return balanced(np.asarray(rows.column(spec.label), str))
        case "age":
            times = np.asarray(rows.column(EVENT_TIME).cast(pa.int64()).cast(pa.float64()), np.float64)
            return by_age(times / _MICROS, spec.training.half_life)
        case "propensity":
            return by_propensity(_propensity(stores, spec, rows))
    return None


def _propensity(stores: Stores, spec: EndpointSpec, rows: pa.Table) -> Weights:
    """Return the probability of being in the set, by the features, of each row of the log; NaN for provided ones.

    The model is fitted on a sample of the log: rows of the set against all others.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    table = log_table(stores, spec)
    features = [name for name in feature_types(stores, spec) if name in rows.column_names]
    with stores.lake.query(spec.name, [table]) as connected:
        sample = connected.sql(sql.sampled_log(table, features), params={"most": SAMPLE_ROWS}).to_arrow_table()
    inside = np.asarray(pc.is_in(sample.column("prediction_id"), value_set=rows.column(ROW_ID).combine_chunks()))
    propensity = np.ones(len(rows))
    if 0 < inside.sum() < len(inside):
        both = _numeric([sample.select(features), rows.select(features)])
        model = HistGradientBoostingClassifier(max_depth=3, max_iter=60, random_state=0)
        model.fit(both[: len(sample)], inside)
        propensity = model.predict_proba(both[len(sample) :])[:, 1]
    provided = np.asarray(pc.starts_with(rows.column(ROW_ID), PROVIDED_PREFIX), bool)
    return np.asarray(np.where(provided, np.nan, propensity), np.float64)


def _numeric(parts: list[pa.Table]) -> NDArray[np.float64]:
    """Return features as numbers: texts by how frequent they are, times as seconds."""
    joined = pa.concat_tables(parts, promote_options="permissive")
    return np.column_stack([_as_numbers(column) for column in joined.columns])


def _as_numbers(column: pa.ChunkedArray) -> Any:
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        counts = pc.value_counts(column).to_pylist()
        frequent = sorted(counts, key=lambda one: (-one["counts"], str(one["values"])))[:_MOST_CATEGORIES]
        known = pa.array([one["values"] for one in frequent if one["values"] is not None], column.type)
        return np.asarray(pc.index_in(column, value_set=known).cast(pa.float64()), np.float64)
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    return np.asarray(column.cast(pa.float64()), np.float64)
