"""Identifiers of requests, predictions, labels and feedback.

A request id contains its event time, its number of rows and a seal. So any worker can refuse a label or feedback for
a prediction that this installation never made, without a look-up, however old the id is.
"""

import base64
import hashlib
import hmac
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import product

from modelops_pipelines.core.errors import UnknownError
from modelops_pipelines.core.timestamps import from_micros, to_micros

_TIME, _ROWS, _RANDOM, _SEAL = 8, 2, 7, 8
_BODY = _TIME + _ROWS + _RANDOM
_ALPHABET = b"abcdefghijklmnopqrstuvwxyz234567"
SEPARATOR, NONE, _NO_TEXT = "\x1f", "\x00", b"\xff"
"""What is between the parts of a content, and what stands for one that is missing."""
_HASH_BLOCK, _INNER, _OUTER = 64, 0x36, 0x5C
_HASH = 16
CHARACTERS = 8 * (_BODY + _SEAL) // 5
"""Letters of a request id."""
HASH_CHARACTERS = 2 * _HASH
"""Letters of a content id."""
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


def new_request_ids(
    endpoint: str, micros: Iterable[int], rows: Iterable[int], entropies: Iterable[bytes], secret: bytes
) -> bytes:
    """Return the texts of ``new_request_id`` of many requests, one after the other, each of CHARACTERS letters.

    ``micros`` are their times since 1970 in UTC.
    """
    inner, outer = _hmac_states(secret)
    inner.update(endpoint.encode() + b"\0")
    pack = struct.Struct(f">qH{_RANDOM}s").pack
    sealed: list[bytes] = []
    for moment, count, entropy in zip(micros, rows, entropies, strict=True):
        body, first, second = pack(moment, count, entropy), inner.copy(), outer.copy()
        first.update(body)
        second.update(first.digest())
        sealed += (body, second.digest()[:_SEAL])
    return _base32(b"".join(sealed))


def _hmac_states(secret: bytes) -> "tuple[hashlib._Hash, hashlib._Hash]":
    """Return the two hashes of HMAC-SHA-256 (RFC 2104) after the key: to copy them takes half of making them anew."""
    key = (secret if len(secret) <= _HASH_BLOCK else hashlib.sha256(secret).digest()).ljust(_HASH_BLOCK, b"\0")
    inner, outer = (hashlib.sha256(bytes(one ^ pad for one in key)) for pad in (_INNER, _OUTER))
    return inner, outer


def _base32(sealed: bytes) -> bytes:
    """Return base32, in lower case, of many ids that follow each other; all of them at once."""
    import numpy as np  # not loaded by a gateway, which makes one id at a time

    pairs = np.frombuffer(b"".join(bytes(pair) for pair in product(_ALPHABET, repeat=2)), np.uint16)
    a, b, c, d, e = np.frombuffer(sealed, np.uint8).reshape(-1, 5).T.astype(np.uint16)
    letters = np.empty((len(a), 4), np.uint16)  # of 40 bits ten at a time, which are two letters
    tens = (a << 2 | b >> 6, (b & 63) << 4 | c >> 4, (c & 15) << 6 | d >> 2, (d & 3) << 8 | e)
    for place, ten in enumerate(tens):
        letters[:, place] = pairs[ten]
    return letters.tobytes()


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


def rows_in(request: str) -> int | None:
    """Return the number of rows in a request id, 0 of a failed request, without checking its seal; None as above."""
    body, _ = _split(request)
    return None if body is None else int.from_bytes(body[_TIME : _TIME + _ROWS], "big")


def content_id(*parts: object) -> str:
    """Return a short hash of the parts: equal parts give equal ids, and only they (32 hex characters).

    Parts are joined by a separator. Where one of them holds it, or is what stands for None, each part is written with
    its length instead, after a byte that no text has: so the ids of earlier releases stay what they were. A text may
    hold what is no Unicode text (bytes that were read as surrogates).
    """
    texts = [None if part is None else str(part) for part in parts]
    joined = SEPARATOR.join(NONE if text is None else text for text in texts)
    if joined.count(SEPARATOR) != max(0, len(texts) - 1) or any(text == NONE for text in texts):
        written = "".join("-" if text is None else f"{len(text)}:{text}" for text in texts)
        return hashlib.sha256(_NO_TEXT + _bytes(written)).hexdigest()[:HASH_CHARACTERS]
    return hashlib.sha256(_bytes(joined)).hexdigest()[:HASH_CHARACTERS]


def content_ids(texts: Iterable[bytes]) -> bytes:
    """Return the texts of ``content_id`` of many contents, one after the other, each of HASH_CHARACTERS letters.

    A content is its parts with SEPARATOR between them, in UTF-8: no part may hold SEPARATOR or be NONE.
    """
    sha = hashlib.sha256
    return b"".join([sha(text).digest()[:_HASH] for text in texts]).hex().encode()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


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
