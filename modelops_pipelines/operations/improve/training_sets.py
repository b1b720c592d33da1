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
from modelops_pipelines.core.errors import EvidenceError, InputError
from modelops_pipelines.core.evaluation.gate import GateConfig, is_evaluation_day
from modelops_pipelines.core.tables.lake import LABELS, typed_for
from modelops_pipelines.operations.lake.endpoint_tables import feature_types, log_table
from modelops_pipelines.store.lake import sql
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
    return pa.concat_tables([held_out, logged], promote_options="permissive").select(logged.column_names)


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
    base_rows = [] if provided is None else [split_provided(provided, spec, gate).training]
    rows = pa.concat_tables([*base_rows, logged], promote_options="permissive")
    return _freeze(stores, spec, rows, None if base is None else base.content_hash)


def freeze_frame(stores: Stores, spec: EndpointSpec, frame: "pd.DataFrame") -> TrainingSet:
    """Freeze a user's own frame (features, the label, and event_time when there is one) as the base set.

    Raises InputError when the label is missing or a system column's name is used for something else.
    """
    if spec.label not in frame.columns:
        columns = ", ".join(map(str, frame.columns))
        raise InputError(
            f"The data has no column {spec.label!r}, the label (it has: {columns})", "Add or rename the column"
        )
    known = frame[frame[spec.label].notna()].reset_index(drop=True)
    names = [str(name) for name in known.columns if name not in (EVENT_TIME, spec.label)]
    numbered = {ROW_ID: [f"{PROVIDED}{index}" for index in range(len(known))]}
    rows = pa.table(numbered).append_column(EVENT_TIME, _times(known))
    for name in [*names, spec.label]:
        rows = rows.append_column(name, pa.array(known[name], from_pandas=True))
    return _freeze(stores, spec, _label_as_text(rows, spec), None)


def trained_part(stores: Stores, spec: EndpointSpec, base: TrainingSet) -> TrainingSet:
    """Freeze the rows of a base set that are trained on, as a set of their own, so that a version names its rows.

    When no row is held out, this is the base itself.
    """
    rows = read_training_set(stores, base)
    due, split = _split_by_day(rows, spec.gate), split_provided(rows, spec, spec.gate)
    if not len(due.evaluation):
        return base
    if not len(split.evaluation):
        message = (
            "%s: all rows are trained on: without the evaluation days too few (%d of %d) or not all classes remain"
        )
        _LOG.warning(message, spec.name, len(due.training), len(rows))
        return base
    message = "%s: %d of %d rows fall on evaluation days: held out of training, used to evaluate versions"
    _LOG.warning(message, spec.name, len(split.evaluation), len(rows))
    return _freeze(stores, spec, split.training, base.content_hash)


def read_training_set(stores: Stores, record: TrainingSet) -> pa.Table:
    """Return a frozen set's rows, in their order."""
    from deltalake import DeltaTable

    table: pa.Table = DeltaTable(
        str(stores.lake.path(record.endpoint, frozen_table(record.content_hash)))
    ).to_pyarrow_table()
    return table.sort_by([("position", "ascending")]).drop_columns(["position"])


def as_frame(spec: EndpointSpec, rows: pa.Table) -> "pd.DataFrame":
    """Return training rows as a trainer gets them: features, and the label as a number where all labels are."""
    frame = rows.drop_columns([ROW_ID, EVENT_TIME]).to_pandas()
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


def _provided_rows(stores: Stores, spec: EndpointSpec) -> tuple[TrainingSet | None, pa.Table | None]:
    """Return the base set and the rows in it that a user provided.

    Rows that a base took from the log are read from the log again: once, and without those erased since.
    """
    base = next((known for known in stores.training_sets.of(spec.name) if known.base_hash is None), None)
    rows = None if base is None else read_training_set(stores, base)
    provided = None if rows is None else rows.filter(pc.starts_with(rows.column(ROW_ID), PROVIDED))
    return (base, provided) if provided is not None and len(provided) else (None, None)


def _freeze(stores: Stores, spec: EndpointSpec, rows: pa.Table, base: str | None) -> TrainingSet:
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
    numbered = rows.append_column("position", pa.array(range(len(rows)), pa.int64()))
    stores.writer.write_whole(spec.name, frozen_table(record.content_hash), numbered)
    stores.training_sets.record(record)
    return record


def frozen_table(content: str) -> str:
    """Return the name of a frozen set's table."""
    return f"training_sets/{content}"


def _times(frame: "pd.DataFrame") -> pa.Array:
    if EVENT_TIME not in frame.columns:
        return pa.nulls(len(frame), pa.timestamp("us", "UTC"))
    times = pa.array(_read_times(frame[EVENT_TIME]), from_pandas=True)
    return times.cast(pa.timestamp("us", "UTC"), safe=False)  # pandas' nanoseconds are cut to microseconds


def _read_times(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return the column with texts parsed as times, as in a CSV file; a time without a zone is UTC."""
    import pandas as pd

    if not pd.api.types.is_object_dtype(column) and not pd.api.types.is_string_dtype(column):
        return column
    try:
        return pd.to_datetime(column, utc=True, format="ISO8601")
    except (ValueError, TypeError) as error:
        message = f"The column {EVENT_TIME!r} cannot be read as times: {error}"
        raise InputError(message, "Write times as 2026-03-01T12:00:00Z") from error


def _label_as_text(rows: pa.Table, spec: EndpointSpec) -> pa.Table:
    """Return the rows with the label as the log stores it: text for classes."""
    from modelops_pipelines.core.models.class_names import class_name

    position = rows.column_names.index(spec.label)
    values: list[Any] = rows.column(spec.label).to_pylist()
    label = pa.array([float(v) for v in values]) if spec.task == "regression" else pa.array(map(class_name, values))
    return rows.set_column(position, spec.label, label)
