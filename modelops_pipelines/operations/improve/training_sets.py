"""Training sets: immutable tables with a content hash, made of a base set and of what the log has learned since.

Which rows are kept for judging is decided here too, for the log's and for the base's alike.
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
GIVEN = "base-"
"""How the ids of rows begin that a person gave; those of the log's rows are prediction ids, which cannot."""
LEAST_LEFT = 0.4
"""Share of a person's rows that must be left to train on. Every second day kept for evaluation leaves about half; a
frame that lies within one or two days is for training, and has too few days to judge anything by."""


@dataclass(frozen=True)
class LabelledRows:
    """Labelled rows, split by the calendar: what may be trained on, and what judges versions."""

    training: pa.Table
    evaluation: pa.Table


def labelled_log(stores: Stores, spec: EndpointSpec, gate: GateConfig) -> LabelledRows:
    """Return every answered row that has a label, in a fixed order: row_id, event_time, features, label."""
    table = log_table(stores, spec)
    features = list(feature_types(stores, spec))
    if not features:
        raise EvidenceError(
            f"No version of model {spec.model_name!r} is recorded here",
            "Train one, or deploy one from the registry",
        )
    with stores.lake.query(spec.name, [table, typed_for(LABELS, spec.task)]) as connected:
        connected.execute(sql.named("label_now"))
        rows = connected.sql(sql.labelled_rows(table, features)).to_arrow_table()
    return _by_calendar(rows.rename_columns([ROW_ID, EVENT_TIME, *features, spec.label]), gate)


def split_given(rows: pa.Table, spec: EndpointSpec, gate: GateConfig) -> LabelledRows:
    """Split the rows that a person gave, unless too few or not all classes would be left: then all are trained on."""
    split = _by_calendar(rows, gate)
    left, whole = (pc.count_distinct(part.column(spec.label)).as_py() for part in (split.training, rows))
    enough = len(split.training) >= LEAST_LEFT * len(rows)
    if enough and (spec.task == "regression" or left == whole):
        return split
    return LabelledRows(rows, rows.slice(0, 0))


def evaluation_rows(stores: Stores, spec: EndpointSpec) -> pa.Table:
    """Return the labelled rows that versions are judged on: the base's and then the log's, with the log's columns."""
    learned = labelled_log(stores, spec, spec.gate).evaluation
    _, given = _given(stores, spec)
    held = None if given is None else split_given(given, spec, spec.gate).evaluation
    if not held:
        return learned
    held = held.select([name for name in learned.column_names if name in held.column_names])
    return pa.concat_tables([held, learned], promote_options="permissive").select(learned.column_names)


def build_training_set(stores: Stores, spec: EndpointSpec, gate: GateConfig | None = None) -> TrainingSet:
    """Freeze the base set and all labelled rows of the log, less the evaluation days of both; return its record.

    The same rows give the same content hash and the same table. Raises EvidenceError when no row has a label.
    """
    gate = gate or spec.gate
    learned = labelled_log(stores, spec, gate).training
    if not len(learned):
        raise EvidenceError(
            f"No prediction of endpoint {spec.name!r} has a label yet", "Send labels: POST /endpoints/{endpoint}/labels"
        )
    base, given = _given(stores, spec)
    known = [] if given is None else [split_given(given, spec, gate).training]
    rows = pa.concat_tables([*known, learned], promote_options="permissive")
    return _freeze(stores, spec, rows, None if base is None else base.content_hash)


def freeze_frame(stores: Stores, spec: EndpointSpec, frame: "pd.DataFrame") -> TrainingSet:
    """Freeze a user's own frame (features, the label, and event_time when there is one) as the base set.

    Raises InputError when the label is missing or a system column's name is used otherwise.
    """
    if spec.label not in frame.columns:
        columns = ", ".join(map(str, frame.columns))
        raise InputError(f"The data has no column {spec.label!r}, the label (it has: {columns})", "Add or rename it")
    known = frame[frame[spec.label].notna()].reset_index(drop=True)
    names = [str(name) for name in known.columns if name not in (EVENT_TIME, spec.label)]
    numbered = {ROW_ID: [f"{GIVEN}{index}" for index in range(len(known))]}
    rows = pa.table(numbered).append_column(EVENT_TIME, _times(known))
    for name in [*names, spec.label]:
        rows = rows.append_column(name, pa.array(known[name], from_pandas=True))
    return _freeze(stores, spec, _label_as_text(rows, spec), None)


def trained_part(stores: Stores, spec: EndpointSpec, base: TrainingSet) -> TrainingSet:
    """Freeze the rows of a base set that are trained on: a set of its own, so that a version names what it has seen.

    When nothing is held out that is the base itself.
    """
    rows = read_training_set(stores, base)
    due, split = _by_calendar(rows, spec.gate), split_given(rows, spec, spec.gate)
    if not len(due.evaluation):
        return base
    if not len(split.evaluation):
        told = "%s: all rows are trained on; without evaluation days too few are left (%d of %d), or not all classes"
        _LOG.warning(told, spec.name, len(due.training), len(rows))
        return base
    told = "%s: %d of %d rows lie on evaluation days; they judge versions and are never trained on"
    _LOG.warning(told, spec.name, len(split.evaluation), len(rows))
    return _freeze(stores, spec, split.training, base.content_hash)


def read_training_set(stores: Stores, record: TrainingSet) -> pa.Table:
    """Return a frozen set's rows, in their order."""
    from deltalake import DeltaTable

    table: pa.Table = DeltaTable(
        str(stores.lake.path(record.endpoint, frozen_table(record.content_hash)))
    ).to_pyarrow_table()
    return table.sort_by([("position", "ascending")]).drop_columns(["position"])


def as_frame(spec: EndpointSpec, rows: pa.Table) -> "pd.DataFrame":
    """Return training rows as a trainer takes them: features, and the label as a number where all are numbers."""
    frame = rows.drop_columns([ROW_ID, EVENT_TIME]).to_pandas()
    if spec.task != "regression":
        labels = frame[spec.label].astype(str)
        numeric = labels.str.fullmatch(r"-?\d+").all()
        frame[spec.label] = labels.astype("int64") if numeric else labels
    return frame


def content_hash(rows: pa.Table) -> str:
    """Return SHA-256 over the rows as CSV: the same for the same values, whatever holds them."""
    buffer = io.BytesIO()
    pa.csv.write_csv(rows, buffer)
    return hashlib.sha256(buffer.getvalue()).hexdigest()


def _by_calendar(rows: pa.Table, gate: GateConfig) -> LabelledRows:
    """Split rows by the day of their event time, in UTC; what has none is never kept for evaluation."""
    days = rows.column(EVENT_TIME).cast(pa.date32()).to_pylist()
    kept = pa.array([day is not None and is_evaluation_day(day, gate.every_nth_day) for day in days], pa.bool_())
    return LabelledRows(rows.filter(pc.invert(kept)), rows.filter(kept))


def _given(stores: Stores, spec: EndpointSpec) -> tuple[TrainingSet | None, pa.Table | None]:
    """Return the base set and the rows in it that a person gave.

    Rows that a base took from the log come from the log again: once, and without those erased since.
    """
    base = next((known for known in stores.training_sets.of(spec.name) if known.base_hash is None), None)
    rows = None if base is None else read_training_set(stores, base)
    given = None if rows is None else rows.filter(pc.starts_with(rows.column(ROW_ID), GIVEN))
    return (base, given) if given is not None and len(given) else (None, None)


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
    return pa.array(_read_times(frame[EVENT_TIME]), from_pandas=True).cast(pa.timestamp("us", "UTC"))


def _read_times(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return the column with texts read as times, as a CSV file has them; a time without a zone is UTC."""
    import pandas as pd

    if not pd.api.types.is_object_dtype(column) and not pd.api.types.is_string_dtype(column):
        return column
    try:
        return pd.to_datetime(column, utc=True, format="ISO8601")
    except (ValueError, TypeError) as error:
        message = f"The column {EVENT_TIME!r} cannot be read as times: {error}"
        raise InputError(message, "Write them as 2026-03-01T12:00:00Z") from error


def _label_as_text(rows: pa.Table, spec: EndpointSpec) -> pa.Table:
    """Return the rows with the label as the log keeps it: text for classes."""
    from modelops_pipelines.core.models.predictions import class_name

    position = rows.column_names.index(spec.label)
    values: list[Any] = rows.column(spec.label).to_pylist()
    label = pa.array([float(v) for v in values]) if spec.task == "regression" else pa.array(map(class_name, values))
    return rows.set_column(position, spec.label, label)
