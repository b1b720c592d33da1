"""Builds a training set again, row by row from the log by its origins, and compares it with what was frozen.

What the log no longer has is listed, and taken from the frozen copy. Rows that a user provided are the user's own: they
come from the first frame, their only copy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import UnknownError
from modelops_pipelines.core.tables.lake import FEEDBACK, INFERENCE_LOG, LABELS, inference_log, typed_for
from modelops_pipelines.core.tables.training import EVENT_TIME, PROVIDED, PROVIDED_PREFIX, ROW_ID
from modelops_pipelines.core.tables.training import FEEDBACK as BY_FEEDBACK
from modelops_pipelines.operations.improve.training.content import is_as_named
from modelops_pipelines.operations.improve.training.labelled_log import accepted_labels
from modelops_pipelines.operations.improve.training.origins import (
    CHANGED,
    UNCHANGED,
    has_origins,
    origins_of,
    origins_state,
    provided_origins,
)
from modelops_pipelines.operations.improve.training.origins import NOT_RECORDED as NOT_HASHED
from modelops_pipelines.operations.improve.training.sets import frozen_rows, read_training_set
from modelops_pipelines.operations.lake.endpoint_tables import logged_types
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.state.capture.erased_requests import ErasedRequests
from modelops_pipelines.store.state.improve.training_sets import TrainingSet
from modelops_pipelines.store.stores import Stores

ERASED, RETIRED, GONE = "erased", "past its retention", "not in the log"
UNACCEPTED, NOT_RECORDED = "feedback deleted", "the label that counted is not recorded"
UNBUILT = (
    "The frozen table or that of its origins has other rows or columns than the set had: nothing was built by them"
)
NO_MANIFEST = (
    "The set was built by release 0.3 or earlier, which did not record which labels counted, which rows were left out, "
    "and by which code and rules: its labels are the newest ones that had arrived when it was built"
)


@dataclass(frozen=True)
class Missing:
    """A row of a set that is not in the log as it was: ``what`` is the prediction or the label."""

    row_id: str
    what: str
    reason: str


@dataclass(frozen=True)
class Rebuilt:
    """A set that was built again. ``identical``: every value is as frozen; ``missing`` is what the log did not have.

    ``frozen`` says whether the frozen table still has the rows that the set is named after: where it was changed,
    nothing is identical to it; ``origins`` says it of the table beside it.
    ``unknown`` says what cannot be known about a set of an older release.
    """

    record: TrainingSet
    rows: pa.Table
    identical: bool
    logged: int
    provided: int
    missing: tuple[Missing, ...]
    unknown: str | None
    frozen: str = UNCHANGED
    origins: str = NOT_HASHED


def rebuild_training_set(stores: Stores, spec: EndpointSpec, record: TrainingSet) -> Rebuilt:
    """Build a frozen set again from the log; nothing is written.

    Raises UnknownError when its retention has deleted it.
    """
    frozen = frozen_rows(stores, record)
    state = UNCHANGED if is_as_named(record, frozen) else CHANGED
    beside = origins_state(stores, record)
    known = has_origins(stores, spec.name, record.content_hash)
    origins = origins_of(stores, spec.name, record.content_hash) if known else _origins_by_rows(frozen)
    inside = origins.filter(pc.is_valid(origins.column("position")))
    if CHANGED in (state, beside) and not _fit(record, frozen, inside):
        return Rebuilt(
            record,
            frozen,
            identical=False,
            logged=0,
            provided=0,
            missing=(),
            unknown=UNBUILT,
            frozen=state,
            origins=beside,
        )
    given = pc.equal(inside.column("origin"), PROVIDED)
    logged = inside.filter(pc.invert(given))
    found = _from_log(stores, spec, record, logged, frozen.schema, arrived_by=None if known else record.at)
    missing = [*_missing_rows(stores, spec, found), *_missing_labels(stores, spec, found)]
    provided, lost = _from_first_frame(stores, record, inside.filter(given), frozen)
    rows = _assembled(frozen, found, provided)
    labels, kept = rows.column(spec.label), frozen.column(spec.label)
    if not known:
        differ = pc.fill_null(pc.not_equal(labels, kept), fill_value=False)
        missing += [Missing(one, "label", NOT_RECORDED) for one in frozen.filter(differ).column(ROW_ID).to_pylist()]
    label = pc.coalesce(labels, kept) if known else kept
    rows = rows.set_column(rows.column_names.index(spec.label), spec.label, label)
    identical = state == UNCHANGED and is_as_named(record, rows)
    counts = (len(found), len(provided))
    return Rebuilt(record, rows, identical, *counts, (*missing, *lost), None if known else NO_MANIFEST, state, beside)


def _fit(record: TrainingSet, frozen: pa.Table, inside: pa.Table) -> bool:
    """Return whether the tables have the columns and the places of the set, so that it can be built again by them."""
    there = {field.name: _plain(str(field.type)) for field in frozen.schema}
    columns = (record.manifest or {}).get("columns") or there
    places = inside.column("position").to_numpy()
    in_order = len(frozen) == record.rows and np.array_equal(places, np.arange(record.rows))
    return in_order and list(there.items()) == [(name, _plain(kind)) for name, kind in columns.items()]


def _plain(kind: str) -> str:
    return kind.removeprefix("large_")


def _origins_by_rows(frozen: pa.Table) -> pa.Table:
    """Return what a set without origins says about them: which rows were provided, and nothing of the labels."""
    origins = provided_origins(frozen)
    given = pc.starts_with(origins.column(ROW_ID), PROVIDED_PREFIX)
    kinds = pc.if_else(given, pa.scalar(PROVIDED), pa.scalar("label"))
    origins = origins.set_column(origins.column_names.index("origin"), "origin", kinds)
    positions = pa.array(np.arange(len(frozen)))
    return origins.set_column(origins.column_names.index("position"), "position", positions)


def _from_log(
    stores: Stores,
    spec: EndpointSpec,
    record: TrainingSet,
    origins: pa.Table,
    schema: pa.Schema,
    arrived_by: datetime | None,
) -> pa.Table:
    """Return the rows with these origins as the log has them now, by position: null is what it does not have.

    After the set's columns: ``position``, ``found`` (whether the prediction is there) and the origins' columns.
    """
    types = {name: kind for name, kind in logged_types(stores, spec).items() if name in schema.names}
    features = [name for name in types if name != spec.label]
    table = inference_log(spec.task, types)
    wanted = origins.select(["position", ROW_ID, EVENT_TIME, "origin", "source_id"])
    acceptance = (record.manifest or {}).get("policy", {}).get("feedback", "none")
    read = [table, typed_for(LABELS, spec.task), typed_for(FEEDBACK, spec.task)]
    with stores.lake.snapshot(spec.name, read) as (connected, _):
        connected.register("wanted", wanted)
        connected.register("accepted", accepted_labels(stores, spec))
        rule = {"acceptance": acceptance, "arrived_by": arrived_by}
        found = connected.sql(sql.rebuilt_rows(table, features), params=rule).to_arrow_table()
    names = ["position", ROW_ID, EVENT_TIME, "found", "origin", *features, spec.label]
    found = found.rename_columns([f"{name}?" if place in _OWN else name for place, name in enumerate(names)])
    return _conformed(found, schema, ("position?", "found?", "origin?"))


_OWN = (0, 3, 4)
"""Places of the query's own columns: a feature may have the same name."""


def _conformed(rows: pa.Table, schema: pa.Schema, extra: Sequence[str]) -> pa.Table:
    """Return rows with the columns and types of a set, and some more columns after them."""
    columns = {
        field.name: rows.column(field.name).cast(field.type)
        if field.name in rows.column_names
        else pa.nulls(len(rows), field.type)
        for field in schema
    }
    return pa.table({**columns, **{name: rows.column(name) for name in extra}})


def _missing_rows(stores: Stores, spec: EndpointSpec, found: pa.Table) -> list[Missing]:
    gone = found.filter(pc.invert(found.column("found?")))
    reasons = _reasons(stores, spec, gone, INFERENCE_LOG.name)
    return [Missing(one, "prediction", why) for one, why in zip(gone.column(ROW_ID).to_pylist(), reasons, strict=True)]


def _missing_labels(stores: Stores, spec: EndpointSpec, found: pa.Table) -> list[Missing]:
    """Return the rows whose prediction is there and whose label is not."""
    lost = pc.and_(found.column("found?"), pc.is_null(found.column(spec.label)))
    gone = found.filter(lost)
    missing: list[Missing] = []
    by_feedback = pc.equal(gone.column("origin?"), BY_FEEDBACK)
    for table, part in ((FEEDBACK.name, gone.filter(by_feedback)), (LABELS.name, gone.filter(pc.invert(by_feedback)))):
        reasons = _reasons(stores, spec, part, table)
        for one, why in zip(part.column(ROW_ID).to_pylist(), reasons, strict=True):
            reason = UNACCEPTED if why == GONE and table == FEEDBACK.name else why
            missing.append(Missing(one, "label", reason))
    return missing


def _reasons(stores: Stores, spec: EndpointSpec, gone: pa.Table, table: str) -> list[str]:
    """Return why rows are no longer in a table: erased, or past its retention, or not known."""
    erased = ErasedRequests(stores.database).among(spec.name, gone.column(ROW_ID).to_pylist())
    first = stores.lake.kept_from(spec.name, table)
    days = gone.column(EVENT_TIME).cast(pa.date32()).to_pylist()
    retired = [first is not None and day is not None and day < first for day in days]
    return [
        ERASED if was_erased else RETIRED if was_retired else GONE
        for was_erased, was_retired in zip(erased, retired, strict=True)
    ]


def _from_first_frame(
    stores: Stores, record: TrainingSet, origins: pa.Table, frozen: pa.Table
) -> tuple[pa.Table, list[Missing]]:
    """Return the rows that a user provided, from the first frame, with their position; and those that it lacks."""
    source, lost = frozen, []
    base = next((one for one in stores.training_sets.of(record.endpoint) if one.content_hash == record.base_hash), None)
    if base is not None and len(origins):
        try:
            source = read_training_set(stores, base)
        except UnknownError:
            lost = [Missing(one, "prediction", RETIRED) for one in origins.column(ROW_ID).to_pylist()]
    places = pc.index_in(origins.column(ROW_ID), value_set=source.column(ROW_ID).combine_chunks())
    rows = source.take(places).append_column("position?", origins.column("position"))
    return _conformed(rows, frozen.schema, ("position?",)), lost


def _assembled(frozen: pa.Table, found: pa.Table, provided: pa.Table) -> pa.Table:
    """Return the set in its order: what is missing in the log is as it was frozen."""
    there = found.filter(found.column("found?"))
    gone = found.filter(pc.invert(found.column("found?")))
    kept = frozen.take(gone.column("position?")).append_column("position?", gone.column("position?"))
    names = [*frozen.column_names, "position?"]
    parts = [part.select(names) for part in (provided, there, kept)]
    return pa.concat_tables(parts).sort_by("position?").drop_columns(["position?"])


def by_reason(missing: Sequence[Missing]) -> Mapping[str, int]:
    """Return how many rows are missing, by what and why."""
    counts: dict[str, int] = {}
    for one in missing:
        name = f"{one.what} {one.reason}"
        counts[name] = counts.get(name, 0) + 1
    return dict(sorted(counts.items()))
