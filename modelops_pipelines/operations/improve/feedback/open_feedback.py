"""Feedback as DuckDB sees it: what the lake holds and what is still in the spool, without what was deleted."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.improve.feedback.search import FeedbackSearch, Place
from modelops_pipelines.core.tables.lake import FEEDBACK, typed_for
from modelops_pipelines.operations.capture.pending_responses import pending_predictions, pending_responses
from modelops_pipelines.operations.lake.endpoint_tables import log_table
from modelops_pipelines.operations.lake.incremental import dates_of
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.lake.rows.recent import Row
from modelops_pipelines.store.stores import Stores

THREADS = 2  # the gateway needs the other cores
_MARKS = pa.schema(
    [("feedback_id", pa.string()), ("flagged", pa.bool_()), ("assignee", pa.string()), ("accepted", pa.bool_())]
)
_PREDICTIONS = pa.schema([("prediction_id", pa.string()), ("model_version", pa.string())])


@dataclass(frozen=True)
class OpenFeedback:
    """A connection with the views of feedback; ``complete`` is False when the spool holds more than was read."""

    connected: duckdb.DuckDBPyConnection
    complete: bool

    def found(
        self, search: FeedbackSearch, *, limit: int, place: Place | None = None, feedback_id: str | None = None
    ) -> list[Row]:
        """Return the feedback that meets the conditions, newest first, behind a place in that order."""
        return self._rows(sql.feedback_page(), {**_parameters(search, place, feedback_id), "limit": limit})

    def counts(self, search: FeedbackSearch) -> list[Row]:
        """Return the counts of the feedback that meets the conditions: of all of it, and by version, category, day."""
        return self._rows(sql.feedback_counts(), _parameters(search, None, None))

    def _rows(self, query: str, parameters: Mapping[str, Any]) -> list[Row]:
        rows: list[Row] = self.connected.sql(query, params=dict(parameters)).to_arrow_table().to_pylist()
        return rows


@contextmanager
def open_feedback(
    stores: Stores, spec: EndpointSpec, *, with_versions: bool, with_marks: bool
) -> Iterator[OpenFeedback]:
    """Open the endpoint's feedback; versions take a look at the whole log, marks one at the whole state.

    What was acknowledged before the call is there, on this host, and what was deleted before it is not. The spool is
    read before the lake: what is ingested meanwhile is found there.
    """
    pending = pending_responses(stores, spec, "feedback")
    table = typed_for(FEEDBACK, spec.task)
    tables = [table, log_table(stores, spec)] if with_versions else [table]
    with stores.lake.query(spec.name, tables, threads=THREADS) as connected:
        connected.register("pending_feedback", pending.rows)
        deleted = stores.feedback_marks.deleted(spec.name)
        connected.register("deleted_feedback", pa.table({"feedback_id": pa.array(deleted, pa.string())}))
        connected.register("feedback_marks", _marks(stores, spec.name) if with_marks else _MARKS.empty_table())
        connected.execute(sql.named("feedback_now"))
        if with_versions:
            connected.register("pending_predictions", _pending_versions(stores, spec, pending.rows))
        connected.execute(sql.named("feedback_versions" if with_versions else "feedback_unversioned"))
        yield OpenFeedback(connected, pending.complete)


def pending_feedback(stores: Stores, spec: EndpointSpec, feedback_id: str) -> list[Row]:
    """Return what this host's spool holds of a piece of feedback and of its deletion; ``is_deletion`` tells which."""
    about = (pc.field("feedback_id") == feedback_id) | (pc.field("deletes") == feedback_id)
    rows = pending_responses(stores, spec, "feedback").rows.filter(about).to_pylist()
    return [{**row, "is_deletion": row["deletes"] is not None} for row in rows]


def answers_of(stores: Stores, spec: EndpointSpec, rows: Sequence[Mapping[str, Any]]) -> dict[str, Row]:
    """Return version, prediction and score of the predictions of feedback rows, by prediction id; of those known."""
    if not rows:
        return {}
    ids, times = sorted({row["prediction_id"] for row in rows}), [row["event_time"] for row in rows]
    found = pending_predictions(stores.settings.spool, spec, ids)
    with stores.lake.query(spec.name, [log_table(stores, spec)], dates_of(times), THREADS) as connected:
        parameters = {"ids": ids, "earliest": min(times), "latest": max(times)}
        read = connected.sql(sql.named("feedback_answers"), params=parameters).to_arrow_table().to_pylist()
    return found | {row["prediction_id"]: row for row in read}


def _parameters(search: FeedbackSearch, place: Place | None, feedback_id: str | None) -> dict[str, Any]:
    behind = {"before_at": place and place.received_at, "before_id": place and place.feedback_id}
    return {**vars(search), **behind, "feedback_id": feedback_id}


def _marks(stores: Stores, endpoint: str) -> pa.Table:
    accepted = {one.feedback_id for one in stores.accepted_feedback.of(endpoint)}
    marks = stores.feedback_marks.of(endpoint)
    rows = [
        {
            "feedback_id": one.feedback_id,
            "flagged": one.flagged,
            "assignee": one.assignee,
            "accepted": one.feedback_id in accepted,
        }
        for one in marks
    ]
    return pa.Table.from_pylist(rows, _MARKS)


def _pending_versions(stores: Stores, spec: EndpointSpec, pending: pa.Table) -> pa.Table:
    """Return the versions of the predictions that pending feedback is about and that are in the spool themselves."""
    ids = pending.column("prediction_id").unique().to_pylist()
    rows = pending_predictions(stores.settings.spool, spec, ids).values()
    shown = [{name: row[name] for name in _PREDICTIONS.names} for row in rows]
    return pa.Table.from_pylist(shown, _PREDICTIONS)
