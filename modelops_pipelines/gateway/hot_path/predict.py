"""One prediction request, from its headers to its answer. Plain ASGI, because FastAPI would cost more per request."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from modelops_pipelines.core.capture.spool_records import SHARED
from modelops_pipelines.core.endpoints.explain import AUTO
from modelops_pipelines.core.errors import ConflictError, ModelOpsError, OverloadError, TooLargeError
from modelops_pipelines.core.explanations.explained import Explanation
from modelops_pipelines.core.foreign_text import error_trace
from modelops_pipelines.core.ids import ENTROPY_BYTES, RequestId, new_request_id
from modelops_pipelines.core.models.typed_columns import check_rows
from modelops_pipelines.core.release.desired_state import Variant
from modelops_pipelines.core.timestamps import to_micros
from modelops_pipelines.gateway.access.keyring import Caller, Keyring
from modelops_pipelines.gateway.access.limiter import Limiter
from modelops_pipelines.gateway.bodies.content_types import is_csv_type
from modelops_pipelines.gateway.bodies.headers import Call, event_time_of
from modelops_pipelines.gateway.bodies.model_rows import in_types, read_csv_rows, read_inference, read_json_rows
from modelops_pipelines.gateway.bodies.open_inference import PROTOCOL_PARAMETERS
from modelops_pipelines.gateway.hot_path.answers import Answer, error_answer, rendered
from modelops_pipelines.gateway.hot_path.cache import keep_outcome, kept_outcome
from modelops_pipelines.gateway.hot_path.durable_capture import Capture
from modelops_pipelines.gateway.hot_path.explanations import (
    KnownReferences,
    check_explainable,
    explain_in_turn,
    is_asked,
)
from modelops_pipelines.gateway.hot_path.prediction_record import OK, Exchange, record_of
from modelops_pipelines.gateway.hot_path.random_bytes import Entropy
from modelops_pipelines.gateway.http.errors import INTERNAL, UNAVAILABLE, code_of, status_of
from modelops_pipelines.gateway.model_runtime.batching import Batcher
from modelops_pipelines.gateway.worker.ended_workers import call_of
from modelops_pipelines.gateway.worker.live_metrics import Judged
from modelops_pipelines.gateway.worker.replays import Replay
from modelops_pipelines.gateway.worker.request_marks import LeftBehind, Mark, RequestMarks, UnderWay, digest_of
from modelops_pipelines.gateway.worker.served_endpoint import ServedEndpoint
from modelops_pipelines.gateway.worker.state_follower import Serving
from modelops_pipelines.operations.model_runtime.loaded_model import Model, Outcome, Rows

INTERNAL_ERROR = 500
CRASHED = frozenset({"crash", "refused_row"})
"""Codes of the errors of requests that crashed their version, now or before."""
TIMED_ROWS = 1000
MIB = 1024 * 1024
LARGE_BODY = MIB // 4
"""A larger body is parsed in a thread: on the event loop it would delay other requests by milliseconds or more."""
Body = Callable[[int, float], Awaitable[bytes]]
"""Reads a body of at most so many bytes, in at most so many seconds."""
STALE_SECONDS = 0.1
"""After so long a worker may have learned of another state; a body that took no longer is as good as its header."""
T = TypeVar("T")
_LOG = logging.getLogger("modelops.gateway")


class Predictor:
    """Answers prediction requests; no answer is sent before it is captured durably."""

    def __init__(
        self,
        serving: Serving,
        keyring: Keyring,
        limiter: Limiter,
        capture: Capture,
        secret: bytes,
        references: KnownReferences,
    ) -> None:
        """Use the worker's serving state, keys, limits and spool; ``secret`` signs request ids.

        ``references`` are the rows that explanations refer to.
        """
        self._serving, self._keyring, self._limiter = serving, keyring, limiter
        self._capture, self._secret, self._references = capture, secret, references
        self._entropy = Entropy()
        self.marks: RequestMarks | None = None

    async def record_unanswered(self, left: LeftBehind, cause: str | None) -> None:
        """Write the records of requests that a worker had under way when it ended: status 500, and no prediction.

        ``cause`` is the signal that it brought upon itself; without one it was ended from outside.
        """
        for request, _ in left.requests:
            try:
                served = self._serving.endpoint(request.endpoint)
            except ModelOpsError:
                continue
            call = call_of(request)
            exchange = Exchange(call, served.spec, request.key_id, request.is_test, request.client)
            exchange.variant = Variant(request.version, request.variant, 0)
            exchange.status, exchange.error = INTERNAL_ERROR, "crash" if cause else "interrupted"
            exchange.milliseconds = max(0.0, (datetime.now(UTC) - call.received).total_seconds() * 1000)
            exchange.request = self._request_id(exchange, call.received, 0)
            is_own = cause is not None and not request.own_process
            await self._capture_exchange(exchange, served, Answer(INTERNAL_ERROR, b""), failed=is_own)

    async def answer(self, endpoint: str, call: Call, body: Body, *, infer: bool, query: bytes = b"") -> Answer:
        """Return the answer; ``infer`` selects the Open Inference Protocol, ``query`` may ask for explanations.

        Key and endpoint are judged before the body is read, so that a stranger's is not, and again when it has come.
        Unauthorised requests and requests to an unknown endpoint are not logged; every other request is, also failed
        ones. Raises DisconnectedError when the caller disconnects before the body is complete.
        """
        try:
            generation = self._keyring.generation
            caller = self._keyring.authenticate(call.key, call.received)
            content = await _read_body(body, self._admit(endpoint, caller))
            if generation != self._keyring.generation or time.perf_counter() - call.started > STALE_SECONDS:
                caller = self._keyring.authenticate(call.key, datetime.now(UTC))
                self._admit(endpoint, caller)
            served = self._serving.endpoint(endpoint)
        except ModelOpsError as error:
            return error_answer(error, None)
        exchange = Exchange(call, served.spec, caller.key_id, call.is_test or caller.mode == "test", call.client)
        return await self._answer(exchange, served, content, query, infer=infer)

    async def answer_person(
        self, endpoint: str, caller: Caller, call: Call, content: bytes, query: bytes = b""
    ) -> tuple[Exchange, Answer]:
        """Answer a test call of a person on a page, whose session was looked up: as ``answer`` does from there on.

        ``content`` is JSON, no larger than any endpoint's limit. Raises ForbiddenError, UnknownError and ConflictError,
        which are not logged.
        """
        served = self._admit(endpoint, caller)
        exchange = Exchange(call, served.spec, caller.key_id, is_test=True, client=call.client)
        return exchange, await self._answer(exchange, served, content, query, infer=False)

    async def _answer(
        self, exchange: Exchange, served: ServedEndpoint, content: bytes | TooLargeError, query: bytes, *, infer: bool
    ) -> Answer:
        """Return the answer to a request of somebody who may predict, and log it."""
        try:
            answer = await self._try(exchange, served, content, query, infer=infer)
            exchange.milliseconds = exchange.milliseconds_until_now
            if exchange.status >= INTERNAL_ERROR:
                await _replay(exchange, served)
            return await self._capture_exchange(exchange, served, answer)
        finally:
            if exchange.mark is not None:
                exchange.mark.remove()

    def _admit(self, endpoint: str, caller: Caller) -> ServedEndpoint:
        """Return the endpoint for a caller who may predict; raises ForbiddenError, UnknownError or ConflictError."""
        caller.require("predict", endpoint)
        served = self._serving.endpoint(endpoint)
        if served.spec.is_elsewhere:
            raise ConflictError(
                f"Endpoint {endpoint!r} is served elsewhere: there is no model here that could predict",
                f"Send what was predicted elsewhere to POST /endpoints/{endpoint}/log",
            )
        return served

    async def _try(
        self, exchange: Exchange, served: ServedEndpoint, content: bytes | TooLargeError, query: bytes, *, infer: bool
    ) -> Answer:
        """Predict, or turn any exception into an error answer."""
        if isinstance(content, TooLargeError):
            return self._failure_answer(exchange, content, content.__cause__)
        try:
            await self._check_limits(exchange)
            with served.admit(self._serving.workers):
                explains = query != b"" and is_asked(query, served.spec, infer=infer)
                with served.admit_explaining(self._serving.workers) if explains else nullcontext():
                    return await self._predict(exchange, served, content, infer=infer, explains=explains)
        except ModelOpsError as error:
            return self._failure_answer(exchange, error, error.__cause__)
        except Exception as error:  # noqa: BLE001 - any error becomes a JSON answer; its details go to the log only
            return self._failure_answer(exchange, INTERNAL, error)

    async def _check_limits(self, exchange: Exchange) -> None:
        """Count the request towards its rate limits; raises LimitError when one is exceeded."""
        limited = exchange.spec, exchange.key_id, exchange.call.user
        if self._limiter.shared:
            await self._limiter.check_shared(*limited)
        else:
            self._limiter.check(*limited)

    async def _predict(
        self, exchange: Exchange, served: ServedEndpoint, content: bytes, *, infer: bool, explains: bool
    ) -> Answer:
        is_csv = is_csv_type(exchange.call.content_type, csv=not infer)
        event_time = event_time_of(exchange.call, served.spec)
        variant, batcher = served.choose(exchange.call.sticky)
        if not batcher.is_resident:
            left = served.spec.limits.deadline.total_seconds() - (time.perf_counter() - exchange.call.started)
            batcher = await self._serving.residency.wait_for(served, variant.version, left)
        exchange.variant = variant
        read = partial(_read_rows, exchange, content, batcher.model, infer=infer, is_csv=is_csv)
        rows = await asyncio.to_thread(read) if len(content) > LARGE_BODY else read()
        exchange.mark = self._mark(exchange, str(rows.digest), own_process=batcher.model.path.own_process)
        exchange.rows = rows = replace(rows, mark=exchange.mark)
        outcome = None
        if explains:
            check_explainable(rows)
        elif served.cache is not None:
            outcome = await kept_outcome(exchange, served.cache, variant, rows, is_large=len(content) > LARGE_BODY)
        if outcome is None:
            outcome = await _in_time(batcher.submit(rows), served, exchange.call.started)
        exchange.request = self._request_id(exchange, event_time, rows.count)
        if explains:
            exchange.explanations = await self._explain(exchange, served, batcher, outcome)
        answer = Answer(OK, rendered(exchange, outcome, exchange.request.text, infer=infer))
        exchange.outcome = outcome
        return answer

    async def _explain(
        self, exchange: Exchange, served: ServedEndpoint, batcher: Batcher, outcome: Outcome
    ) -> list[Explanation]:
        """Return the explanations of the answered rows; the time that they take is no latency of the prediction."""
        rows, policy, started = exchange.rows, served.spec.explain, time.perf_counter()
        if rows is None:
            raise AssertionError("an answered request has rows")
        reference = await asyncio.to_thread(self._references.of, served.spec, batcher.model.version)

        def in_time(future: "asyncio.Future[Any]") -> Awaitable[Any]:
            return _in_time(future, served, exchange.call.started)

        try:
            return await explain_in_turn(batcher, rows, outcome, reference, policy.method if policy else AUTO, in_time)
        finally:
            exchange.explaining = time.perf_counter() - started

    def _mark(self, exchange: Exchange, digest: str, *, own_process: bool) -> Mark | None:
        """Mark the request as under way; None before the worker has begun, or where there is no room."""
        call, variant, hidden = exchange.call, exchange.variant, exchange.spec.capture.redact
        if self.marks is None or variant is None:
            return None
        request = UnderWay(
            exchange.spec.name,
            variant.version,
            variant.role,
            digest,
            to_micros(call.received),
            None if "user_id" in hidden else call.user,
            None if "session_id" in hidden else call.session,
            None if "client_request_id" in hidden else exchange.client,
            exchange.key_id,
            exchange.is_test,
            own_process,
        )
        return self.marks.add(request)

    def _failure_answer(self, exchange: Exchange, error: ModelOpsError, cause: BaseException | None) -> Answer:
        """Return an error's answer, and log a status of 500 with the request id.

        The request id holds zero rows: without predictions, no label or feedback can refer to it.
        """
        exchange.request = self._request_id(exchange, exchange.call.received, 0)
        exchange.status, exchange.error = status_of(error), code_of(error)
        if exchange.status == INTERNAL_ERROR:
            more = {"request_id": exchange.request.text, "endpoint": exchange.spec.name}
            if cause is not None:
                more["exception"] = error_trace(cause, exchange.rows.columns.values() if exchange.rows else ())
            _LOG.error(error.message, extra=more)
        return error_answer(error, exchange.request.text)

    async def _capture_exchange(
        self, exchange: Exchange, served: ServedEndpoint, answer: Answer, *, failed: bool = True
    ) -> Answer:
        """Write the request's record and return the answer, or CaptureError's answer when that fails.

        A server error counts as the version's failure, unless ``failed`` is False.
        """
        request, call = exchange.request, exchange.call
        if request is None:
            raise AssertionError("every exchange has a request id, answered or failed")
        try:
            await self._capture.write(served.spec.name, "predictions", record_of(exchange, request))
        except ModelOpsError as error:
            answer = error_answer(error, request.text)
        took = exchange.milliseconds_until_now if call.started else exchange.milliseconds
        if not exchange.is_test:
            judged, is_hit = _judged(exchange, failed=failed), exchange.cache_hit and answer.status == OK
            served.live.add(time.time(), request.rows, answer.status, took, judged, cache_hit=is_hit)
        if answer.status == OK:
            _time_again(exchange, served)
            if served.cache is not None:
                keep_outcome(exchange, served.cache)
        return answer

    def _request_id(self, exchange: Exchange, event_time: datetime, rows: int) -> RequestId:
        return new_request_id(exchange.spec.name, event_time, rows, self._entropy.take(ENTROPY_BYTES), self._secret)


def _judged(exchange: Exchange, *, failed: bool) -> Judged | None:
    """Return what the guards count of a request that is no test call; None when no version was asked.

    So for a hit of the cache, which says nothing of the version: the busier one would have more of them.
    """
    if exchange.variant is None or exchange.cache_hit:
        return None
    caller = exchange.call.user or exchange.call.session
    failed = failed and exchange.status >= INTERNAL_ERROR
    return Judged(exchange.variant.version, caller, exchange.milliseconds, failed=failed, replay=exchange.replay)


def _time_again(exchange: Exchange, served: ServedEndpoint) -> None:
    """Have an answered request timed again on both versions of a trial, after its answer."""
    version = exchange.variant.version if exchange.variant and not exchange.is_test else ""
    other = served.compared_with(version, time.time())
    rows = exchange.rows
    if other is None or rows is None or rows.count > TIMED_ROWS:
        return
    slower = served.spec.guard.slower

    def report(mine: float, theirs: float) -> None:
        slow, other_slow = mine > slower * theirs, theirs > slower * mine
        served.live.add_timing(time.time(), version, slow=slow, other_slow=other_slow)

    if served.loaded[other].refusal(rows) is not None:
        return
    models = served.loaded[version].model, served.loaded[other].model
    served.replays.time_later(*models, rows, served.spec.limits.deadline.total_seconds(), report)


async def _replay(exchange: Exchange, served: ServedEndpoint) -> None:
    """Try a failed request again on both versions of a trial; the log marks a failure that the other version shares.

    A request that ran into its deadline is tried on the other version only: it may still occupy this one. One that
    crashed the version is not tried again here: the crash book tries it, apart from the endpoint.
    """
    version = exchange.variant.version if exchange.variant and not exchange.is_test else ""
    other = served.compared_with(version, time.time())
    rows = exchange.rows
    if other is None or rows is None or exchange.error in CRASHED:
        return
    own = None if exchange.status == UNAVAILABLE else served.loaded[version].model
    seconds = served.spec.limits.deadline.total_seconds()
    if served.loaded[other].refusal(rows) is not None:
        exchange.replay = Replay(other_failed=True, own_failed=None)  # it crashed on them
    else:
        exchange.replay = await served.replays.compare(own, served.loaded[other].model, rows, seconds)
    if exchange.replay.other_failed:
        exchange.error = f"{exchange.error}{SHARED}"


async def _read_body(body: Body, served: ServedEndpoint) -> bytes | TooLargeError:
    """Return the body, or the error of one that is too large: that of an authorised caller is logged."""
    limits = served.spec.limits
    try:
        return await body(limits.body_mib * MIB, limits.deadline.total_seconds())
    except TooLargeError as error:
        return error


def _read_rows(exchange: Exchange, content: bytes, model: Model, *, infer: bool, is_csv: bool) -> Rows:
    """Return the body's rows in the signature's types, with its parameters and its hash; raises InputError."""
    ignored: frozenset[str] = PROTOCOL_PARAMETERS if infer else frozenset()
    if infer:
        request = read_inference(content, model)
        body = request.columns, request.rows, request.params
        exchange.client = request.id or exchange.client
    else:
        body = read_csv_rows(content, model) if is_csv else read_json_rows(content, model)
    columns, count, params = body
    check_rows(count)
    typed, partial = in_types(columns, model)
    params = model.parameters.check(params, ignored)
    return Rows(typed, count, params, digest_of(content), partial=partial)


async def _in_time(future: "asyncio.Future[T]", served: ServedEndpoint, started: float) -> T:
    """Wait for the outcome; raises OverloadError at the endpoint's deadline, which began with the request's header."""
    seconds = served.spec.limits.deadline.total_seconds()
    left = started + seconds - time.perf_counter()
    timer = asyncio.get_running_loop().call_later(left, _expire, future, seconds)
    try:
        return await future
    finally:
        timer.cancel()


def _expire(future: "asyncio.Future[T]", seconds: float) -> None:
    if not future.done():
        error = OverloadError(
            f"The prediction took longer than the deadline of {seconds:g} s",
            "Try again later, or raise 'limits: {deadline: ...}' in the endpoint's YAML",
        )
        future.set_exception(error)
