"""Imports labels from the sources of an endpoint's YAML: each row once, and bad rows beside the others with a reason.

A part's rows are stored before its source's position moves on: killed anywhere and run again, the same rows are read
again, and are the same rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from modelops_pipelines.core.capture.keyed_labels import EntityKey, RequestKey, keyed_row, refused_row
from modelops_pipelines.core.capture.spool_records import Origin, label_row
from modelops_pipelines.core.endpoints.improvement import LabelSource
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import UnknownError
from modelops_pipelines.core.ids import content_id, parse_prediction_id
from modelops_pipelines.core.improve.labels.source_rows import RowError, SourceRow, read_row
from modelops_pipelines.operations.capture.keyed_rows import append_keyed
from modelops_pipelines.operations.improve.labels.file_reading import FileReading
from modelops_pipelines.operations.improve.labels.label_values import ToLabel, label_reader
from modelops_pipelines.operations.improve.labels.match_keyed import Matching, match_keyed
from modelops_pipelines.operations.improve.labels.readings import Part, Reading, Values
from modelops_pipelines.operations.improve.labels.source_counts import counts_of
from modelops_pipelines.operations.improve.labels.table_reading import DatabaseReading, DeltaReading
from modelops_pipelines.operations.improve.labels.write_labels import write_labels
from modelops_pipelines.store.filesystem.files import exclusive
from modelops_pipelines.store.state.improve.label_sources import SourceProgress
from modelops_pipelines.store.stores import Stores

READ_EVERY = timedelta(minutes=5)
"""A monitoring run reads a source again only after this time; without other work it is read every hour."""
_MOST_FAULTS = 20


@dataclass(frozen=True)
class Imported:
    """What one reading of a source gave: rows read, labels and labels with a key that were new, rows refused.

    ``faults`` say what could not be read at all; ``refusals`` are the first reasons by place and row.
    """

    source: str
    read: int = 0
    labels: int = 0
    keyed: int = 0
    refused: int = 0
    left: int = 0
    faults: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Context:
    """What turns rows of one reading into labels."""

    spec: EndpointSpec
    source: LabelSource
    to_label: ToLabel
    secret: bytes
    stores: Stores


def import_labels(stores: Stores, spec: EndpointSpec, *, only_due: bool = False) -> tuple[list[Imported], Matching]:
    """Read every source of the endpoint, then match the labels with a key; a source that fails stops no other.

    With ``only_due`` sources that were read less than READ_EVERY ago are left out.
    """
    imported = []
    with exclusive(stores.settings.home / "locks" / f"{spec.name}.import.lock", f"importing labels of {spec.name}"):
        progress = stores.label_sources.of(spec.name)
        for source in spec.label_sources:
            before = progress.get(source.name)
            if only_due and before is not None and timedelta(0) <= stores.now() - before.at < READ_EVERY:
                continue
            done, position = _import(stores, spec, source, {} if before is None else before.position)
            imported.append(done)
            error = "; ".join(done.faults) or None
            stores.label_sources.record(SourceProgress(spec.name, source.name, stores.now(), position, error=error))
    matching = match_keyed(stores, spec)
    _record_counts(stores, spec, [one.source for one in imported])
    return imported, matching


def import_file(stores: Stores, spec: EndpointSpec, source: LabelSource) -> tuple[Imported, Matching]:
    """Import the files of a source that is not in the YAML, however young they are; then match labels with a key."""
    reading = FileReading(source, Path.cwd(), {}, stores.now(), settled=False)
    return import_reading(stores, spec, source, reading), match_keyed(stores, spec)


def _import(
    stores: Stores, spec: EndpointSpec, source: LabelSource, before: Mapping[str, Any]
) -> tuple[Imported, Mapping[str, Any]]:
    """Import a source; return what it gave, and from where it is read the next time.

    An error of any kind is this source's fault: it is read again from where it was. Only its type is told, for its
    text may hold a row's values, or a URL.
    """
    try:
        reading = _reading(stores, source, before)
        return import_reading(stores, spec, source, reading), reading.position
    except Exception as error:  # noqa: BLE001 - a source that fails stops no other
        return Imported(source.name, faults=(f"the source cannot be imported ({type(error).__name__})",)), before


def import_reading(stores: Stores, spec: EndpointSpec, source: LabelSource, reading: Reading) -> Imported:
    """Store the rows of a reading, part by part."""
    context = _Context(spec, source, label_reader(stores, spec), stores.database.secret(), stores)
    total, refusals = Imported(source.name), list[str]()
    for part in reading.parts():
        labels, keyed, refused = _rows_of(context, part)
        refusals += [f"{row['place']}: {row['reason']}" for row in refused[: _MOST_FAULTS - len(refusals)]]
        total = replace(
            total,
            read=total.read + len(part.rows),
            labels=total.labels + write_labels(stores, spec, labels),
            keyed=total.keyed + append_keyed(stores, spec, keyed),
            refused=total.refused + len(refused),
        )
        append_keyed(stores, spec, refused)
    faults = tuple(reading.faults[:_MOST_FAULTS])
    return replace(total, faults=faults, refusals=tuple(refusals), left=getattr(reading, "left", 0))


def _rows_of(context: _Context, part: Part) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    """Return a part's labels, labels with a key, and refused rows."""
    labels, keyed, refused = list[dict[str, Any]](), list[dict[str, Any]](), list[dict[str, Any]]()
    for number, values in part.rows:
        try:
            made = _label(context, values)
            if made is not None:
                (labels if "keyed_id" not in made else keyed).append(made)
        except Exception as error:  # noqa: BLE001 - whatever a row does to its reader is that row's fault
            reason = str(error) if isinstance(error, RowError) else f"cannot be read ({type(error).__name__})"
            content = _content(part.place, number, values)
            place = f"{part.place}, row {number}"
            refused.append(refused_row(context.source.name, place, content, reason, context.stores.now()))
    return labels, keyed, refused


def _label(context: _Context, values: Values | str) -> dict[str, Any] | None:
    """Return a row as a label, or as a label with a key; None for one without a label. Raises RowError."""
    if isinstance(values, str):
        raise RowError(values)
    row = read_row(context.source, values, context.stores.now())
    return None if row is None else _label_of(context, row)


def _label_of(context: _Context, row: SourceRow) -> dict[str, Any]:
    now, label, origin = context.stores.now(), context.to_label(row.label), Origin(context.source.name)
    if row.prediction_id is not None:
        try:
            request, index = parse_prediction_id(row.prediction_id, context.spec.name, context.secret)
        except UnknownError:
            raise RowError("the endpoint never made a prediction with this id") from None
        made = label_row(request, index, label, row.labelled_at or now, now, origin)
        if row.labelled_at is not None:
            return made
        return made | {"label_id": content_id("as read", made["prediction_id"], label, context.source.name)}
    key: RequestKey | EntityKey
    if row.request is not None:
        key = RequestKey(*row.request)
    else:
        assert row.entity is not None and row.time is not None  # noqa: S101, PT018 - one of three keys
        key = EntityKey(row.entity, row.time, context.source.within)
    return keyed_row(key, label, row.labelled_at, now, now + context.spec.label_horizon, origin)


def _content(place: str, number: int, values: Values | str) -> str:
    """Return a hash of a refused row, equal whenever the same row is read again."""
    if isinstance(values, str):
        return content_id(place, number, values)
    return content_id(*(part for name in sorted(values) for part in (name, values[name])))


def _reading(stores: Stores, source: LabelSource, position: Mapping[str, Any]) -> Reading:
    if source.kind == "files":
        return FileReading(source, Path.cwd(), position, stores.now())
    if source.kind == "delta":
        return DeltaReading(source, Path.cwd(), position, stores.now())
    return DatabaseReading(source, Path.cwd(), position, stores.now())


def _record_counts(stores: Stores, spec: EndpointSpec, names: Sequence[str]) -> None:
    """Count what the lake holds of these sources: whatever was killed before, the numbers are those of the rows."""
    known = stores.label_sources.of(spec.name)
    counted = counts_of(stores, spec)
    for name in names:
        counts = counted.get(name)
        if counts is not None:
            stores.label_sources.record(
                replace(
                    known[name],
                    rows=counts.rows,
                    matched=counts.matched,
                    unmatched=counts.waiting,
                    refused=counts.refused,
                )
            )
