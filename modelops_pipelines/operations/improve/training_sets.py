"""Training sets: immutable tables with a content hash, built from a base set and the log's labelled rows.

The rows held out for evaluation are chosen here too, from the log and the base alike.
"""

import hashlib
import io
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import EvidenceError, InputError, SchemaError, UnknownError
from modelops_pipelines.core.evaluation.gate import GateConfig, is_evaluation_day
from modelops_pipelines.core.release.event_log import REPLACE_FRAME
from modelops_pipelines.core.tables.lake import LABELS, typed_for
from modelops_pipelines.operations.lake.endpoint_tables import feature_types, log_table, refuse_clashes
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.lake.utc_times import STORED, as_given_to_models, as_stored, stored_times, times_of_texts
from modelops_pipelines.store.state.improve.training_sets import TrainingSet
from modelops_pipelines.store.stores import Stores

if TYPE_CHECKING:
    import pandas as pd

_LOG = logging.getLogger("modelops.training")
ROW_ID, EVENT_TIME = "row_id", "event_time"
PROVIDED = "base-"
"""The prefix of the ids of rows that a user provided; ids of the log's rows are prediction ids, which never have it."""
MIN_TRAINING_SHARE = 0.4
"""Share of a user's rows that must remain for training. With every second day held out about half remains; a frame
that covers one or two days is used for training only, because it has too few days to evaluate on."""


@dataclass(frozen=True)
class LabelledRows:
    """Labelled rows, split by day: rows to train on, and rows to evaluate versions on."""

    training: pa.Table
    evaluation: pa.Table


def labelled_log(stores: Stores, spec: EndpointSpec, gate: GateConfig) -> LabelledRows:
    """Return every answered row that has a label, in a fixed order: row_id, event_time, features, label."""
    table = log_table(stores, spec)
    features = list(feature_types(stores, spec))
    if not features:
        raise EvidenceError(
            f"No version of model {spec.model_name!r} is recorded in this project",
            "Train one, or deploy one from the registry",
        )
    with stores.lake.query(spec.name, [table, typed_for(LABELS, spec.task)]) as connected:
        connected.execute(sql.named("label_now"))
        rows = connected.sql(sql.labelled_rows(table, features)).to_arrow_table()
    return _split_by_day(rows.rename_columns([ROW_ID, EVENT_TIME, *features, spec.label]), gate)


def split_provided(rows: pa.Table, spec: EndpointSpec, gate: GateConfig) -> LabelledRows:
    """Split rows that a user provided, unless too few rows or not all classes remain: then all are for training."""
    split = _split_by_day(rows, gate)
    classes, all_classes = (pc.count_distinct(part.column(spec.label)).as_py() for part in (split.training, rows))
    enough = len(split.training) >= MIN_TRAINING_SHARE * len(rows)
    if enough and (spec.task == "regression" or classes == all_classes):
        return split
    return LabelledRows(rows, rows.slice(0, 0))


def evaluation_rows(stores: Stores, spec: EndpointSpec) -> pa.Table:
    """Return the labelled rows for evaluation: the base's and then the log's, with the log's columns."""
    logged = labelled_log(stores, spec, spec.gate).evaluation
    _, provided = _provided_rows(stores, spec)
    held_out = None if provided is None else split_provided(provided, spec, spec.gate).evaluation
    if not held_out:
        return logged
    held_out = held_out.select([name for name in logged.column_names if name in held_out.column_names])
    return _joined(held_out, logged).select(logged.column_names)


def build_training_set(stores: Stores, spec: EndpointSpec, gate: GateConfig | None = None) -> TrainingSet:
    """Freeze the base set and all labelled rows of the log, without the evaluation days of both; return its record.

    The same rows give the same content hash and the same table. Raises EvidenceError when no row has a label.
    """
    gate = gate or spec.gate
    logged = labelled_log(stores, spec, gate).training
    if not len(logged):
        raise EvidenceError(
            f"No prediction of endpoint {spec.name!r} has a label yet", "Send labels: POST /endpoints/{endpoint}/labels"
        )
    base, provided = _provided_rows(stores, spec)
    rows = logged if provided is None else _joined(split_provided(provided, spec, gate).training, logged)
    return freeze(stores, set_of(stores, spec, rows, None if base is None else base.content_hash))


def freeze_frame(stores: Stores, spec: EndpointSpec, frame: "pd.DataFrame") -> TrainingSet:
    """Freeze a user's own frame as a base set; raises what ``base_rows`` raises."""
    return freeze(stores, set_of(stores, spec, base_rows(spec, frame), None))


def base_rows(spec: EndpointSpec, frame: "pd.DataFrame") -> pa.Table:
    """Return a user's own frame (features, the label, and event_time when there is one) as rows; nothing is written.

    Raises InputError when the label is missing, a column holds values that no column of the lake can, or a time is out
    of range; SchemaError when a column has a system column's name.
    """
    if spec.label not in frame.columns:
        columns = ", ".join(map(str, frame.columns))
        raise InputError(
            f"The data has no column {spec.label!r}, the label (it has: {columns})", "Add or rename the column"
        )
    names = [str(name) for name in frame.columns if name not in (EVENT_TIME, spec.label)]
    refuse_clashes(spec, names)
    known = frame[frame[spec.label].notna()].reset_index(drop=True)
    if len(known) < len(frame):
        _LOG.warning("%s: %d of %d rows have no label: left out", spec.name, len(frame) - len(known), len(frame))
    numbered = {ROW_ID: [f"{PROVIDED}{index}" for index in range(len(known))]}
    rows = pa.table(numbered).append_column(EVENT_TIME, _times(known))
    for name in [*names, spec.label]:
        rows = rows.append_column(name, _column(known, name))
    return _label_as_text(as_stored(rows), spec)


def _column(frame: "pd.DataFrame", name: str) -> pa.Array:
    try:
        return pa.array(frame[name], from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError):  # its text shows values
        message = f"The column {name!r} holds values of several types, or of one that cannot be stored"
        raise InputError(message, "Give it one type: numbers, text, booleans or times") from None


def first_frame(stores: Stores, spec: EndpointSpec) -> TrainingSet | None:
    """Return the set that later training sets start from: the first frame, or the one that replaced it; else None."""
    sets = [known for known in stores.training_sets.of(spec.name) if known.base_hash is None]
    events = stores.deployments.events(spec.name) if len(sets) > 1 else []
    chosen = next((event.evidence["frame"] for event in reversed(events) if event.action == REPLACE_FRAME), None)
    return next((known for known in sets if known.content_hash == chosen), sets[0] if sets else None)


def trained_part(stores: Stores, spec: EndpointSpec, base: TrainingSet) -> TrainingSet:
    """Freeze the rows of a base set that are trained on, as a set of their own; the base itself if all are."""
    rows = read_training_set(stores, base)
    part = trained_rows(spec, rows)
    return base if part is rows else freeze(stores, set_of(stores, spec, part, base.content_hash))


def trained_rows(spec: EndpointSpec, rows: pa.Table) -> pa.Table:
    """Return the rows of a base that are trained on: those of evaluation days are held out, where enough remain."""
    due, split = _split_by_day(rows, spec.gate), split_provided(rows, spec, spec.gate)
    if not len(due.evaluation):
        return rows
    if not len(split.evaluation):
        message = (
            "%s: all rows are trained on: without the evaluation days too few (%d of %d) or not all classes remain"
        )
        _LOG.warning(message, spec.name, len(due.training), len(rows))
        return rows
    message = "%s: %d of %d rows fall on evaluation days: held out of training, used to evaluate versions"
    _LOG.warning(message, spec.name, len(split.evaluation), len(rows))
    return split.training


def read_training_set(stores: Stores, record: TrainingSet) -> pa.Table:
    """Return a frozen set's rows, in their order; raises UnknownError when its retention has deleted it."""
    delta = stores.lake.table(record.endpoint, frozen_table(record.content_hash))
    if delta is None:
        raise UnknownError(
            f"The training set {record.content_hash[:12]} of endpoint {record.endpoint!r} was deleted",
            "Its versions were archived, and it was past its retention: restore the lake from a backup to read it",
        )
    table: pa.Table = delta.to_pyarrow_table()
    return as_stored(table.sort_by([("position", "ascending")]).drop_columns(["position"]))


def as_frame(spec: EndpointSpec, rows: pa.Table) -> "pd.DataFrame":
    """Return training rows as a trainer gets them: features, and the label as a number where all labels are.

    Times are as a model gets them in serving: nanoseconds in UTC, without a zone.
    """
    frame = as_given_to_models(rows.drop_columns([ROW_ID, EVENT_TIME])).to_pandas()
    if spec.task != "regression":
        labels = frame[spec.label].astype(str)
        numeric = labels.str.fullmatch(r"-?\d+").all()
        frame[spec.label] = labels.astype("int64") if numeric else labels
    return frame


def content_hash(rows: pa.Table) -> str:
    """Return SHA-256 over the rows as CSV: the same for the same values, however they are chunked or encoded."""
    buffer = io.BytesIO()
    pa.csv.write_csv(rows, buffer)
    return hashlib.sha256(buffer.getvalue()).hexdigest()


def _split_by_day(rows: pa.Table, gate: GateConfig) -> LabelledRows:
    """Split rows by the day of their event time, in UTC; rows without one are never held out."""
    days = rows.column(EVENT_TIME).cast(pa.date32()).to_pylist()
    held_out = pa.array([day is not None and is_evaluation_day(day, gate.every_nth_day) for day in days], pa.bool_())
    return LabelledRows(rows.filter(pc.invert(held_out)), rows.filter(held_out))


def _joined(provided: pa.Table, logged: pa.Table) -> pa.Table:
    """Return a user's rows and then the log's; raises SchemaError for a feature that is of two types in them.

    A feature that the log has no value of has the type of the user's rows.
    """
    unknown = [name for name in provided.column_names if _is_unknown(logged, name)]
    try:
        return pa.concat_tables([provided, logged.drop_columns(unknown)], promote_options="permissive")
    except (pa.ArrowTypeError, pa.ArrowInvalid) as error:
        differ = [
            f"{name} ({provided.schema.field(name).type} and {logged.schema.field(name).type})"
            for name in provided.column_names
            if name in logged.column_names and provided.schema.field(name).type != logged.schema.field(name).type
        ]
        raise SchemaError(
            f"Feature(s) have another type in the first frame than in the log: {', '.join(differ)}",
            "Replace the first frame: modelops train ENDPOINT --data FILE --replace-first-frame REASON",
        ) from error


def _is_unknown(logged: pa.Table, name: str) -> bool:
    return name in logged.column_names and logged.column(name).null_count == len(logged)


def _provided_rows(stores: Stores, spec: EndpointSpec) -> tuple[TrainingSet | None, pa.Table | None]:
    """Return the base set and the rows in it that a user provided.

    Rows that a base took from the log are read from the log again: once, and without those erased since.
    """
    base = first_frame(stores, spec)
    rows = None if base is None else read_training_set(stores, base)
    provided = None if rows is None else rows.filter(pc.starts_with(rows.column(ROW_ID), PROVIDED))
    return (base, provided) if provided is not None and len(provided) else (None, None)


@dataclass(frozen=True)
class UnfrozenSet:
    """A training set that is not written yet: its record and its rows."""

    record: TrainingSet
    rows: pa.Table


def set_of(stores: Stores, spec: EndpointSpec, rows: pa.Table, base: str | None) -> UnfrozenSet:
    """Return rows as a training set; nothing is written."""
    progress = stores.ingest_progress.of(spec.name)
    rows = rows.combine_chunks()
    record = TrainingSet(
        endpoint=spec.name,
        content_hash=content_hash(rows),
        base_hash=base,
        rows=len(rows),
        labels_seen=progress.labels,
        watermark=progress.watermark,
        at=stores.now(),
    )
    return UnfrozenSet(record, rows)


def freeze(stores: Stores, unfrozen: UnfrozenSet) -> TrainingSet:
    """Write a training set's rows, then its record; return the record."""
    record, rows = unfrozen.record, unfrozen.rows
    numbered = rows.append_column("position", pa.array(range(len(rows)), pa.int64()))
    stores.writer.write_whole(record.endpoint, frozen_table(record.content_hash), numbered)
    stores.training_sets.record(record)
    return record


def frozen_table(content: str) -> str:
    """Return the name of a frozen set's table."""
    return f"training_sets/{content}"


def _times(frame: "pd.DataFrame") -> pa.ChunkedArray:
    import pandas as pd

    if EVENT_TIME not in frame.columns:
        return pa.chunked_array([pa.nulls(len(frame), STORED)])
    column = frame[EVENT_TIME]
    if pd.api.types.is_object_dtype(column) or pd.api.types.is_string_dtype(column):
        column = times_of_texts(EVENT_TIME, column)
    if not pd.api.types.is_datetime64_any_dtype(column):
        message = f"The column {EVENT_TIME!r} cannot be read as times: it has the type {column.dtype}"
        raise InputError(message, "Write times as 2026-03-01T12:00:00Z")
    return stored_times(EVENT_TIME, pa.chunked_array([pa.array(column, from_pandas=True)]))


def _label_as_text(rows: pa.Table, spec: EndpointSpec) -> pa.Table:
    """Return the rows with the label as the log stores it: text for classes."""
    from modelops_pipelines.core.models.class_names import class_name

    position = rows.column_names.index(spec.label)
    values: list[Any] = rows.column(spec.label).to_pylist()
    label = pa.array([float(v) for v in values]) if spec.task == "regression" else pa.array(map(class_name, values))
    return rows.set_column(position, spec.label, label)
