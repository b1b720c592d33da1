"""Parses the headers of a request: key, user, session, client's request id, event time, test call."""

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import InputError
from modelops_pipelines.core.timestamps import EARLIEST, out_of_bounds

FUTURE = timedelta(minutes=5)
FIELD_LENGTH = 200
_TRUE = frozenset({"1", "true", "yes"})


class DisconnectedError(Exception):
    """The caller disconnected before the body was complete, so no response can be sent."""


@dataclass(frozen=True)
class Call:
    """A request's headers; ``started`` is the performance counter in seconds, for the latency."""

    key: str | None
    user: str | None
    session: str | None
    client: str | None
    event_time: str | None
    content_type: str
    length: int | None
    is_test: bool
    received: datetime
    started: float

    @property
    def sticky(self) -> bytes:
        """The bytes that decide the variant: of the user, else of the session, else random."""
        given = self.user or self.session
        return given.encode() if given else random.randbytes(8)  # noqa: S311 - a share of traffic is no secret


def read_call(given: Mapping[bytes, bytes]) -> Call:
    """Return the request's headers from ASGI's, by name; each value is cut to FIELD_LENGTH characters."""

    def field(name: bytes) -> str | None:
        value = given.get(name)
        return _text(value)[:FIELD_LENGTH] if value else None

    length = given.get(b"content-length", b"")
    return Call(
        key=field(b"x-api-key"),
        user=field(b"x-user-id"),
        session=field(b"x-session-id"),
        client=field(b"x-client-request-id"),
        event_time=field(b"x-event-time"),
        content_type=(field(b"content-type") or "").partition(";")[0].strip().lower(),
        length=int(length) if length.isdigit() else None,
        is_test=(field(b"x-test-call") or "").lower() in _TRUE,
        received=datetime.now(UTC),
        started=time.perf_counter(),
    )


def _text(value: bytes) -> str:
    """Return a header's text: UTF-8, as most clients send it, else Latin-1, as the HTTP standard defines."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def event_time_of(call: Call, spec: EndpointSpec) -> datetime:
    """Return the time of receipt, or X-Event-Time if the endpoint allows a replay; raises InputError."""
    if call.event_time is None:
        return call.received
    if not spec.allow_replay:
        raise InputError(
            f"Endpoint {spec.name!r} does not accept the header X-Event-Time",
            "Leave it out, or set 'allow_replay: true' in the endpoint's YAML",
        )
    return parse_time(call.event_time, "X-Event-Time", call.received)


def parse_time(given: str, field: str, now: datetime) -> datetime:
    """Return a caller's time in UTC; raises InputError for an invalid time, one before EARLIEST or over FUTURE ahead.

    ``field`` names the header or field in the error.
    """
    moment: datetime | None = None
    try:
        parsed = datetime.fromisoformat(given)
        moment = parsed.astimezone(UTC) if parsed.tzinfo else None
    except (ValueError, OverflowError):  # OverflowError: the offset leads outside the calendar
        moment = None
    if moment is None:
        raise InputError(
            f"{field} is {given[:60]!r}, not a time with an offset", "Send ISO 8601, for example 2026-01-31T12:00:00Z"
        )
    if moment > now + FUTURE:
        raise InputError(
            f"{field} {given} is in the future", "Send a time at most 5 minutes ahead of the gateway's clock"
        )
    fault = out_of_bounds(moment)
    if fault is not None:
        raise InputError(f"{field} {given} is {fault}", f"Send a time from {EARLIEST:%Y-%m-%dT%H:%M:%SZ} on")
    return moment
