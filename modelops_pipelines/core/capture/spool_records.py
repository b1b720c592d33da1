"""The spool's records, declared once: what the gateway writes, and how it becomes columns of the log.

A record is one line of the spool, a JSON object. The stream ``predictions`` has a record for each request; ``labels``
and ``feedback`` have one for each call, with a row for each label or feedback. A release reads the records of earlier
releases: a field that was added later may be absent, and no field changes its key or its meaning.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, NotRequired, TypedDict, get_type_hints

from modelops_pipelines.core.ids import RequestId, content_id, prediction_id
from modelops_pipelines.core.models.predictions import Answer
from modelops_pipelines.core.tables.columns import Column, column, integer
from modelops_pipelines.core.tables.lake import FEEDBACK, INFERENCE_LOG, LABELS
from modelops_pipelines.core.timestamps import from_micros, to_micros

FIRST_RELEASE = "0.1"
_BY_INGEST = frozenset({"worker", "segment", "date"})
_COLUMNS = {one.name: one for one in INFERENCE_LOG.columns}


@dataclass(frozen=True)
class Field:
    """A field of a prediction record.

    ``per`` request: one value of the column for all rows of the request. ``per`` row: a list of the rows' values, or
    None without an answer. ``per`` record: not a column. ``absent`` is the value that a missing optional key stands
    for; records of releases before ``since`` never have the key.
    """

    column: Column
    per: Literal["request", "row", "record"] = "request"
    absent: Any = None
    since: str = FIRST_RELEASE


def _log(name: str, *, absent: Any = None, since: str = FIRST_RELEASE) -> Field:
    return Field(_COLUMNS[name], absent=absent, since=since)


class PredictionRecord(TypedDict):
    """A request, answered or failed. Moments are microseconds since 1970 in UTC, also among the features."""

    id: Annotated[str, _log("request_id")]
    t: Annotated[int, _log("event_time")]
    at: Annotated[int, _log("received_at")]
    version: Annotated[str | None, _log("model_version")]
    variant: Annotated[str | None, _log("variant")]
    n: Annotated[int, Field(integer("rows", "rows of the request; 1 if it failed"), "record")]
    status: Annotated[int, _log("status")]
    error: Annotated[str | None, _log("error_code")]
    ms: Annotated[float | None, _log("latency_ms")]
    user: Annotated[str | None, _log("user_id")]
    session: Annotated[str | None, _log("session_id")]
    client: Annotated[str | None, _log("client_request_id")]
    source: Annotated[str, _log("source")]
    key: Annotated[NotRequired[str | None], _log("key_id", since="0.2")]
    p: Annotated[list[Answer | None] | None, Field(_COLUMNS["prediction"], "row")]
    s: Annotated[Sequence[float | None] | None, Field(_COLUMNS["score"], "row")]
    f: Annotated[
        dict[str, list[Any]],
        Field(column("json", "features", "each feature's values by its name; empty when none are kept"), "record"),
    ]
    sampled: Annotated[NotRequired[bool], _log("sampled", absent=True, since="0.2")]
    truncated: Annotated[NotRequired[bool], _log("truncated", absent=False, since="0.2")]
    payload_hash: Annotated[NotRequired[str | None], _log("payload_hash", since="0.2")]
    params: Annotated[NotRequired[str | None], _log("request_params", since="0.3")]
    hit: Annotated[NotRequired[bool], _log("cache_hit", absent=False, since="0.3")]
    lost: Annotated[
        NotRequired[list[int] | None],
        Field(column("ints", "unanswered", "rows answered with NaN or an infinite number"), "record", since="0.3"),
    ]


NOT_FINITE = "not_finite"
"""The error code of a row without an answer in an answered request: the model gave NaN or an infinite number for it."""
SHARED = "_shared"
"""Ends the error code of a failure that the other version of a trial, or the previous champion, shares."""
PREDICTION_FIELDS: dict[str, Field] = {
    key: hint.__metadata__[0] for key, hint in get_type_hints(PredictionRecord, include_extras=True).items()
}
"""The fields by key, in the order in which they are written."""
OPTIONAL_KEYS: frozenset[str] = frozenset(PredictionRecord.__optional_keys__)
LABEL_FIELDS: tuple[Column, ...] = tuple(one for one in LABELS.columns if one.name not in _BY_INGEST)
FEEDBACK_FIELDS: tuple[Column, ...] = tuple(one for one in FEEDBACK.columns if one.name not in _BY_INGEST)
"""The fields of a row: the table's columns, without those that ingest adds."""
LATER_FIELDS = frozenset({"source", "author", "key_id", "withdraws", "categories", "given_at", "deletes"})
"""Fields of labels and feedback that release 0.3 and earlier ones do not know."""
_MOMENTS = frozenset(one.name for one in (*LABEL_FIELDS, *FEEDBACK_FIELDS) if one.type == "timestamp")


def _keys(per: str, *, moments: bool = False) -> tuple[tuple[str, str], ...]:
    """Return key and column of the fields of this kind."""
    fields = [(key, one) for key, one in PREDICTION_FIELDS.items() if one.per == per]
    return tuple((key, one.column.name) for key, one in fields if (one.column.type == "timestamp") == moments)


_SHARED, _SHARED_MOMENTS, _OWN = _keys("request"), _keys("request", moments=True), _keys("row")
_ABSENT = {key: PREDICTION_FIELDS[key].absent for key in OPTIONAL_KEYS}


def prediction_record(  # noqa: PLR0913 - a parameter for each field
    *,
    request_id: str,
    event_time: datetime,
    received_at: datetime,
    model_version: str | None,
    variant: str | None,
    rows: int,
    status: int,
    error_code: str | None,
    latency_ms: float | None,
    user_id: str | None,
    session_id: str | None,
    client_request_id: str | None,
    source: str,
    key_id: str | None,
    prediction: list[Answer | None] | None,
    score: Sequence[float | None] | None,
    features: Any,
    sampled: bool = True,
    payload_hash: str | None = None,
    request_params: str | None = None,
    cache_hit: bool = False,
    unanswered: Sequence[int] = (),
) -> PredictionRecord:
    """Return the record of a request; the parameters are named like the log's columns.

    ``features`` are lists by name, or the same already encoded as JSON; empty when they are not sampled, or are too
    large and ``payload_hash`` replaces them.
    """
    record: PredictionRecord = {
        "id": request_id,
        "t": to_micros(event_time),
        "at": to_micros(received_at),
        "version": model_version,
        "variant": variant,
        "n": rows,
        "status": status,
        "error": error_code,
        "ms": latency_ms,
        "user": user_id,
        "session": session_id,
        "client": client_request_id,
        "source": source,
        "key": key_id,
        "p": prediction,
        "s": score,
        "f": features,
    }
    if not sampled:
        record["sampled"] = False
    if payload_hash is not None:
        record["truncated"] = True
        record["payload_hash"] = payload_hash
    if request_params is not None:
        record["params"] = request_params
    if cache_hit:
        record["hit"] = True
    if unanswered:
        record["lost"] = list(unanswered)
    return record


@dataclass(frozen=True)
class Origin:
    """Where a label came from: the source (None: the gateway's route), the person, and the API key."""

    source: str | None = None
    author: str | None = None
    key_id: str | None = None


OWN_ROUTE = Origin()


def label_row(
    request: RequestId,
    row: int,
    label: str | float,
    labelled_at: datetime,
    received_at: datetime,
    origin: Origin = OWN_ROUTE,
) -> dict[str, Any]:
    """Return the row of a label; its id is a hash of prediction, label, ``labelled_at`` and, if given, the source."""
    parts = (request.prediction_id(row), label, to_micros(labelled_at))
    number = content_id(*parts, *(() if origin.source is None else (origin.source, origin.author)))
    times = {"labelled_at": to_micros(labelled_at), "received_at": to_micros(received_at)}
    return {"label_id": number, **_identity(request, row), "label": label, **times, **vars(origin), "withdraws": None}


def withdrawal_row(label: Mapping[str, Any], received_at: datetime) -> dict[str, Any]:
    """Return the row that withdraws a label's row: that label counts no longer, in whatever order both arrive."""
    number = content_id("withdrawal of", label["label_id"])
    return {**label, "label_id": number, "received_at": to_micros(received_at), "withdraws": label["label_id"]}


@dataclass(frozen=True)
class Feedback:
    """A person's feedback on a prediction; ``corrected_label`` has the task's label type."""

    rating: int | None = None
    thumbs: str | None = None
    comment: str | None = None
    corrected_label: str | float | None = None
    user_id: str | None = None
    session_id: str | None = None
    categories: tuple[str, ...] = ()
    given_at: datetime | None = None


def feedback_row(
    request: RequestId, row: int, feedback: Feedback, received_at: datetime, key_id: str | None = None
) -> dict[str, Any]:
    """Return the row of feedback; its id is a hash of the prediction id and the whole feedback.

    What earlier releases did not know (categories, the time of giving) is in the hash only where it is given.
    """
    said = vars(feedback)
    categories = json.dumps(sorted(set(feedback.categories)), ensure_ascii=False) if feedback.categories else None
    given_at = None if feedback.given_at is None else to_micros(feedback.given_at)
    later = {"categories": categories, "given_at": given_at}
    first = {name: value for name, value in said.items() if name not in later}
    known = [(name, value) for name, value in later.items() if value is not None]
    number = content_id(request.prediction_id(row), *first.values(), *(part for pair in known for part in pair))
    known_since = {"received_at": to_micros(received_at), **later, "key_id": key_id, "deletes": None}
    return {"feedback_id": number, **_identity(request, row), **first, **known_since}


def deletion_row(request: RequestId, row: int, feedback_id: str, received_at: datetime) -> dict[str, Any]:
    """Return the row that deletes feedback: it counts no longer, in whatever order both arrive."""
    written = feedback_row(request, row, Feedback(), received_at)
    return {**written, "feedback_id": content_id("deletion of", feedback_id), "deletes": feedback_id}


def response_record(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the record of a call with these rows, all of them labels or all feedback.

    A field of a later release that no row has a value of is not written.
    """
    empty = {name for name in LATER_FIELDS if all(row.get(name) is None for row in rows)}
    return {"rows": [{name: value for name, value in row.items() if name not in empty} for row in rows]}


def _identity(request: RequestId, row: int) -> dict[str, Any]:
    return {
        "prediction_id": request.prediction_id(row),
        "request_id": request.text,
        "row_index": row,
        "event_time": to_micros(request.event_time),
    }


def prediction_columns(record: PredictionRecord) -> dict[str, list[Any]]:
    """Return the columns of a request's rows, features included; raises LookupError or TypeError for another object."""
    values: dict[str, Any] = _ABSENT | record
    rows = values["n"]
    shared = {name: [values[key]] * rows for key, name in _SHARED}
    moments = {name: [from_micros(values[key])] * rows for key, name in _SHARED_MOMENTS}
    own = {name: values[key] or [None] * rows for key, name in _OWN}
    for row in values["lost"] or ():
        shared["error_code"][row] = NOT_FINITE
    ids = [prediction_id(values["id"], row) for row in range(rows)]
    return {**values["f"], **shared, **moments, **own, "prediction_id": ids, "row_index": list(range(rows))}


def response_columns(record: dict[str, Any]) -> dict[str, list[Any]]:
    """Return the columns of a record of labels or feedback; raises LookupError or TypeError for another object."""
    rows = record["rows"]
    columns = {name: [row[name] for row in rows] for name in rows[0].keys()}  # noqa: SIM118 - raises for what is not a dict
    for name in _MOMENTS & columns.keys():
        columns[name] = [None if value is None else from_micros(value) for value in columns[name]]
    return columns
