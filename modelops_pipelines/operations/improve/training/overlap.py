"""Whether a version was trained on rows that now judge it: by the rows of its training set, where that is known."""

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import UnknownError
from modelops_pipelines.operations.improve.training.sets import EVENT_TIME, ROW_ID, read_training_set
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores

if TYPE_CHECKING:
    import pandas as pd


def count_trained_on(stores: Stores, spec: EndpointSpec, version: ModelVersion, rows: pa.Table) -> int | None:
    """Return how many of the evaluation rows the version was trained on; None where its training set is not known here.

    A row is the same when its id is, or its event time with all features and the label. A version registered elsewhere
    may carry the tag of a set that it was not trained on, so that its set is never known.
    """
    sets = {known.content_hash: known for known in stores.training_sets.of(spec.name)}
    record = sets.get(version.training_set or "")
    if record is None or version.trained_here is False:
        return None
    try:
        trained = read_training_set(stores, record)
    except UnknownError:  # deleted by its retention: the version was archived
        return None
    same_id = pc.is_in(rows.column(ROW_ID), value_set=trained.column(ROW_ID).combine_chunks())
    names = [name for name in rows.column_names if name != ROW_ID and name in trained.column_names]
    same_content = np.isin(fingerprints(rows, names), fingerprints(trained, names))
    return int((np.asarray(same_id) | same_content & np.asarray(pc.is_valid(rows.column(EVENT_TIME)))).sum())


def fingerprints(rows: pa.Table, names: list[str]) -> "np.ndarray[tuple[int], np.dtype[np.uint64]]":
    """Return a hash of each row's values: the same for the same values, whatever type they are stored as."""
    from pandas.util import hash_pandas_object

    return np.asarray(hash_pandas_object(_plain(rows.select(names).to_pandas()), index=False), np.uint64)


def _plain(frame: "pd.DataFrame") -> "pd.DataFrame":
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    numbers = [name for name in frame if is_numeric_dtype(frame[name]) or is_bool_dtype(frame[name])]
    others = [name for name in frame if name not in (*numbers, EVENT_TIME)]
    return frame.astype({**dict.fromkeys(numbers, "float64"), **dict.fromkeys(others, "str")})
