"""The hot path: one prediction request from body to answer. Plain ASGI; everything else is FastAPI's (routes.py)."""

import asyncio
import logging
import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import orjson

from modelops_pipelines.core.answers import Answer, interpret
from modelops_pipelines.core.errors import InputError, ModelOpsError, PredictionError, TooLargeError
from modelops_pipelines.core.ids import ENTROPY_BYTES, RequestId, new_request_id
from modelops_pipelines.core.rollout import Variant
from modelops_pipelines.gateway.bodies import Columns, read_body
from modelops_pipelines.gateway.capture import Capture
from modelops_pipelines.gateway.errors import INTERNAL, body_of, code_of, headers_of, status_of
from modelops_pipelines.gateway.frames import to_frame
from modelops_pipelines.gateway.serving import Loaded, Served, Serving

OK = 200
INTERNAL_ERROR = 500
THREADS = 2
FUTURE = timedelta(minutes=5)
MAX_BODY_BYTES = 64 * 1024 * 1024
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TOO_LARGE = TooLargeError(f"The body is over {MAX_BODY_BYTES >> 20} MiB", "Send fewer rows a request")
_LOG = logging.getLogger("modelops.gateway")


@dataclass(frozen=True)
class Call:
    """What a caller says beside the rows."""

    body: bytes
    sticky: bytes
    user: str | None
    session: str | None
    client: str | None
    event_time: str | None
    received: datetime
    started: float


@dataclass
class Reply:
    """An answer on its way out, with what the log will say of it."""

    status: int
    content: bytes
    request: RequestId
    variant: Variant | None = None
    columns: Columns = field(default_factory=dict)
    predictions: list[Answer] | None = None
    scores: list[float] | None = None
    error: str | None = None
    replayed: bool = False


class Predictor:
    """Answers prediction requests; nothing leaves before it is captured."""

    def __init__(self, serving: Serving, capture: Capture, secret: bytes) -> None:
        """Use the worker's serving state and its spool; ``secret`` seals request ids."""
        self._serving, self._capture, self._secret = serving, capture, secret
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="predict")

    async def answer(self, endpoint: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        """Return status and body; an error has the one shape of errors.py."""
        call = _call(headers, body)
        try:
            served = self._serving.endpoint(endpoint)
        except ModelOpsError as error:
            return status_of(error), orjson.dumps(body_of(error, None))
        reply = await asyncio.get_running_loop().run_in_executor(self._pool, self._reply, served, call)
        milliseconds = (time.perf_counter() - call.started) * 1000
        try:
            await self._capture.write(endpoint, "predictions", _record(reply, call, milliseconds))
        except ModelOpsError as error:
            reply.status, reply.content = status_of(error), orjson.dumps(body_of(error, reply.request.text))
        served.live.add(time.time(), reply.request.rows, reply.status, (time.perf_counter() - call.started) * 1000)
        return reply.status, reply.content

    def close(self) -> None:
        """Let running predictions end."""
        self._pool.shutdown()

    def _reply(self, served: Served, call: Call) -> Reply:
        """Predict, or turn whatever went wrong into a reply; runs in a thread."""
        variant: Variant | None = None
        try:
            event_time = _event_time(served, call)
            variant, loaded = served.choose(call.sticky)
            return self._predict(served, call, event_time, variant, loaded)
        except ModelOpsError as error:
            return self._failed(served, call, variant, error, error.__cause__)
        except Exception as error:  # noqa: BLE001 - whatever it was, the caller gets the one shape and the log the rest
            return self._failed(served, call, variant, INTERNAL, error)

    def _predict(self, served: Served, call: Call, event_time: datetime, variant: Variant, loaded: Loaded) -> Reply:
        columns = read_body(call.body, loaded.version.inputs)
        rows = len(next(iter(columns.values())))
        output = _run(loaded, columns)
        predictions, scores = interpret(
            served.spec.task, output, rows, loaded.version.classes, served.spec.positive_label, loaded.version.output
        )
        request = self._request_id(served, event_time, rows)
        content = _content(output, request, variant)
        reply = Reply(OK, content, request, variant, columns, predictions, scores)
        reply.replayed = call.event_time is not None
        return reply

    def _failed(
        self,
        served: Served,
        call: Call,
        variant: Variant | None,
        error: ModelOpsError,
        cause: BaseException | None = None,
    ) -> Reply:
        """Turn an error into a reply; a failure of ours or of the model is logged under the reply's request id.

        The id counts no rows: nothing was predicted, so no label or feedback can be for it.
        """
        request = self._request_id(served, call.received, 0)
        status = status_of(error)
        if status == INTERNAL_ERROR:
            _LOG.error("endpoint %s, request %s: %s", served.spec.name, request.text, error.message, exc_info=cause)
        content = orjson.dumps(body_of(error, request.text))
        return Reply(status, content, request, variant, error=code_of(error))

    def _request_id(self, served: Served, event_time: datetime, rows: int) -> RequestId:
        return new_request_id(served.spec.name, event_time, rows, os.urandom(ENTROPY_BYTES), self._secret)


async def serve_prediction(predictor: Predictor, endpoint: str, scope: Any, receive: Any, send: Any) -> None:
    """Answer one ASGI request on the prediction path."""
    chunks, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        more = message.get("more_body", False) and size <= MAX_BODY_BYTES
    if size > MAX_BODY_BYTES:
        await _send(send, status_of(_TOO_LARGE), orjson.dumps(body_of(_TOO_LARGE, None)))
        return
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    await _send(send, *await predictor.answer(endpoint, headers, b"".join(chunks)))


async def _send(send: Any, status: int, content: bytes) -> None:
    extra = [(name.encode(), value.encode()) for name, value in headers_of(status).items()]
    kind = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*kind, *extra]})
    await send({"type": "http.response.body", "body": content})


def _call(headers: Mapping[str, str], body: bytes) -> Call:
    user, session = headers.get("x-user-id"), headers.get("x-session-id")
    sticky = user or session
    return Call(
        body=body,
        sticky=sticky.encode() if sticky else os.urandom(8),
        user=user,
        session=session,
        client=headers.get("x-client-request-id"),
        event_time=headers.get("x-event-time"),
        received=datetime.now(UTC),
        started=time.perf_counter(),
    )


def _event_time(served: Served, call: Call) -> datetime:
    """Return the clock's time, or the caller's own where the endpoint allows a replay."""
    if call.event_time is None:
        return call.received
    if not served.spec.allow_replay:
        raise InputError(
            f"Endpoint {served.spec.name!r} takes no event time from callers",
            "Leave the header X-Event-Time out, or set 'allow_replay: true' in the endpoint's YAML",
        )
    return parse_time(call.event_time, "X-Event-Time", call.received)


def parse_time(given: str, what: str, now: datetime) -> datetime:
    """Return a caller's time; raises InputError for what is no time with an offset, or lies in the future."""
    moment: datetime | None = None
    try:
        parsed = datetime.fromisoformat(given)
        moment = parsed.astimezone(UTC) if parsed.tzinfo else None
    except (ValueError, OverflowError):  # the latter when the offset leads out of the calendar
        moment = None
    if moment is None:
        raise InputError(f"{what} is {given[:60]!r}, no time with an offset", "Send ISO 8601, as 2026-01-31T12:00:00Z")
    if moment > now + FUTURE:
        raise InputError(f"{what} {given} lies in the future", "Send the time at which it happened")
    return moment


def _run(loaded: Loaded, columns: Columns) -> Any:
    frame = to_frame(columns, loaded.version.inputs)
    try:
        output = loaded.predict(frame)
    except Exception as error:  # a model's own code may raise anything; its text stays in the log
        raise PredictionError(
            f"Version {loaded.version.version} failed on this input", "See the gateway's log under this request id"
        ) from error
    return np.asarray(output)


def _content(output: Any, request: RequestId, variant: Variant) -> bytes:
    """Return the answer's body. By way of lists: orjson refuses arrays of text and those not in C order."""
    body = {
        "predictions": output.tolist(),
        "request_id": request.text,
        "model_version": variant.version,
        "variant": variant.role,
    }
    try:
        return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
    except TypeError as error:
        raise PredictionError(
            f"Version {variant.version} answered what JSON cannot hold", "Let the model answer numbers or text"
        ) from error


def _record(reply: Reply, call: Call, milliseconds: float) -> dict[str, Any]:
    return {
        "id": reply.request.text,
        "t": micros(reply.request.event_time),
        "at": micros(call.received),
        "version": reply.variant.version if reply.variant else None,
        "variant": reply.variant.role if reply.variant else None,
        "n": max(1, reply.request.rows),
        "status": reply.status,
        "error": reply.error,
        "ms": milliseconds,
        "user": call.user,
        "session": call.session,
        "client": call.client,
        "source": "replay" if reply.replayed else "live",
        "f": reply.columns,
        "p": reply.predictions,
        "s": reply.scores,
    }


def micros(moment: datetime) -> int:
    """Return a moment as the spool keeps it: UTC microseconds."""
    return (moment - _EPOCH) // timedelta(microseconds=1)
