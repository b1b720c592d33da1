"""The labelled predictions of the log: each with the label that counts, or with the reason why it is left out."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelops_pipelines.core.endpoints.improvement import TrainingPolicy
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import EvidenceError
from modelops_pipelines.core.improve.training.reasons import (
    LATER_ROW,
    NO_LABEL,
    NOT_ANSWERED,
    NOT_IN_LOG,
    NOT_KEPT,
    OF_THE_LOG,
    TEST_CALL,
)
from modelops_pipelines.core.tables.columns import Table
from modelops_pipelines.core.tables.lake import FEEDBACK, LABELS, typed_for
from modelops_pipelines.core.tables.training import EVENT_TIME, ROW_ID
from modelops_pipelines.operations.improve.labels.choose_labels import ORIGIN, Said, chosen_labels, read_said
from modelops_pipelines.operations.improve.training.splits import days_due
from modelops_pipelines.operations.lake.endpoint_tables import feature_types, log_table
from modelops_pipelines.store.lake.arrow_schemas import ARROW
from modelops_pipelines.store.lake.rows.ids import index_in
from modelops_pipelines.store.lake.rows.pinned import Pinned, pinned
from modelops_pipelines.store.lake.rows.places import Places, in_order_of_time, taken
from modelops_pipelines.store.stores import Stores

_ASKED = ("prediction_id", "event_time", "status", "source", "sampled", "truncated")
_GROUP_ROWS = 1 << 21
"""Rows of the log that are matched at a time: so many ids are in memory."""


@dataclass(frozen=True)
class Inputs:
    """Input rows of a training set: ``rows`` as a set has them, and the ``origins`` of all, without a position.

    ``rows`` are the first of the origins: those that may be trained on, in the order of the set; ``reason`` is null for
    them. ``unlabelled`` counts the predictions that nobody labelled, by reason; ``tables`` has the versions of the
    lake's tables that were read.
    """

    rows: pa.Table
    origins: pa.Table
    unlabelled: Mapping[str, int]
    tables: Mapping[str, int]


def labelled_inputs(
    stores: Stores,
    spec: EndpointSpec,
    policy: TrainingPolicy,
    as_of: datetime | None = None,
    every_nth: int | None = None,
) -> Inputs:
    """Return what is labelled in the log, with what was known at ``as_of``, ordered by event time and id.

    After the rows that may be trained on come the others, in the same order; with ``every_nth`` those of evaluation
    days are among these, although they have no reason yet.

    Raises EvidenceError while no version of the model is recorded: nothing says what the features are.
    """
    table, features = log_table(stores, spec), list(feature_types(stores, spec))
    if not features:
        raise EvidenceError(
            f"No version of model {spec.model_name!r} is recorded in this project",
            "Train one, or deploy one from the registry",
        )
    with stores.lake.reading(spec.name):
        read = [pinned(stores.lake, spec.name, one) for one in (table, *_said_tables(spec))]
        log, labels, feedback = read
        said = read_said(labels, feedback, policy)
        asked = _asked(log, said, as_of)
        deleted = stores.feedback_marks.deleted(spec.name)
        found = chosen_labels(said, asked.rows, policy, accepted_labels(stores, spec), deleted, as_of)
        found, usable = _in_order(found, every_nth)
        values = _values(log, features, found.column("place").slice(0, usable).to_numpy(), asked.lengths)
    named = found.rename_columns([_RENAMED.get(name, name) for name in found.column_names])
    rows = pa.table(
        {name: named.column(name).slice(0, usable) for name in (ROW_ID, EVENT_TIME)}
        | {name: values.column(name) for name in features}
        | {spec.label: named.column("label").slice(0, usable)}
    )
    versions = {
        name: one.version
        for name, one in zip((table.name, LABELS.name, FEEDBACK.name), read, strict=True)
        if one.version is not None
    }
    return Inputs(rows, named.select(_ORIGINS), _unlabelled(asked.reasons, named.column("reason")), versions)


_RENAMED = {"prediction_id": ROW_ID, "event_time": EVENT_TIME}
_ORIGINS = (ROW_ID, EVENT_TIME, "reason", *ORIGIN)


def _said_tables(spec: EndpointSpec) -> list[Table]:
    return [typed_for(LABELS, spec.task), typed_for(FEEDBACK, spec.task)]


@dataclass(frozen=True)
class _Asked:
    """The rows of the log that something was said about, as ``chosen_labels`` takes them.

    ``reasons`` has how many rows the log has by the reason why they cannot be trained on (None: those that can), and
    ``lengths`` the rows of each of its files.
    """

    rows: pa.Table
    reasons: Mapping[str | None, int]
    lengths: Sequence[int]


def _asked(log: Pinned, said: Said, as_of: datetime | None) -> _Asked:
    counts: Counter[str | None] = Counter()
    found: list[pa.Table] = []
    lengths: list[int] = []
    for parts in _grouped(log.parts(_ASKED), max(_GROUP_ROWS, len(said.ids))):
        rows, start = pa.concat_tables(parts), sum(lengths)
        reason = _reason(rows, as_of)
        counts.update({one["values"]: one["counts"] for one in pc.value_counts(reason).to_pylist()})
        first = index_in(rows.column("prediction_id"), said.ids)
        known = np.flatnonzero(np.asarray(pc.is_valid(first)))
        numbered = rows.select(["prediction_id", "event_time"]).append_column("reason", reason)
        mine = taken(numbered.append_column("said", first.cast(pa.int64())), known)
        found.append(mine.append_column("place", pa.array(known + start)))
        lengths += map(len, parts)
    return _Asked(pa.concat_tables(found), counts, lengths[: len(log.files)])


def _grouped(parts: Iterator[pa.Table], most: int) -> Iterator[list[pa.Table]]:
    """Yield parts until together they have ``most`` rows."""
    waiting: list[pa.Table] = []
    for part in parts:
        waiting.append(part)
        if sum(map(len, waiting)) >= most:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def _reason(rows: pa.Table, as_of: datetime | None) -> pa.ChunkedArray:
    """Return why rows of the log cannot be trained on, whatever is said about them; null: they can.

    Rows of release 0.1 have neither ``sampled`` nor ``truncated``, and all features.
    """
    reasons = {
        NOT_ANSWERED: pc.not_equal(rows.column("status"), 200),
        TEST_CALL: pc.equal(rows.column("source"), "test"),
        NOT_KEPT: pc.or_kleene(pc.invert(rows.column("sampled")), rows.column("truncated")),
    }
    if as_of is not None:
        reasons[LATER_ROW] = pc.greater(rows.column("event_time"), pa.scalar(as_of, ARROW["timestamp"]))
    found = pa.chunked_array([pa.nulls(len(rows), pa.string())])
    for reason, applies in reversed(reasons.items()):
        if pc.any(applies).as_py():
            found = pc.if_else(pc.fill_null(applies, fill_value=False), reason, found)
    return found


def _in_order(found: pa.Table, every_nth: int | None) -> tuple[pa.Table, int]:
    """Return the labelled rows in the order of ``Inputs``, and how many may be trained on."""
    times, ids = found.column("event_time"), found.column("prediction_id")
    left_out = np.asarray(pc.is_valid(found.column("reason")))
    if every_nth is not None:
        left_out = left_out | np.asarray(days_due(times, every_nth))
    inside, outside = (in_order_of_time(times, ids, np.flatnonzero(one)) for one in (~left_out, left_out))
    return taken(found, np.concatenate([inside, outside])), len(inside)


def _values(log: Pinned, names: list[str], places: Places, lengths: Sequence[int]) -> pa.Table:
    """Return these columns of the log's rows at some places, in the order of the places."""
    if (np.diff(places) > 0).all():
        return log.rows_at(names, places, lengths)
    rising = np.argsort(places)
    ranks = np.empty_like(rising)
    ranks[rising] = np.arange(len(rising))
    return taken(log.rows_at(names, places[rising], lengths), ranks)


def _unlabelled(predictions: Mapping[str | None, int], labelled: pa.ChunkedArray) -> dict[str, int]:
    """Return how many predictions nobody labelled, by reason: all of them, without those that somebody did."""
    counts = {one["values"]: one["counts"] for one in pc.value_counts(labelled).to_pylist()}
    left = {reason: predictions[reason] - counts.get(reason, 0) for reason in OF_THE_LOG if reason in predictions}
    of_labels = sum(count for reason, count in counts.items() if reason not in (*OF_THE_LOG, NOT_IN_LOG))
    left[NO_LABEL] = predictions.get(None, 0) - of_labels
    return {reason: count for reason, count in left.items() if count}


def accepted_labels(stores: Stores, spec: EndpointSpec) -> pa.Table:
    """Return the accepted feedback of an endpoint, with labels of the task's type."""
    accepted = stores.accepted_feedback.of(spec.name)
    labels = pa.array([one.label for one in accepted], pa.string())
    return pa.table(
        {
            "feedback_id": pa.array([one.feedback_id for one in accepted], pa.string()),
            "label": labels.cast(pa.float64()) if spec.task == "regression" else labels,
            "accepted_at": pa.array([one.at for one in accepted], ARROW["timestamp"]),
        }
    )
