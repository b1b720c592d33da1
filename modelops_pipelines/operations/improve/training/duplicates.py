"""Rows of a training set that repeat another one: the same features and the same label."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelops_pipelines.core.improve.training.reasons import DUPLICATE
from modelops_pipelines.core.tables.training import EVENT_TIME, ROW_ID
from modelops_pipelines.operations.improve.training.origins import with_reason


def without_duplicates(rows: pa.Table, origins: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Leave out rows with the features and label of an earlier row."""
    kept = first_of_each(rows)
    repeated = np.zeros(len(origins), bool)
    repeated[np.flatnonzero(np.asarray(pc.is_null(origins.column("reason"))))[~kept]] = True
    return rows.filter(pa.array(kept)), with_reason(origins, pa.array(repeated), DUPLICATE)


def first_of_each(rows: pa.Table) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Return which rows are the first with their features and label."""
    names = [name for name in rows.column_names if name not in (ROW_ID, EVENT_TIME)]
    places = pa.array(np.arange(len(rows)))
    firsts = rows.select(names).append_column(ROW_ID, places).group_by(names).aggregate([(ROW_ID, "min")])
    kept = np.zeros(len(rows), bool)
    kept[np.asarray(firsts.column(f"{ROW_ID}_min"))] = True
    return kept
