"""The route that takes predictions that others made, for endpoints that are served elsewhere."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from modelops_pipelines.core.capture.elsewhere.mapping import UNVERSIONED
from modelops_pipelines.core.capture.elsewhere.sent import Recorded, Sent, recorded, types_of
from modelops_pipelines.core.capture.elsewhere.values import RefusedValueError
from modelops_pipelines.core.capture.spool_records import response_record
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ConflictError, InputError
from modelops_pipelines.core.tables.feature_columns import column_of, feature_of, same_but_capitals, spellings
from modelops_pipelines.gateway.bodies.headers import parse_time
from modelops_pipelines.gateway.hot_path.durable_capture import Capture
from modelops_pipelines.gateway.http.guarded_router import CallerOf, EndpointName, Router
from modelops_pipelines.gateway.http.log_models import PredictionMessage, PredictionsAccepted, PredictionsMessage
from modelops_pipelines.gateway.worker.state_follower import Serving
from modelops_pipelines.operations.capture.elsewhere.known_versions import known_types, learn
from modelops_pipelines.store.stores import Stores

Made = TypeVar("Made")


class ForeignLog:
    """Writes predictions that others made to the spool, durably, with ids that follow from theirs."""

    def __init__(self, capture: Capture, secret: bytes, stores: Stores) -> None:
        """Write to the worker's spool; ``secret`` seals the ids."""
        self._capture, self._secret, self._stores = capture, secret, stores

    async def write(self, spec: EndpointSpec, message: PredictionsMessage, key_id: str | None) -> dict[str, Any]:
        """Write all predictions with their labels, or none.

        Raises ConflictError for an endpoint that is served here, InputError that names the prediction that is wrong.
        """
        _require_elsewhere(spec)
        made = await asyncio.to_thread(self._recorded, spec, message, key_id)
        await asyncio.gather(*(self._capture.write(spec.name, "predictions", one.prediction) for one in made))
        labels = [one.label for one in made if one.label is not None]
        if labels:
            await self._capture.write(spec.name, "labels", response_record(labels))
        ids = [one.request.prediction_id(0) if one.request.rows else None for one in made]
        return {"accepted": len(made), "labels": len(labels), "prediction_ids": ids}

    def _recorded(self, spec: EndpointSpec, message: PredictionsMessage, key_id: str | None) -> list[Recorded]:
        """Return the records, after their versions and features are recorded: ingest knows their types then."""
        now, types = datetime.now(UTC), known_types(self._stores, spec)
        sent = [_sent(one, number, now) for number, one in enumerate(message.predictions)]
        named: dict[str, str] = {}
        known, spelled = dict(types), spellings(types)
        for number, one in enumerate(sent):
            found = _of(number, partial(types_of, spec, one, known))
            _of(number, partial(_require_spelling, found, spelled))
            named |= found
            known |= found
        made = self._read(spec, sent, named, now, key_id)
        held = learn(self._stores, spec, {one.version or UNVERSIONED for one in sent}, named)
        as_read = all(held[name] == kind for name, kind in named.items())
        return made if as_read else self._read(spec, sent, {name: held[name] for name in named}, now, key_id)

    def _read(
        self, spec: EndpointSpec, sent: Sequence[Sent], types: Mapping[str, str], now: datetime, key_id: str | None
    ) -> list[Recorded]:
        made = []
        for number, one in enumerate(sent):
            own = {name: types[name] for name in map(column_of, one.features) if name in types}
            made.append(_of(number, partial(recorded, spec, one, own, self._secret, now, key_id)))
        return made


def add_foreign_log_routes(router: Router, serving: Serving, foreign: ForeignLog) -> None:
    """Add the route.

    It requires the role predict, as labels do: who serves a model elsewhere is to an endpoint here what the caller of a
    prediction is, and already decides its quality by labels.
    """

    @router.post(
        "/endpoints/{endpoint}/log",
        role="predict",
        status_code=202,
        response_model=PredictionsAccepted,
        error_statuses=(409,),
    )
    async def add_predictions(endpoint: EndpointName, message: PredictionsMessage, caller: CallerOf) -> dict[str, Any]:
        """Send predictions that others made, with their labels where these are known, to an endpoint served elsewhere.

        They are durable when the answer comes. The same id and time again is the same prediction.
        """
        return await foreign.write(serving.endpoint(endpoint).spec, message, caller.key_id)


def _require_elsewhere(spec: EndpointSpec) -> None:
    if not spec.is_elsewhere:
        raise ConflictError(
            f"Endpoint {spec.name!r} is served here: its log has the answers of its own model",
            "Send them to an endpoint with 'served: elsewhere' in its YAML",
        )


def _sent(message: PredictionMessage, number: int, now: datetime) -> Sent:
    given = message.model_dump()
    given["time"] = parse_time(message.time, f"predictions[{number}].time", now)
    if message.labelled_at is not None:
        given["labelled_at"] = parse_time(message.labelled_at, f"predictions[{number}].labelled_at", now)
    return Sent(**given)


def _require_spelling(columns: Iterable[str], spelled: dict[str, str]) -> None:
    """Raise RefusedValueError for a feature that differs from one of before in capitals only; the others are added."""
    alike = same_but_capitals(columns, spelled)
    if alike is not None:
        first, second = (feature_of(name)[:80] for name in alike)
        raise RefusedValueError(
            f"the features {first!r} and {second!r} differ in capitals only, and the log cannot keep them apart"
        )


def _of(number: int, read: Callable[[], Made]) -> Made:
    """Return what is read of one prediction; raises InputError that names it."""
    try:
        return read()
    except RefusedValueError as error:
        raise InputError(f"predictions[{number}]: {error}", "Correct it, and send all of them again") from None
