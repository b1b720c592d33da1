"""One request with its outcome, and its record for the spool under the endpoint's capture policy."""

import hashlib
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from modelops_pipelines.core.capture.spool_records import PredictionRecord, prediction_record
from modelops_pipelines.core.endpoints.spec import CapturePolicy, EndpointSpec
from modelops_pipelines.core.explanations.explained import Explanation
from modelops_pipelines.core.ids import RequestId
from modelops_pipelines.core.models.typed_columns import Columns
from modelops_pipelines.core.release.desired_state import Variant
from modelops_pipelines.core.tables.feature_columns import feature_of
from modelops_pipelines.core.timestamps import to_micros
from modelops_pipelines.gateway.bodies.headers import Call
from modelops_pipelines.gateway.worker.replays import Replay
from modelops_pipelines.gateway.worker.request_marks import Mark
from modelops_pipelines.operations.model_runtime.loaded_model import Outcome, Rows

OK = 200
PARAMS = "request_params"
KIB = 1024


@dataclass
class Exchange:
    """One request and its result so far; ``outcome`` is None until the model has predicted, and after a failure.

    ``replay`` says how a failed request did when it was tried again on both versions of a trial. ``explanations`` are
    those of its rows, None unless they were asked for, and ``explaining`` is how long they took (seconds).
    ``cache_key`` is the hash of its content where the cache was asked, ``cache_hit`` whether it had the answer.
    """

    call: Call
    spec: EndpointSpec
    key_id: str | None
    is_test: bool
    client: str | None
    variant: Variant | None = None
    rows: Rows | None = None
    outcome: Outcome | None = None
    request: RequestId | None = None
    status: int = OK
    error: str | None = None
    milliseconds: float = 0.0
    replay: Replay | None = None
    mark: Mark | None = None
    explanations: Sequence[Explanation] | None = None
    explaining: float = 0.0
    cache_key: bytes | None = None
    cache_hit: bool = False

    @property
    def milliseconds_until_now(self) -> float:
        """The time since the request came, without that of its explanations."""
        return (time.perf_counter() - self.call.started - self.explaining) * 1000

    @property
    def source(self) -> str:
        """The request's ``source`` in the log: live, replay or test."""
        if self.is_test:
            return "test"
        return "replay" if self.status == OK and self.call.event_time is not None else "live"


def record_of(exchange: Exchange, request: RequestId) -> PredictionRecord:
    """Return the record for the spool, without what the capture policy excludes: that never reaches the disk."""
    call, policy, outcome, variant = exchange.call, exchange.spec.capture, exchange.outcome, exchange.variant
    caller = {"user_id": call.user, "session_id": call.session, "client_request_id": exchange.client}
    if policy.redact:
        caller = {name: None if name in policy.redact else value for name, value in caller.items()}
    return prediction_record(
        request_id=request.text,
        event_time=request.event_time,
        received_at=call.received,
        model_version=variant.version if variant else None,
        variant=variant.role if variant else None,
        rows=max(1, request.rows),
        status=exchange.status,
        error_code=exchange.error,
        latency_ms=exchange.milliseconds,
        user_id=caller["user_id"],
        session_id=caller["session_id"],
        client_request_id=caller["client_request_id"],
        source=exchange.source,
        key_id=exchange.key_id,
        prediction=outcome.predictions if outcome else None,
        score=outcome.scores if outcome else None,
        cache_hit=exchange.cache_hit and exchange.status == OK,
        unanswered=outcome.unanswered if outcome else (),
        **_payload(exchange, request, policy),
    )


def _payload(exchange: Exchange, request: RequestId, policy: CapturePolicy) -> dict[str, Any]:
    """Return the record's features, or the reason for their absence (not sampled, too large); a failure has none."""
    if exchange.outcome is None or exchange.rows is None:
        return {"features": {}}
    if not _is_sampled(request, policy.sample):
        return {"features": {}, "sampled": False}
    kept = _kept(exchange.rows.columns, policy.redact)
    given = orjson.dumps(kept, default=to_micros, option=orjson.OPT_PASSTHROUGH_DATETIME)
    params = b"" if exchange.rows.params is None or PARAMS in policy.redact else orjson.dumps(exchange.rows.params)
    if len(given) + len(params) <= policy.max_kib * KIB:
        return {"features": orjson.Fragment(given), **({PARAMS: params.decode()} if params else {})}
    return {"features": {}, "payload_hash": hashlib.sha256(given).hexdigest()}


def _kept(columns: Columns, redact: Collection[str]) -> Columns:
    """Return the columns that are not redacted, under their column's or the feature's own name."""
    if not redact:
        return columns
    return {name: values for name, values in columns.items() if not {name, feature_of(name)} & {*redact}}


def _is_sampled(request: RequestId, share: float) -> bool:
    """Return whether the request is in the sample; computed from its random id, so that it can be recomputed."""
    return share >= 1 or int.from_bytes(hashlib.sha256(request.text.encode()).digest()[:4], "big") / 2**32 < share
