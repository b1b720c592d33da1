"""What is sent, waited for and tried again for one call: a generator, which a driver feeds, blocking or not."""

import json
import random
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeVar

from modelops_pipelines.client.connection.call import Call, Retry
from modelops_pipelines.client.connection.errors import (
    GatewayError,
    GatewayUnavailableError,
    LimitExceededError,
    NoConnectionError,
    error_of,
    no_gateway,
)

T = TypeVar("T")
LONGEST_WAIT = 30
"""Seconds: who is told to wait longer is told so at once."""
_FIRST_WAIT = 0.1


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    content: bytes
    retry_after: str = ""


@dataclass(frozen=True)
class Lost:
    """Nothing came back; ``sent``: the gateway may have got the request."""

    reason: str
    sent: bool


@dataclass(frozen=True)
class Pause:
    """Wait so many seconds."""

    seconds: float


Step = Call[Any] | Pause
Exchange = Generator[Step, Reply | Lost | None, T]


def exchange(call: Call[T], url: str, retries: int) -> Exchange[T]:
    """Yield the call to be sent, and pauses; return what was answered. Raises GatewayError."""
    for attempt in range(retries + 1):
        got = yield call
        if isinstance(got, Reply) and got.status in call.right:
            return _read(call, got.content, url)
        error = _error(got, url)
        if attempt == retries or not _may_repeat(call, got, error):
            raise error
        yield Pause(_seconds(got, error, attempt))
    raise AssertionError("the last attempt returns or raises")


def _read(call: Call[T], content: bytes, url: str) -> T:
    """Return what the call reads; raises UnreadableAnswerError for what no gateway answers."""
    try:
        return call.read(content)
    except (ValueError, TypeError, LookupError) as error:
        raise no_gateway(url) from error


def _error(got: Reply | Lost | None, url: str) -> GatewayError:
    if isinstance(got, Reply):
        return error_of(got.status, _parsed(got.content), _retry_after(got), url)
    reason = got.reason if got else "no answer"
    return NoConnectionError(f"No gateway answers at {url} ({reason})", "Start the gateway: modelops up")


def _may_repeat(call: Call[Any], got: Reply | Lost | None, error: GatewayError) -> bool:
    if isinstance(got, Lost):
        return not got.sent or call.retry is Retry.ALWAYS
    if error.retry_after > LONGEST_WAIT:
        return False
    if isinstance(error, LimitExceededError):
        return True
    return isinstance(error, GatewayUnavailableError) and call.retry is not Retry.UNSENT


def _seconds(got: Reply | Lost | None, error: GatewayError, attempt: int) -> float:
    """Return how long to wait: as long as the gateway says, else twice as long each time, at random around it."""
    most = _FIRST_WAIT * 2**attempt
    asked = float(error.retry_after) if isinstance(got, Reply) else 0.0
    return asked + random.uniform(most / 2, most)  # noqa: S311 - so that callers do not come back all at once


def _retry_after(reply: Reply) -> int:
    return int(reply.retry_after) if reply.retry_after.isdigit() else 1


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None
