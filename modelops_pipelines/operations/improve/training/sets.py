"""Training sets: immutable tables with a content hash, built from a base set and the log's labelled rows.

The rows held out for evaluation are chosen here too, from the log and the base alike.
"""

import logging
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import EvidenceError, InputError, IntegrityError, SchemaError, UnknownError
from modelops_pipelines.core.evaluation.gate import GateConfig
from modelops_pipelines.core.improve.training.reasons import EVALUATION_DAY, LATER_ROW
from modelops_pipelines.core.release.event_log import REPLACE_FRAME
from modelops_pipelines.core.tables import training
from modelops_pipelines.core.tables.feature_columns import column_of
from modelops_pipelines.core.tables.training import FEEDBACK, PROVIDED_PREFIX, frozen_table
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.improve.training import content
from modelops_pipelines.operations.improve.training.duplicates import without_duplicates
from modelops_pipelines.operations.improve.training.labelled_log import labelled_inputs
from modelops_pipelines.operations.improve.training.manifest import MadeOf, manifest_of
from modelops_pipelines.operations.improve.training.origins import (
    has_origins,
    numbered,
    provided_origins,
    sets_lock,
    with_reason,
    write_origins,
)
from modelops_pipelines.operations.improve.training.splits import (
    LabelledRows,
    held_out_of_provided,
    on_evaluation_days,
    split_by_day,
    split_provided,
)
from modelops_pipelines.operations.lake.endpoint_tables import refuse_clashes
from modelops_pipelines.store.lake.utc_times import STORED, as_stored, stored_times, times_of_texts
from modelops_pipelines.store.state.improve.training_sets import TrainingSet
from modelops_pipelines.store.stores import Stores

if TYPE_CHECKING:
    import pandas as pd

_LOG = logging.getLogger("modelops.training")
ROW_ID, EVENT_TIME = training.ROW_ID, training.EVENT_TIME
content_hash = content.content_hash


@dataclass(frozen=True)
class UnfrozenSet:
    """A training set that is not written yet: its record, its rows, and the origins of all input rows."""

    record: TrainingSet
    rows: pa.Table
    origins: pa.Table | None = None


def labelled_log(stores: Stores, spec: EndpointSpec, gate: GateConfig) -> LabelledRows:
    """Return the rows of ``judging_rows``, split by day."""
    return split_by_day(judging_rows(stores, spec), gate)


def judging_rows(stores: Stores, spec: EndpointSpec) -> pa.Table:
    """Return every answered row that has a label, in a fixed order: row_id, event_time, features, label.

    Only labels that may judge: feedback trains, but who gives it is no sample of the callers.
    """
    trusted = tuple(origin for origin in spec.training.labels if origin != FEEDBACK)
    return labelled_inputs(stores, spec, replace(spec.training, labels=trusted, feedback="none")).rows


def evaluation_rows(stores: Stores, spec: EndpointSpec) -> pa.Table:
    """Return the labelled rows for evaluation: the base's and then the log's, with the log's columns."""
    logged = labelled_log(stores, spec, spec.gate).evaluation
    _, provided = _provided_rows(stores, spec)
    held_out = None if provided is None else split_provided(provided, spec, spec.gate).evaluation
    if not held_out:
        return logged
    held_out = held_out.select([name for name in logged.column_names if name in held_out.column_names])
    return _joined(held_out, logged).select(logged.column_names)


def build_training_set(
    stores: Stores, spec: EndpointSpec, gate: GateConfig | None = None, as_of: datetime | None = None
) -> TrainingSet:
    """Freeze the base set and all labelled rows of the log, without the evaluation days of both; return its record.

    The same rows give the same content hash and the same table, in whatever order they arrived. With ``as_of`` the set
    has predictions until then, and labels that were known by then. Raises EvidenceError when no row has a label, and
    InputError when ``as_of`` is in the future: what will be known then is not known.
    """
    if as_of is not None and as_of > (now := stores.now()):
        raise InputError(
            f"The time {text(as_of)} of the training set is in the future: it is {text(now)}",
            "Give a time that has passed, or leave as_of out for all that is known",
        )
    with sets_lock(stores, spec.name):  # an erasure waits: it has to find every set that holds what it erases
        return _write(stores, _unfrozen(stores, spec, gate or spec.gate, as_of))


def _unfrozen(stores: Stores, spec: EndpointSpec, gate: GateConfig, as_of: datetime | None) -> UnfrozenSet:
    inputs = labelled_inputs(stores, spec, spec.training, as_of, gate.every_nth_day)
    origins = with_reason(inputs.origins, on_evaluation_days(inputs.origins, gate), EVALUATION_DAY)
    logged = inputs.rows
    if not len(logged):
        known = "" if as_of is None else f" that was known at {text(as_of)}"
        raise EvidenceError(
            f"No prediction of endpoint {spec.name!r} has a label yet{known}",
            f"Send labels: POST /endpoints/{spec.name}/labels",
        )
    base, provided = _provided_rows(stores, spec)
    rows = logged
    if provided is not None:
        given = provided_origins(provided)
        if as_of is not None:
            later = pc.fill_null(pc.greater(provided.column(EVENT_TIME), pa.scalar(as_of, STORED)), fill_value=False)
            given = with_reason(given, later, LATER_ROW)
        given = with_reason(given, held_out_of_provided(provided, spec, gate), EVALUATION_DAY)
        rows = _joined(provided.filter(pc.is_null(given.column("reason"))), logged)
        origins = pa.concat_tables([given.select(origins.column_names), origins])
    if spec.training.duplicates == "drop":
        rows, origins = without_duplicates(rows, origins)
    made_of = MadeOf(inputs.tables, inputs.unlabelled, as_of)
    return set_of(stores, spec, rows, None if base is None else base.content_hash, origins, made_of)


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
    refuse_clashes(spec, map(column_of, names), [spec.label])
    known = frame[frame[spec.label].notna()].reset_index(drop=True)
    if len(known) < len(frame):
        _LOG.warning("%s: %d of %d rows have no label: left out", spec.name, len(frame) - len(known), len(frame))
    numbered = {ROW_ID: [f"{PROVIDED_PREFIX}{index}" for index in range(len(known))]}
    rows = pa.table(numbered).append_column(EVENT_TIME, _times(known))
    for name in [*names, spec.label]:
        rows = rows.append_column(name if name == spec.label else column_of(name), _column(known, name))
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
    return (
        base
        if part is rows
        else freeze(stores, set_of(stores, spec, part, base.content_hash, part_origins(rows, part)))
    )


def part_origins(rows: pa.Table, part: pa.Table) -> pa.Table:
    """Return the origins of provided rows of which a part is trained on: the others fall on evaluation days."""
    held_out = pc.invert(pc.is_in(rows.column(ROW_ID), value_set=part.column(ROW_ID).combine_chunks()))
    return with_reason(provided_origins(rows), held_out, EVALUATION_DAY)


def trained_rows(spec: EndpointSpec, rows: pa.Table) -> pa.Table:
    """Return the rows of a base that are trained on: those of evaluation days are held out, where enough remain."""
    due, split = split_by_day(rows, spec.gate), split_provided(rows, spec, spec.gate)
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
    """Return a frozen set's rows, in their order: those that its name is the hash of.

    Raises IntegrityError when they were changed, UnknownError when its retention has deleted them.
    """
    rows = frozen_rows(stores, record)
    if not content.is_as_named(record, rows):
        path = stores.lake.path(record.endpoint, frozen_table(record.content_hash))
        raise IntegrityError(
            f"The training set {record.content_hash[:12]} of endpoint {record.endpoint!r} was changed after it was "
            f"frozen: the rows in {path} do not have the content hash that is its name",
            "Restore this folder from a backup, or build a new set with modelops training-set build; of a first frame: "
            "modelops train ENDPOINT --data FILE --replace-first-frame REASON",
        )
    return rows


def frozen_rows(stores: Stores, record: TrainingSet) -> pa.Table:
    """Return what is in a frozen set's table, unchecked; raises UnknownError when its retention has deleted it."""
    delta = stores.lake.table(record.endpoint, frozen_table(record.content_hash))
    if delta is None:
        raise UnknownError(
            f"The training set {record.content_hash[:12]} of endpoint {record.endpoint!r} was deleted",
            "Its versions were archived, and it was past its retention: restore the lake from a backup to read it",
        )
    table: pa.Table = delta.to_pyarrow_table()
    return as_stored(table.sort_by([("position", "ascending")]).drop_columns(["position"]))


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
    if base is not None and base.manifest and not base.manifest["counts"]["provided"]:
        return None, None
    rows = None if base is None else read_training_set(stores, base)
    provided = None if rows is None else rows.filter(pc.starts_with(rows.column(ROW_ID), PROVIDED_PREFIX))
    return (base, provided) if provided is not None and len(provided) else (None, None)


def set_of(
    stores: Stores,
    spec: EndpointSpec,
    rows: pa.Table,
    base: str | None,
    origins: pa.Table | None = None,
    made_of: MadeOf | None = None,
) -> UnfrozenSet:
    """Return rows as a training set; nothing is written. Without ``origins`` all rows are what a user provided."""
    progress, made_of = stores.ingest_progress.of(spec.name), made_of or MadeOf()
    known = numbered(provided_origins(rows) if origins is None else origins)
    record = TrainingSet(
        endpoint=spec.name,
        content_hash=content.set_name(stores, spec.name, rows),
        base_hash=base,
        rows=len(rows),
        labels_seen=progress.labels,
        watermark=progress.watermark,
        at=stores.now(),
        as_of=made_of.as_of,
        manifest=manifest_of(stores, spec, rows, known, made_of),
    )
    return UnfrozenSet(record, rows, known)


def freeze(stores: Stores, unfrozen: UnfrozenSet) -> TrainingSet:
    """Write a training set's rows, the table of their origins, then its record; return the record.

    A set that is there keeps its origins and its manifest. Killed in between and called again it gives the same.
    """
    with sets_lock(stores, unfrozen.record.endpoint):
        return _write(stores, unfrozen)


def _write(stores: Stores, unfrozen: UnfrozenSet) -> TrainingSet:
    record, rows = unfrozen.record, unfrozen.rows
    origins = numbered(provided_origins(rows)) if unfrozen.origins is None else unfrozen.origins
    table = rows.append_column("position", pa.array(np.arange(len(rows))))
    stores.writer.write_whole(record.endpoint, frozen_table(record.content_hash), table)
    known = _known(stores, record)
    if known is not None and known.manifest and has_origins(stores, record.endpoint, record.content_hash):
        record = replace(record, manifest=known.manifest, as_of=known.as_of)
    else:
        if known is not None and content.is_csv(known):
            record = replace(record, manifest={**(record.manifest or {}), "hash": content.CSV})
        write_origins(stores, record.endpoint, record.content_hash, origins)
    stores.training_sets.record(record)
    return record


def _known(stores: Stores, record: TrainingSet) -> TrainingSet | None:
    sets = stores.training_sets.of(record.endpoint)
    return next((one for one in sets if one.content_hash == record.content_hash), None)


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
    if spec.task == "regression":
        label = _as_numbers(rows.column(spec.label))
    else:
        values = rows.column(spec.label).dictionary_encode().unify_dictionaries().combine_chunks()
        label = pa.array(map(class_name, values.dictionary.to_pylist()), pa.string()).take(values.indices)
    return rows.set_column(position, spec.label, label)


def _as_numbers(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    try:
        return column.cast(pa.float64())
    except pa.ArrowNotImplementedError:  # decimals, texts
        return pa.array([float(value) for value in column.to_pylist()])
