"""The task that removes the content of deleted feedback from the lake; what says that it is deleted stays."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from modelops_pipelines.core.capture.spool_records import deletion_row
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.ids import RequestId
from modelops_pipelines.core.maintenance.effects import Effect
from modelops_pipelines.core.tables.lake import FEEDBACK
from modelops_pipelines.operations.capture.pending_responses import write_responses
from modelops_pipelines.operations.endpoints.configurations import read_configurations
from modelops_pipelines.operations.improve.feedback.stored_ids import are, deletions_among, rows_with
from modelops_pipelines.operations.maintenance.tasks import Task, audited
from modelops_pipelines.store.lake.eraser import LakeEraser
from modelops_pipelines.store.stores import Stores

NAME = "deleted-feedback"
KIND = "deleted feedback"


def remove_deleted_feedback(stores: Stores, now: datetime, *, dry_run: bool) -> Iterator[Effect]:
    """Delete the rows of feedback that people deleted, of every configured endpoint. The files go with a vacuum.

    A deletion whose caller was killed before the spool had its row is finished: the row is written here.
    """
    eraser = LakeEraser(stores.settings.lake)
    for spec in read_configurations(stores.settings).specs:
        written = deletions_among(eraser, spec.name)
        gone = written | set(stores.feedback_marks.deleted(spec.name))
        rows = rows_with(eraser, spec.name, gone).to_pylist() if gone else []
        if not rows:
            continue
        effect = Effect(KIND, FEEDBACK.name, len(rows), 0, "a person deleted it", spec.name)
        if not dry_run:
            with audited(stores, effect, now):
                _finish(stores, spec, [row for row in rows if row["feedback_id"] not in written], now)
                eraser.delete(spec.name, FEEDBACK.name, are(row["feedback_id"] for row in rows))
        yield effect


def _finish(stores: Stores, spec: EndpointSpec, rows: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Write the deletions of which only the state knows: the ingest then has the metrics of their windows computed."""
    for row in rows:
        request, _, index = row["prediction_id"].rpartition("-")
        identity = RequestId(request, row["event_time"], int(index) + 1)
        write_responses(stores, spec.name, "feedback", [deletion_row(identity, int(index), row["feedback_id"], now)])


TASK = Task(NAME, "remove the content of feedback that people deleted", remove_deleted_feedback, (KIND,))
