"""The published layouts of other platforms' logs: a record of theirs becomes rows with the columns of ``MAPPING``.

They were written after what the platforms publish, and never met a real platform: docs/logs-from-elsewhere.md.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from modelops_pipelines.core.capture.elsewhere.mapping import LogMapping
from modelops_pipelines.core.capture.elsewhere.values import RefusedValueError, micros_of
from modelops_pipelines.operations.capture.elsewhere.payloads import Row, answers, parsed, request_rows

OK, FAILED = 200, 400
MOST_WAITING = 100_000
"""CloudEvents whose other half has not come yet: more are refused, so that memory is bounded."""
MOST_BYTES_WAITING = 256 * 1024 * 1024
"""Bytes of these events as JSON: one alone may have 16 MiB."""
MAPPING = LogMapping(
    id=("@id",),
    time="@time",
    time_unit="us",
    version="@version",
    user="@user",
    prediction="@prediction",
    score="@score",
    probabilities=("@probabilities",),
    status="@status",
    latency_ms="@latency_ms",
    row="@row",
    rows="@rows",
)
"""The columns that every record's rows have; all others are features."""
Record = Mapping[str, Any]
Rows = Iterator[Row]


@dataclass
class Layout:
    """How one platform's records are read; ``rows`` yields a record's rows, or raises RefusedValueError.

    ``leftover`` is how many records were never complete; ``names`` are those of features that have none.
    """

    names: tuple[str, ...] = ()
    answers_are: str = "class"
    waiting: dict[str, dict[str, Any]] = field(default_factory=dict)
    bytes_waiting: int = 0

    def databricks(self, record: Record) -> Rows:
        """Read a row of an inference table: of a model serving endpoint, or of one behind the AI gateway."""
        metadata = dict(record.get("request_metadata") or {})
        when = record.get("timestamp_ms")
        shared = {
            "@id": record.get("databricks_request_id"),
            "@time": micros_of(record["request_time"]) if when is None else micros_of(when, "ms"),
            "@version": metadata.get("model_version") or record.get("served_entity_id"),
            "@user": record.get("requester"),
            "@status": record.get("status_code"),
            "@latency_ms": record.get("execution_time_ms", record.get("execution_duration_ms")),
        }
        yield from self._rows(shared, record.get("request"), record.get("response"))

    def sagemaker(self, record: Record) -> Rows:
        """Read a line of a data capture file."""
        data, event = record["captureData"], record["eventMetadata"]
        given, answer = data.get("endpointInput") or {}, data.get("endpointOutput") or {}
        shared = {"@id": event.get("inferenceId") or event.get("eventId"), "@time": micros_of(event["inferenceTime"])}
        yield from self._rows(shared, _captured(given), _captured(answer))

    def kserve(self, record: Record) -> Rows:
        """Read a CloudEvent of an inference logger (KServe, Seldon's MLServer); a request waits for its response."""
        kind, number = str(record.get("type", "")).rpartition(".")[2], str(record.get("requestid") or record.get("id"))
        if kind not in ("request", "response"):
            raise RefusedValueError("the event is neither an inference request nor a response")
        pair = self.waiting.pop(number, {})
        self.bytes_waiting -= sum(map(_size, pair.values()))
        pair[kind] = record
        if len(pair) < 2:  # noqa: PLR2004 - both halves
            self._wait(number, pair, _size(record))
            return
        asked, answered = pair["request"], pair["response"]
        body = _event_body(answered)
        named = body if isinstance(body, Mapping) else {}
        version = named.get("model_version") or asked.get("inferenceservicename")
        shared = {"@id": number, "@time": micros_of(asked.get("time")), "@version": version}
        yield from self._rows(shared, _event_body(asked), body)

    def _wait(self, number: str, pair: dict[str, Any], size: int) -> None:
        if len(self.waiting) >= MOST_WAITING or self.bytes_waiting + size > MOST_BYTES_WAITING:
            raise RefusedValueError("too many events wait for their other half")
        self.waiting[number] = pair
        self.bytes_waiting += size

    def unread(self) -> int:
        """Return how many records wait for another half that has not come."""
        return len(self.waiting)

    def _rows(self, shared: Row, request: Any, response: Any) -> Rows:
        """Yield the rows of a request with their answers; one row without any where it failed."""
        status = shared.get("@status")
        if status is not None and int(status) >= FAILED:
            yield {**shared, "@row": 0, "@rows": 1}
            return
        rows = request_rows(parsed(request), self.names)
        answered = answers(parsed(response), self.answers_are)
        if len(rows) != len(answered):
            raise RefusedValueError(f"the request has {len(rows)} rows, and the response {len(answered)} answers")
        for place, (row, answer) in enumerate(zip(rows, answered, strict=True)):
            plain = {str(name): value for name, value in row.items() if not str(name).startswith("@")}
            yield {**plain, **shared, **answer, "@row": place, "@rows": len(rows)}


def _size(record: Record) -> int:
    return len(orjson.dumps(record, default=str, option=orjson.OPT_NON_STR_KEYS))


def _captured(part: Record) -> Any:
    """Return a captured body; CSV, which has no names, as instances of numbers where they are numbers."""
    body = parsed(part.get("data"), str(part.get("observedContentType") or ""), str(part.get("encoding") or ""))
    if isinstance(body, list) and body and all(isinstance(line, list) and _texts(line) for line in body):
        return [[_number_or_text(value) for value in line] for line in body]
    return body


def _texts(line: list[Any]) -> bool:
    return all(isinstance(value, str) for value in line)


def _number_or_text(value: str) -> str | float | None:
    try:
        return float(value)
    except ValueError:
        return value or None


def _event_body(event: Record) -> Any:
    if "data_base64" in event:
        return parsed(event["data_base64"], encoding="BASE64")
    return parsed(event.get("data"))


LAYOUTS: Mapping[str, Callable[[Layout], Callable[[Record], Rows]]] = {
    "databricks": lambda layout: layout.databricks,
    "sagemaker": lambda layout: layout.sagemaker,
    "kserve": lambda layout: layout.kserve,
}
"""The layouts by name; MLServer's events are those of ``kserve``."""
