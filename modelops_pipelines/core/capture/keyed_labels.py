"""Rows of labels that name their prediction by a key: made by the gateway and by label sources, declared once."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from modelops_pipelines.core.capture.spool_records import OWN_ROUTE, Origin, label_row, response_record
from modelops_pipelines.core.ids import RequestId, content_id
from modelops_pipelines.core.tables.keyed_labels import KEYED_LABELS, NEW, REFUSED
from modelops_pipelines.core.timestamps import from_micros, to_micros

KEYED = "keyed"
"""The key of a record in the spool's stream of labels whose rows are these."""
_MOMENTS = frozenset(one.name for one in KEYED_LABELS.columns if one.type == "timestamp")
_BY_INGEST = frozenset({"worker", "segment", "date"})
KEYED_FIELDS = tuple(one for one in KEYED_LABELS.columns if one.name not in _BY_INGEST)


@dataclass(frozen=True)
class RequestKey:
    """A row of the request that its caller gave this id."""

    client_request_id: str
    row: int = 0


@dataclass(frozen=True)
class EntityKey:
    """The newest prediction of which these columns have these values, at most ``within`` before ``time``."""

    values: Mapping[str, Any]
    time: datetime
    within: timedelta

    def written(self) -> str:
        """Return the values as JSON, in order of their names."""
        return json.dumps(dict(sorted(self.values.items())), ensure_ascii=False, default=str)


def keyed_row(
    key: RequestKey | EntityKey,
    label: str | float,
    labelled_at: datetime | None,
    received_at: datetime,
    until: datetime,
    origin: Origin = OWN_ROUTE,
) -> dict[str, Any]:
    """Return the row of a label with a key; without ``labelled_at`` it counts from when it was received.

    Its id is a hash of all that was said, and of nothing that a second reading of the same row would change. Callers'
    own ids are each API key's own, so that the key that sent one is in the hash: two keys may number their requests
    alike, and say the same of theirs. A row of a source has no key, and the id that it always had.
    """
    requested = isinstance(key, RequestKey)
    asked = (key.client_request_id, key.row) if isinstance(key, RequestKey) else (key.written(), to_micros(key.time))
    said = (origin.source, origin.author, requested, *asked, label, _micros(labelled_at))
    by = (origin.key_id,) if requested and origin.key_id is not None else ()
    row = _blank(content_id(*said, *by), received_at, until)
    if isinstance(key, RequestKey):
        row |= {"client_request_id": key.client_request_id, "row_index": key.row}
    else:
        row |= {"entity": key.written(), "entity_time": to_micros(key.time)}
        row["within"] = int(key.within.total_seconds())
    times = {"labelled_at": to_micros(labelled_at or received_at)}
    return {**row, **vars(origin), "label": label, **times, "status": NEW, "open": True}


def refused_row(source: str, place: str, content: str, reason: str, received_at: datetime) -> dict[str, Any]:
    """Return the row that says why a source's row is no label; ``content`` is a hash of it, no value is kept."""
    row = _blank(content_id("refused", source, content), received_at, received_at)
    return {**row, "source": source, "place": place, "status": REFUSED, "reason": reason, "open": False}


def label_of(keyed: Mapping[str, Any], prediction_id: str, event_time: datetime) -> dict[str, Any]:
    """Return the label that a row of the table is for a prediction; the same two always give the same label."""
    request, _, row = prediction_id.rpartition("-")
    origin = Origin(keyed["source"], keyed["author"], keyed["key_id"])
    at, received = keyed["labelled_at"], keyed["received_at"]
    made = label_row(RequestId(request, event_time, int(row) + 1), int(row), keyed["label"], at, received, origin)
    return made | {"label_id": content_id("label of", keyed["keyed_id"], prediction_id)}


def labels_record(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the record of a call with these labels, some or all of them with a key."""
    keyed = [row for row in rows if "keyed_id" in row]
    if not keyed:
        return response_record(rows)
    plain = [row for row in rows if "keyed_id" not in row]
    return {**(response_record(plain) if plain else {}), KEYED: keyed}


def keyed_columns(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of the spool as the table has it; raises LookupError or TypeError for another object."""
    known = {one.name: row[one.name] for one in KEYED_FIELDS}
    return known | {name: None if known[name] is None else from_micros(known[name]) for name in _MOMENTS}


def _micros(moment: datetime | None) -> int | None:
    return None if moment is None else to_micros(moment)


def _blank(number: str, received_at: datetime, until: datetime) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(one.name for one in KEYED_FIELDS)
    return row | {"keyed_id": number, "received_at": to_micros(received_at), "until": to_micros(until)}
