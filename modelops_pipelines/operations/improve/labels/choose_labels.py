"""The label that counts of each prediction that somebody labelled, with the row of the log that it is about.

Most predictions have one label, which counts or does not by itself: it is found with the row of the log. All labels of
the others are compared by the rule, as SQL: ``store/lake/queries/label_choice.sql``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from modelops_pipelines.core.endpoints.improvement import TrainingPolicy
from modelops_pipelines.core.improve.training.reasons import NOT_IN_LOG
from modelops_pipelines.core.tables.training import LABEL, REVIEW
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.lake.arrow_schemas import ARROW
from modelops_pipelines.store.lake.reader import session
from modelops_pipelines.store.lake.rows.ids import index_in
from modelops_pipelines.store.lake.rows.pinned import Pinned
from modelops_pipelines.store.lake.rows.places import taken

_LABELS = (
    "prediction_id", "event_time", "label", "label_id", "labelled_at", "source", "author", "key_id", "withdraws",
)  # fmt: skip
_FEEDBACK = (
    "prediction_id", "event_time", "feedback_id", "user_id", "key_id", "deletes", "corrected_label", "given_at",
    "received_at",
)  # fmt: skip
ORIGIN = ("origin", "source_id", "source", "author", "key_id", "known_at", "others")
"""What says where a label came from, in the order of a set's origins."""
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Said:
    """All that was said about predictions: the rows of the tables of labels and, where it may train, of feedback."""

    labels: pa.Table
    feedback: pa.Table

    @property
    def ids(self) -> pa.ChunkedArray:
        """Of which prediction each row is: those of labels, then those of feedback."""
        parts = (self.labels.column("prediction_id"), self.feedback.column("prediction_id"))
        return pa.chunked_array([chunk for part in parts for chunk in part.chunks], pa.string())


def read_said(labels: Pinned, feedback: Pinned, policy: TrainingPolicy) -> Said:
    """Return what was said; without feedback where the policy has none of it train."""
    files = Pinned(None, (), feedback.schema) if policy.feedback == "none" else feedback
    return Said(labels.read(_LABELS), files.read(_FEEDBACK))


def chosen_labels(
    said: Said,
    asked: pa.Table,
    policy: TrainingPolicy,
    accepted: pa.Table,
    deleted: Sequence[str],
    as_of: datetime | None = None,
) -> pa.Table:
    """Return a row for each prediction that somebody labelled, in no particular order.

    ``asked`` are the rows of the log that something was said about: prediction_id, event_time, reason (why it cannot be
    trained on, else null), place, and ``said``, the first row of ``said.ids`` with its id. Returned are prediction_id,
    event_time, label, reason (of the log, else of the label, else null), the columns of ORIGIN, and place (null where
    the prediction is not in the log). ``accepted`` and ``deleted`` are what label_choice takes.
    """
    first = asked.column("said").to_numpy()
    alone = _counts_alone(said.labels, policy, as_of)
    settled = np.zeros(len(said.labels) + len(said.feedback), bool)
    settled[first] = True
    settled[: len(alone)] &= alone
    settled[len(alone) :] = False
    compared = np.zeros(len(alone), bool)
    if not settled.all():
        unsettled = said.ids.filter(pa.array(~settled))
        compared = np.asarray(pc.is_valid(index_in(said.labels.column("prediction_id"), unsettled)))
        settled[: len(alone)] &= ~compared
    mine = settled[first]
    parts = [_settled(said.labels, taken(asked, np.flatnonzero(mine)))]
    if compared.any() or len(said.feedback):
        voices = Said(said.labels.filter(pa.array(compared)), said.feedback)
        rule = {"origins": list(policy.labels), "conflict": policy.conflict, "acceptance": policy.feedback}
        choices = _compared(voices, accepted, {**rule, "as_of": as_of, "deleted": list(deleted)})
        parts.append(_of_log(choices, taken(asked, np.flatnonzero(~mine)), parts[0].schema))
    return pa.concat_tables(parts)


def _counts_alone(labels: pa.Table, policy: TrainingPolicy, as_of: datetime | None) -> Mask:
    """Return which rows are labels that count where nothing else was said about their prediction."""
    counts = np.where(_is_review(labels), REVIEW in policy.labels, LABEL in policy.labels)
    withdraws = labels.column("withdraws")
    if withdraws.null_count < len(labels):
        gone = pc.is_in(labels.column("label_id"), value_set=withdraws.drop_null().combine_chunks())
        counts &= _mask(pc.is_null(withdraws)) & ~_mask(gone)
    if as_of is not None:
        counts &= ~_mask(pc.greater(labels.column("labelled_at"), pa.scalar(as_of, ARROW["timestamp"])))
    return counts


def _is_review(labels: pa.Table) -> Mask:
    return _mask(pc.equal(labels.column("source"), REVIEW))


def _mask(flags: pa.ChunkedArray) -> Mask:
    return np.asarray(pc.fill_null(flags, fill_value=False), bool)


def _settled(labels: pa.Table, asked: pa.Table) -> pa.Table:
    """Return the rows of the log whose only label counts, with it."""
    mine = taken(labels, asked.column("said").to_numpy())
    columns = {
        "prediction_id": asked.column("prediction_id"),
        "event_time": pc.coalesce(asked.column("event_time"), mine.column("event_time")),
        "label": mine.column("label"),
        "reason": asked.column("reason"),
        "origin": pc.if_else(pa.array(_is_review(mine)), REVIEW, LABEL),
        "source_id": mine.column("label_id"),
        **{name: mine.column(name) for name in ("source", "author", "key_id")},
        "known_at": mine.column("labelled_at"),
        "others": pa.array(np.zeros(len(mine), np.int64)),
        "place": asked.column("place"),
    }
    return pa.table(columns)


def _compared(said: Said, accepted: pa.Table, rule: dict[str, Any]) -> pa.Table:
    with session(None) as connected:
        for name, rows in (("labels", said.labels), ("feedback", said.feedback), ("accepted", accepted)):
            connected.register(name, rows)
        return connected.sql(sql.named("label_choice"), params=rule).to_arrow_table()


def _of_log(choices: pa.Table, asked: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return choices by the rule with the rows of the log that they are about, as columns of the schema."""
    found = pc.index_in(choices.column("prediction_id"), value_set=asked.column("prediction_id"))
    logged = taken(asked, pc.fill_null(found, -1).cast(pa.int64()).to_numpy())
    of_log = pc.if_else(pc.is_null(found), NOT_IN_LOG, logged.column("reason"))
    columns = {
        "prediction_id": choices.column("prediction_id"),
        "event_time": pc.coalesce(logged.column("event_time"), choices.column("label_event_time")),
        "label": choices.column("label"),
        "reason": pc.coalesce(of_log, choices.column("why")),
        "origin": choices.column("origin"),
        "source_id": choices.column("source_id"),
        **{name: choices.column(f"label_{name.removesuffix('_id')}") for name in ("source", "author", "key_id")},
        "known_at": choices.column("known_at"),
        "others": choices.column("others"),
        "place": logged.column("place"),
    }
    return pa.table(columns).cast(schema)
