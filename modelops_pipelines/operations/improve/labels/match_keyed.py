"""Matches labels with a key to predictions, again and again until their time has passed.

The decisions are written to the table first, then the labels that follow from them: killed in between, the next call
writes the labels of all decisions again, each of which is the same row as before.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from modelops_pipelines.core.capture.keyed_labels import label_of
from modelops_pipelines.core.capture.spool_records import withdrawal_row
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.ids import content_id, time_of
from modelops_pipelines.core.improve.labels.matching import (
    Answered,
    Candidate,
    Match,
    joined_requests,
    match_of_entity,
    match_of_request,
    nearest,
    replaced,
)
from modelops_pipelines.core.tables.keyed_labels import KEYED_LABELS, MATCHED
from modelops_pipelines.core.tables.lake import INFERENCE_LOG
from modelops_pipelines.core.timestamps import from_micros, to_micros
from modelops_pipelines.operations.capture.keyed_rows import keyed_lock, keyed_table
from modelops_pipelines.operations.improve.labels.find_predictions import by_entity, by_request
from modelops_pipelines.operations.improve.labels.write_labels import write_labels
from modelops_pipelines.store.filesystem.files import exclusive
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.lake.arrow_schemas import arrow_schema
from modelops_pipelines.store.state.improve.label_sources import MATCHING, PENDING, SourceProgress
from modelops_pipelines.store.stores import Stores

Row = dict[str, Any]
_FILES = "files"


@dataclass(frozen=True)
class Matching:
    """What one call looked at and changed, in labels: ``moved`` ones found a nearer prediction, or none any more."""

    looked_at: int = 0
    matched: int = 0
    moved: int = 0
    written: int = 0


def match_keyed(stores: Stores, spec: EndpointSpec) -> Matching:
    """Match the endpoint's open labels with a key; write the labels that follow, and withdraw those of before.

    A label whose time has passed is looked at once more, and is final then. Nothing is read when neither labels nor
    predictions were added since the last call and no label's time has passed.
    """
    if stores.lake.table(spec.name, KEYED_LABELS.name) is None:
        return Matching()
    lock = stores.settings.home / "locks" / f"{spec.name}.label_matching.lock"
    with exclusive(lock, f"matching labels of {spec.name}"):
        return _match(stores, spec)


def _match(stores: Stores, spec: EndpointSpec) -> Matching:
    position = dict(stores.label_sources.of(spec.name).get(MATCHING, _progress(stores, spec, {})).position)
    files = _files_by_day(stores, spec)
    changed = {date.fromisoformat(day) for day, made in files.items() if position.get(_FILES, {}).get(day) != made}
    now = stores.now()
    unfinished = bool(position.get(PENDING))
    due = _read(stores, spec, "open_keyed_labels", {"everything": bool(changed), "now": now})
    decided = _decide(stores, spec, due, changed, now)
    if not decided and not unfinished:
        if changed:
            stores.label_sources.record(_progress(stores, spec, {_FILES: files}))
        return Matching(len(due))
    stores.label_sources.record(_progress(stores, spec, {**position, PENDING: True}))
    _store(stores, spec, decided)
    rows = _read(stores, spec, "matched_keyed_labels") if unfinished else decided
    written = write_labels(stores, spec, [label for row in rows for label in _labels(row, now)])
    stores.label_sources.record(_progress(stores, spec, {_FILES: files}))
    before = {row["keyed_id"]: row["prediction_id"] for row in due}
    matched = sum(row["status"] == MATCHED and before[row["keyed_id"]] is None for row in decided)
    moved = sum(before[row["keyed_id"]] not in (None, row["prediction_id"]) for row in decided)
    return Matching(len(due), matched, moved, written)


def _decide(
    stores: Stores, spec: EndpointSpec, due: Sequence[Row], changed: Collection[date], now: datetime
) -> list[Row]:
    """Return the rows that change, as they are to be."""
    requests = by_request(stores, spec, [row for row in due if row["client_request_id"] is not None], changed)
    nearby = by_entity(stores, spec, [row for row in due if row["entity"] is not None], changed, now)
    decided = []
    for row in due:
        open_ = bool(row["until"] >= now)
        if row["entity"] is None:
            found = joined_requests(_found(row), requests.get(row["keyed_id"], {}))
            match = match_of_request(found, row["row_index"], open_=open_)
            after = _after(row, match, open_=open_) | {"found": _written(found)}
        else:
            candidate = nearest(_known(row), nearby.get(row["keyed_id"]))
            after = _after(row, match_of_entity(candidate, open_=open_), open_=open_)
        if after != row:
            decided.append(after)
    return decided


def _after(row: Row, match: Match, *, open_: bool) -> Row:
    """Return the row with its match; what it was matched to before is kept beside it."""
    one = match.prediction
    prediction = None if one is None else one.prediction_id
    earlier = replaced(json.loads(row["earlier"] or "[]"), row["prediction_id"], prediction)
    return {
        **row,
        "status": match.status,
        "reason": match.reason,
        "prediction_id": prediction,
        "event_time": None if one is None else one.event_time,
        "earlier": json.dumps(earlier) if earlier else None,
        "open": open_,
    }


def _labels(row: Row, now: datetime) -> list[Row]:
    """Return the labels that a row stands for: that of its match, and those of earlier ones with their withdrawals."""
    labels = []
    if row["prediction_id"] is not None:
        labels.append(label_of(row, row["prediction_id"], row["event_time"]))
    for earlier in json.loads(row["earlier"] or "[]"):
        made = label_of(row, earlier, _event_time(earlier))
        labels += [made, withdrawal_row(made, now)]
    return labels


def _event_time(prediction_id: str) -> datetime:
    moment = time_of(prediction_id.rpartition("-")[0])
    if moment is None:
        raise ValueError(f"{prediction_id!r} has no event time")
    return moment


def _store(stores: Stores, spec: EndpointSpec, decided: Sequence[Row]) -> None:
    """Replace these rows in the table; those that were erased meanwhile stay away."""
    if not decided:
        return
    table, by_id = keyed_table(spec), {row["keyed_id"]: row for row in decided}
    days = sorted({row["date"] for row in decided})
    with keyed_lock(stores.settings, spec.name):
        with stores.lake.query(spec.name, [table], days) as connected:
            there = connected.table(table.name).to_arrow_table().cast(arrow_schema(table))
        changes = pc.is_in(there.column("keyed_id"), pa.array(list(by_id), pa.string()))
        present = there.filter(changes).column("keyed_id").to_pylist()
        new = pa.Table.from_pylist([by_id[one] for one in present], schema=arrow_schema(table))
        whole = pa.concat_tables([there.filter(pc.invert(changes)), new])
        stores.writer.replace_days(spec.name, table, whole, days)


def _read(
    stores: Stores, spec: EndpointSpec, query: str, parameters: Mapping[str, Any] = MappingProxyType({})
) -> list[Row]:
    with stores.lake.query(spec.name, [keyed_table(spec)]) as connected:
        found = connected.sql(sql.named(query), params=dict(parameters)).to_arrow_table()
    return list(found.select(list(KEYED_LABELS.names)).to_pylist())


def _known(row: Row) -> Candidate | None:
    return None if row["prediction_id"] is None else Candidate(row["event_time"], row["prediction_id"])


def _found(row: Row) -> Mapping[str, Answered]:
    said = json.loads(row["found"] or "{}")
    return {request: Answered(rows, from_micros(micros), *own) for request, (rows, micros, *own) in said.items()}


def _written(found: Mapping[str, Answered]) -> str | None:
    said = {name: [rows, to_micros(at), *([True] if own else [])] for name, (rows, at, own) in found.items()}
    return json.dumps(said) if said else None


def _files_by_day(stores: Stores, spec: EndpointSpec) -> dict[str, str]:
    """Return a hash of the names of the log's files of each day: it differs once rows were added."""
    days: dict[str, list[str]] = {}
    for file in stores.lake.files(spec.name, INFERENCE_LOG.name):
        days.setdefault(file.partition("/date=")[2][:10], []).append(file.rpartition("/")[2])
    return {day: content_id(*sorted(names)) for day, names in days.items()}


def _progress(stores: Stores, spec: EndpointSpec, position: Mapping[str, Any]) -> SourceProgress:
    return SourceProgress(spec.name, MATCHING, stores.now(), position)
