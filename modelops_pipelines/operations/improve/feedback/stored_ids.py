"""The ids of feedback that the lake holds, and of feedback that it holds the deletion of."""

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from modelops_pipelines.core.tables.lake import FEEDBACK
from modelops_pipelines.store.lake.eraser import LakeEraser

_IDENTITY = ("feedback_id", "prediction_id", "event_time")


def deletions_among(eraser: LakeEraser, endpoint: str, matching: pc.Expression | None = None) -> set[str]:
    """Return the ids of feedback that rows of the table delete; of matching rows only, if a filter is given."""
    delta = eraser.table(endpoint, FEEDBACK.name)
    if delta is None or "deletes" not in pa.schema(delta.schema().to_arrow()).names:
        return set()  # a table of release 0.3 or earlier
    deletes = pc.field("deletes").is_valid()
    wanted = deletes if matching is None else matching & deletes
    return set(eraser.find(endpoint, FEEDBACK.name, wanted, ["deletes"]).column(0).to_pylist())


def rows_with(eraser: LakeEraser, endpoint: str, feedback_ids: Iterable[str]) -> pa.Table:
    """Return feedback_id, prediction_id and event_time of the table's rows with these ids."""
    return eraser.find(endpoint, FEEDBACK.name, are(feedback_ids), _IDENTITY)


def are(feedback_ids: Iterable[str]) -> pc.Expression:
    """Return the filter of the rows with these ids."""
    return pc.field("feedback_id").isin(pa.array(sorted(feedback_ids), pa.string()))
