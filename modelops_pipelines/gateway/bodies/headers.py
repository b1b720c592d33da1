"""What a caller says beside the rows: headers, read once."""

import random
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import InputError

FUTURE = timedelta(minutes=5)
FIELD_LENGTH = 200
_TRUE = frozenset({"1", "true", "yes"})


class DisconnectedError(Exception):
    """The caller left before the body was whole: there is nobody to answer."""


@dataclass(frozen=True)
class Call:
    """One request as its headers tell it; ``started`` is a performance counter's seconds."""

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
        """What decides the variant: the user, else the session, else chance."""
        given = self.user or self.session
        return given.encode() if given else random.randbytes(8)  # noqa: S311 - a share of traffic is no secret


def read_call(headers: Iterable[tuple[bytes, bytes]]) -> Call:
    """Return what the ASGI headers say; a caller's own fields are cut to FIELD_LENGTH characters."""
    given = dict(headers)

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
    """Return a header's text: UTF-8, as most clients send it, or Latin-1, as the standard has it."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def event_time_of(call: Call, spec: EndpointSpec) -> datetime:
    """Return the clock's time, or the caller's own where the endpoint allows a replay; raises InputError."""
    if call.event_time is None:
        return call.received
    if not spec.allow_replay:
        raise InputError(
            f"Endpoint {spec.name!r} takes no event time from callers",
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
