"""Labels that name their prediction by the caller's own request id, or by entity and time: checked, and made rows."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from modelops_pipelines.core.capture.keyed_labels import EntityKey, RequestKey, keyed_row
from modelops_pipelines.core.capture.spool_records import Origin
from modelops_pipelines.core.errors import InputError
from modelops_pipelines.gateway.bodies.headers import parse_time
from modelops_pipelines.gateway.http.request_models import LabelMessage
from modelops_pipelines.gateway.worker.served_endpoint import ServedEndpoint

CALLERS = ("user_id", "session_id")
"""Columns of the log that an entity may have beside features."""
_KEYS = "Send one of: prediction_id, client_request_id (with row), entity (with at)"


def keyed_label_row(
    served: ServedEndpoint,
    message: LabelMessage,
    label: str | float,
    labelled_at: datetime | None,
    now: datetime,
    key_id: str | None,
) -> dict[str, Any]:
    """Return the row of a label with a key that an API key sent; it is matched within the endpoint's label horizon.

    Raises InputError.
    """
    until = now + served.spec.label_horizon
    return keyed_row(_key(served, message, now), label, labelled_at or now, now, until, Origin(key_id=key_id))


def check_key(message: LabelMessage) -> None:
    """Raise InputError for a label that does not have exactly one key, or parts of another one."""
    keys = (message.prediction_id, message.client_request_id, message.entity)
    given = sum(key is not None for key in keys)
    if given != 1:
        raise InputError(f"A label has {given} keys, and needs one", _KEYS)
    if message.row is not None and message.client_request_id is None:
        raise InputError("'row' belongs to client_request_id", _KEYS)
    if (message.entity is None) != (message.at is None):
        raise InputError("'entity' and 'at' belong together", _KEYS)
    if message.within_seconds is not None and message.entity is None:
        raise InputError("'within_seconds' belongs to 'entity'", _KEYS)


def _key(served: ServedEndpoint, message: LabelMessage, now: datetime) -> RequestKey | EntityKey:
    if message.client_request_id is not None:
        if "client_request_id" in served.spec.capture.redact:
            raise InputError(
                f"Endpoint {served.spec.name!r} keeps no client request ids (capture.redact)",
                "Name the prediction by its prediction_id",
            )
        return RequestKey(message.client_request_id, message.row or 0)
    entity: Mapping[str, Any] = message.entity or {}
    _check_columns(served, entity)
    within = timedelta(days=1) if message.within_seconds is None else timedelta(seconds=message.within_seconds)
    return EntityKey(entity, parse_time(str(message.at), "at", now), within)


def _check_columns(served: ServedEndpoint, entity: Mapping[str, Any]) -> None:
    """Raise InputError for a column that the log does not have, or whose values are not kept."""
    versions = [served.version_of(one.version) for one in served.state.answering]
    known = {*CALLERS, *(name for version in versions if version for name in version.inputs)}
    wrong = sorted(name for name in entity if name in served.spec.capture.redact or (versions and name not in known))
    if wrong:
        shown = ", ".join(name[:60] for name in wrong[:5])
        raise InputError(f"The log keeps no column {shown}", f"Name features of the model, or {' or '.join(CALLERS)}")
