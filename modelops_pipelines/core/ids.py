"""Identifiers of requests, predictions, labels and feedback.

A request id contains its event time, its number of rows and a seal. So any worker can refuse a label or feedback for
a prediction that this installation never made, without a look-up, however old the id is.
"""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime

from modelops_pipelines.core.errors import UnknownError
from modelops_pipelines.core.timestamps import from_micros, to_micros

_TIME, _ROWS, _RANDOM, _SEAL = 8, 2, 7, 8
_BODY = _TIME + _ROWS + _RANDOM
_SEPARATOR, _NONE, _NO_TEXT = "\x1f", "\x00", b"\xff"
MAX_ROWS = 2 ** (8 * _ROWS) - 1
ENTROPY_BYTES = _RANDOM
_ROW = re.compile(r"0|[1-9][0-9]{0,4}")


@dataclass(frozen=True)
class RequestId:
    """A request id: its text, and the event time (to the microsecond) and number of rows that the text contains."""

    text: str
    event_time: datetime
    rows: int

    def prediction_id(self, row: int) -> str:
        """Return the id of one row's prediction."""
        return prediction_id(self.text, row)


def prediction_id(request: str, row: int) -> str:
    """Return the id of the prediction for a row, counted from 0, of the request with this id."""
    return f"{request}-{row}"


def new_request_id(endpoint: str, event_time: datetime, rows: int, entropy: bytes, secret: bytes) -> RequestId:
    """Return a new id for a request of ``rows`` rows; ``entropy`` is ENTROPY_BYTES random bytes.

    The text is base32 (lower case, 40 characters) of time, rows, entropy and an HMAC-SHA-256 over these and the
    endpoint's name, cut to 8 bytes.
    """
    body = to_micros(event_time).to_bytes(_TIME, "big", signed=True) + rows.to_bytes(_ROWS, "big") + entropy
    sealed = body + _seal(endpoint, body, secret)
    return RequestId(base64.b32encode(sealed).decode().lower(), event_time, rows)


def parse_prediction_id(text: str, endpoint: str, secret: bytes) -> tuple[RequestId, int]:
    """Read ``<request id>-<row>``; raise UnknownError when this installation never issued it for this endpoint."""
    request, _, row = text.partition("-")
    body, seal = _split(request)
    if body is None or not hmac.compare_digest(seal, _seal(endpoint, body, secret)):
        raise _unknown(text, endpoint)
    rows = int.from_bytes(body[_TIME : _TIME + _ROWS], "big")
    micros = int.from_bytes(body[:_TIME], "big", signed=True)
    if _ROW.fullmatch(row) is None or int(row) >= rows:
        raise _unknown(text, endpoint)
    return RequestId(request, from_micros(micros), rows), int(row)


def time_of(request: str) -> datetime | None:
    """Return the event time in a request id, without checking its seal; None for a text that is not a request id."""
    body, _ = _split(request)
    if body is None:
        return None
    try:
        return from_micros(int.from_bytes(body[:_TIME], "big", signed=True))
    except OverflowError:
        return None


def content_id(*parts: object) -> str:
    """Return a short hash of the parts: equal parts give equal ids, and only they (32 hex characters).

    Parts are joined by a separator. Where one of them holds it, or is what stands for None, each part is written with
    its length instead, after a byte that no text has: so the ids of earlier releases stay what they were.
    """
    texts = [None if part is None else str(part) for part in parts]
    if any(text is not None and (_SEPARATOR in text or text == _NONE) for text in texts):
        written = "".join("-" if text is None else f"{len(text)}:{text}" for text in texts)
        return hashlib.sha256(_NO_TEXT + written.encode()).hexdigest()[:32]
    joined = _SEPARATOR.join(_NONE if text is None else text for text in texts)
    return hashlib.sha256(joined.encode()).hexdigest()[:32]


def _seal(endpoint: str, body: bytes, secret: bytes) -> bytes:
    return hmac.new(secret, endpoint.encode() + b"\0" + body, hashlib.sha256).digest()[:_SEAL]


def _split(request: str) -> tuple[bytes | None, bytes]:
    """Return body and seal; the body is None for a text that does not have the form of an id."""
    try:
        raw = base64.b32decode(request.encode("ascii").upper())
    except (ValueError, UnicodeEncodeError):
        return None, b""
    canonical = len(raw) == _BODY + _SEAL and request == request.lower()
    return (raw[:_BODY], raw[_BODY:]) if canonical else (None, b"")


def _unknown(text: str, endpoint: str) -> UnknownError:
    return UnknownError(
        f"Endpoint {endpoint!r} never made the prediction {text[:80]!r}",
        "Send '<request_id>-<row>': the request id of the endpoint's response and the row number, counted from 0",
    )
