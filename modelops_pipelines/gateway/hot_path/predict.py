"""The hot path: one prediction request from its headers to its answer. Plain ASGI; the other routes are FastAPI's."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

import orjson

from modelops_pipelines.core.errors import ModelOpsError, OverloadError, PredictionError
from modelops_pipelines.core.ids import ENTROPY_BYTES, RequestId, new_request_id
from modelops_pipelines.gateway.access.keyring import Keyring
from modelops_pipelines.gateway.access.limiter import Limiter
from modelops_pipelines.gateway.bodies.csv import read_csv
from modelops_pipelines.gateway.bodies.headers import Call, DisconnectedError, event_time_of
from modelops_pipelines.gateway.bodies.mlflow_json import read_json
from modelops_pipelines.gateway.bodies.open_inference import read_infer, render_infer
from modelops_pipelines.gateway.bodies.typed_columns import Columns, check_rows, typed_columns
from modelops_pipelines.gateway.hot_path.durable_capture import Capture
from modelops_pipelines.gateway.hot_path.prediction_record import OK, Exchange, record_of
from modelops_pipelines.gateway.hot_path.random_bytes import Entropy
from modelops_pipelines.gateway.http.errors import INTERNAL, body_of, code_of, headers_of, status_of
from modelops_pipelines.gateway.model_runtime.loaded_model import Outcome, Rows
from modelops_pipelines.gateway.worker.served import Served
from modelops_pipelines.gateway.worker.state_follower import Serving

INTERNAL_ERROR = 500
MIB = 1024 * 1024
LARGE_BODY = MIB // 4
"""From here on a body is read in a thread: it would keep everyone else waiting for milliseconds, or seconds."""
CSV_TYPES = frozenset({"text/csv", "application/csv"})
Body = Callable[[int], Awaitable[bytes]]
_LOG = logging.getLogger("modelops.gateway")


@dataclass(frozen=True)
class Answer:
    """What goes back to the caller."""

    status: int
    content: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Predictor:
    """Answers prediction requests; nothing leaves before it is captured."""

    def __init__(self, serving: Serving, keyring: Keyring, limiter: Limiter, capture: Capture, secret: bytes) -> None:
        """Use the worker's serving state, keys, limits and spool; ``secret`` seals request ids."""
        self._serving, self._keyring, self._limiter = serving, keyring, limiter
        self._capture, self._secret = capture, secret
        self._entropy = Entropy()

    async def answer(self, endpoint: str, call: Call, body: Body, *, infer: bool) -> Answer:
        """Return the answer; ``body`` reads the body up to so many bytes, ``infer`` says that it is of that protocol.

        A caller who may not ask, or asks for what does not exist, is no row of any log; every other request is one,
        whatever comes of it.
        """
        try:
            caller = self._keyring.authenticate(call.key, call.received)
            caller.require("predict", endpoint)
            served = self._serving.endpoint(endpoint)
        except ModelOpsError as error:
            return _refusal(error, None)
        exchange = Exchange(call, served.spec, caller.key_id, call.is_test or caller.mode == "test", call.client)
        answer = await self._try(exchange, served, body, infer=infer)
        exchange.milliseconds = (time.perf_counter() - call.started) * 1000
        return await self._captured(exchange, served, answer)

    async def _try(self, exchange: Exchange, served: Served, body: Body, *, infer: bool) -> Answer:
        """Predict, or turn whatever went wrong into an answer."""
        try:
            content = await body(served.spec.limits.body_mib * MIB)
            await self._let_in(exchange)
            with served.admitted(self._serving.workers):
                return await self._predict(exchange, served, content, infer=infer)
        except DisconnectedError:
            raise
        except ModelOpsError as error:
            return self._failed(exchange, error, error.__cause__)
        except Exception as error:  # noqa: BLE001 - whatever it was, the caller gets the one shape and the log the rest
            return self._failed(exchange, INTERNAL, error)

    async def _let_in(self, exchange: Exchange) -> None:
        """Count the request towards its limits; raises LimitError where one is reached."""
        asked = exchange.spec, exchange.key_id, exchange.call.user
        if self._limiter.shared:
            await self._limiter.check_shared(*asked)
        else:
            self._limiter.check(*asked)

    async def _predict(self, exchange: Exchange, served: Served, content: bytes, *, infer: bool) -> Answer:
        event_time = event_time_of(exchange.call, served.spec)
        exchange.variant, batcher = served.choose(exchange.call.sticky)
        read = partial(_read, exchange, content, batcher.model.version.inputs, infer=infer)
        columns, rows = await asyncio.to_thread(read) if len(content) > LARGE_BODY else read()
        outcome = await _in_time(batcher.submit(Rows(columns, rows)), served)
        exchange.request = self._request_id(exchange, event_time, rows)
        answer = Answer(OK, _rendered(exchange, outcome, exchange.request.text, infer=infer))
        exchange.columns, exchange.outcome = columns, outcome
        return answer

    def _failed(self, exchange: Exchange, error: ModelOpsError, cause: BaseException | None) -> Answer:
        """Turn an error into an answer; a failure of ours or of the model is logged under the answer's request id.

        The id counts no rows: nothing was predicted, so no label or feedback can be for it.
        """
        exchange.request = self._request_id(exchange, exchange.call.received, 0)
        exchange.status, exchange.error = status_of(error), code_of(error)
        if exchange.status == INTERNAL_ERROR:
            more = {"request_id": exchange.request.text, "endpoint": exchange.spec.name}
            _LOG.error(error.message, exc_info=cause, extra=more)
        return _refusal(error, exchange.request.text)

    async def _captured(self, exchange: Exchange, served: Served, answer: Answer) -> Answer:
        """Make the request's row durable; an answer that cannot be captured is withheld."""
        request, call = exchange.request, exchange.call
        if request is None:
            raise AssertionError("an exchange ends with a request id, answered or failed")
        try:
            await self._capture.write(served.spec.name, "predictions", record_of(exchange, request))
        except ModelOpsError as error:
            answer = _refusal(error, request.text)
        version = exchange.variant.version if exchange.variant and not exchange.is_test else None
        took = (time.perf_counter() - call.started) * 1000
        served.live.add(
            time.time(),
            request.rows,
            answer.status,
            took,
            version,
            call.user or call.session,
            failed=exchange.status >= INTERNAL_ERROR,
        )
        return answer

    def _request_id(self, exchange: Exchange, event_time: datetime, rows: int) -> RequestId:
        return new_request_id(exchange.spec.name, event_time, rows, self._entropy.take(ENTROPY_BYTES), self._secret)


def _read(exchange: Exchange, content: bytes, inputs: Mapping[str, str], *, infer: bool) -> tuple[Columns, int]:
    """Return the body's rows as columns of the inputs' types, in whichever form they came."""
    names = list(inputs)
    if infer:
        columns, rows, given = read_infer(content, names)
        exchange.client = given or exchange.client
    elif exchange.call.content_type in CSV_TYPES:
        columns, rows = read_csv(content, inputs)
    else:
        columns, rows = read_json(content, names)
    check_rows(rows)
    return typed_columns(columns, inputs), rows


async def _in_time(future: "asyncio.Future[Outcome]", served: Served) -> Outcome:
    """Wait for the outcome until the endpoint's deadline; raises OverloadError when it passes."""
    seconds = served.spec.limits.deadline.total_seconds()
    timer = asyncio.get_running_loop().call_later(seconds, _expire, future, seconds)
    try:
        return await future
    finally:
        timer.cancel()


def _expire(future: "asyncio.Future[Outcome]", seconds: float) -> None:
    if not future.done():
        error = OverloadError(f"The answer took longer than the deadline of {seconds:g} s", "Try again later")
        future.set_exception(error)


def _rendered(exchange: Exchange, outcome: Outcome, request_id: str, *, infer: bool) -> bytes:
    """Return the answer's body; raises PredictionError for an output that JSON cannot hold."""
    variant = exchange.variant
    version, role = (variant.version, variant.role) if variant else ("", "")
    if infer:
        body = render_infer(exchange.spec.name, version, role, request_id, exchange.client, outcome.output)
    else:
        body = {
            "predictions": outcome.output,
            "request_id": request_id,
            "model_version": version,
            "variant": role,
        }
    try:
        return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
    except TypeError as error:
        raise PredictionError(
            f"Version {version} answered what JSON cannot hold", "Let the model answer numbers or text"
        ) from error


def _refusal(error: ModelOpsError, request_id: str | None) -> Answer:
    return Answer(status_of(error), orjson.dumps(body_of(error, request_id)), headers_of(error))
