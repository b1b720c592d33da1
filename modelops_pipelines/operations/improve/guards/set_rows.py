"""A training set's rows as the guards get them: what is new in it, which rows a user provided, who said so."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import UnknownError
from modelops_pipelines.core.improve.guards.results import SEED
from modelops_pipelines.core.tables.training import PROVIDED_PREFIX
from modelops_pipelines.operations.improve.training.sets import EVENT_TIME, ROW_ID, read_training_set
from modelops_pipelines.store.state.improve.training_sets import TrainingSet
from modelops_pipelines.store.stores import Stores

MOST_CATEGORIES = 200
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class SetRows:
    """A set's rows (row_id, event_time, features, label) with their origins, and which of the rows are new.

    ``origins`` has a row for each row of the set, in its order, with the columns of ``training_origins``; None where
    they are not known. ``added`` are the rows that the set before does not have with the same label.
    """

    spec: EndpointSpec
    rows: pa.Table
    origins: pa.Table | None
    added: Mask

    @cached_property
    def provided(self) -> Mask:
        """The rows that a user provided, rather than the log."""
        return _mask(pc.starts_with(self.rows.column(ROW_ID), PROVIDED_PREFIX))

    @cached_property
    def features(self) -> list[str]:
        """The features' names."""
        return [name for name in self.rows.column_names if name not in (ROW_ID, EVENT_TIME, self.spec.label)]

    @cached_property
    def label(self) -> NDArray[Any]:
        """The labels: text for classes, numbers for regression."""
        return values_of(self.rows.column(self.spec.label))

    @cached_property
    def days(self) -> NDArray[np.int64]:
        """The day of each row's event since 1970 in UTC; -1 without a time."""
        return days_of(self.rows.column(EVENT_TIME))

    def take(self, positions: NDArray[np.int64]) -> "SetRows":
        """Return some of the rows."""
        at = pa.array(positions)
        origins = None if self.origins is None else self.origins.take(at)
        return SetRows(self.spec, self.rows.take(at), origins, self.added[positions])

    def origin(self, name: str) -> list[Any] | None:
        """Return a column of the origins, None where they are not known."""
        return None if self.origins is None or name not in self.origins.column_names else self.origins[name].to_pylist()


def set_rows(spec: EndpointSpec, rows: pa.Table, origins: pa.Table | None, before: pa.Table | None) -> SetRows:
    """Return a set's rows with what is new in them; ``before`` are the rows of the set that they are compared with.

    Without such a set the rows that a user provided are the earlier ones. Origins of rows that are not in the set, and
    with no position, are left out.
    """
    own = None
    if origins is not None:
        known = origins.filter(pc.is_valid(origins["position"])).sort_by([("position", "ascending")])
        own = known if len(known) == len(rows) else None
    provided = _mask(pc.starts_with(rows.column(ROW_ID), PROVIDED_PREFIX))
    if before is None:
        return SetRows(spec, rows, own, ~provided)
    kept = _keys(rows, spec.label)
    return SetRows(spec, rows, own, ~provided & ~np.isin(kept, _keys(before, spec.label)))


def set_before(stores: Stores, spec: EndpointSpec, record: TrainingSet) -> pa.Table | None:
    """Return the rows of the set that the live version was trained on; None where it is not known or was deleted."""
    champion = stores.deployments.desired(spec.name).champion
    version = next((v for v in stores.deployments.versions(spec.model_name) if v.version == champion), None)
    content = None if version is None else version.training_set
    sets = {known.content_hash: known for known in stores.training_sets.of(spec.name)}
    if content is None or content == record.content_hash or content not in sets:
        return None
    try:
        return read_training_set(stores, sets[content])
    except UnknownError:  # deleted by its retention
        return None


def _keys(rows: pa.Table, label: str) -> NDArray[np.uint64]:
    from pandas.util import hash_array

    text = pc.cast(rows.column(label), pa.string())
    keys = pc.binary_join_element_wise(rows.column(ROW_ID), pc.fill_null(text, ""), "\t")
    return np.asarray(hash_array(keys.to_numpy(zero_copy_only=False)), np.uint64)


def values_of(column: pa.ChunkedArray) -> NDArray[Any]:
    """Return a column as an array: numbers and booleans as float64 (missing: NaN), others as objects."""
    kind = column.type
    if pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return np.asarray(pc.fill_null(column.cast(pa.float64()), float("nan")).to_numpy(), np.float64)
    if pa.types.is_timestamp(kind):
        return micros_of(column)
    found = column.combine_chunks()
    return np.asarray((found.dictionary_decode() if pa.types.is_dictionary(kind) else found).to_pylist(), object)


def micros_of(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Return times as microseconds since 1970; NaN for missing ones."""
    numbers = column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64()).cast(pa.float64(), safe=False)
    return np.asarray(pc.fill_null(numbers, float("nan")).to_numpy(), np.float64)


def days_of(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Return the day of each time since 1970 in UTC; -1 without a time."""
    days = column.cast(pa.date32()).cast(pa.int32()).cast(pa.int64())
    return np.asarray(pc.fill_null(days, -1).to_numpy(), np.int64)


def is_text(rows: pa.Table, name: str) -> bool:
    """Return whether a column holds texts."""
    kind = rows.schema.field(name).type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind))


def matrix_of(rows: pa.Table, names: list[str]) -> NDArray[np.float64]:
    """Return features as numbers, rows x features: a text's frequent values by their rank, other texts are missing."""
    columns = [_ranks(rows.column(name)) if is_text(rows, name) else values_of(rows.column(name)) for name in names]
    return np.stack(columns, axis=1) if columns else np.zeros((len(rows), 0))


def _ranks(column: pa.ChunkedArray) -> NDArray[np.float64]:
    counts = pc.value_counts(column.cast(pa.string()).combine_chunks())
    pairs = sorted((-one["counts"], one["values"]) for one in counts.to_pylist() if one["values"] is not None)
    known = {value: float(rank) for rank, (_, value) in enumerate(pairs[:MOST_CATEGORIES])}
    return np.array([known.get(value, np.nan) for value in column.to_pylist()], np.float64)


def categories_of(rows: pa.Table, name: str, most: int = MOST_CATEGORIES) -> tuple[list[str], NDArray[np.int64]] | None:
    """Return a column's values as texts, and each row's number among them (-1: missing); None with more than most."""
    column = rows.column(name).cast(pa.string()).combine_chunks().dictionary_encode()
    if len(column.dictionary) > most:
        return None
    codes = pc.fill_null(column.indices.cast(pa.int64()), -1)
    return column.dictionary.to_pylist(), np.asarray(codes.to_numpy(zero_copy_only=False), np.int64)


def drawn(mask: Mask, most: int) -> NDArray[np.int64]:
    """Return the positions where the mask is true, or ``most`` of them drawn with the fixed seed, in order."""
    at = np.flatnonzero(mask)
    if len(at) <= most:
        return at
    return np.sort(np.random.default_rng(SEED).choice(at, most, replace=False))


def _mask(found: Any) -> Mask:
    return np.asarray(found.to_numpy(zero_copy_only=False) if hasattr(found, "to_numpy") else found, np.bool_)
