"""Request ids of predictions that others made: a function of the endpoint, the id in their log, and the time.

They have the form and the seal of ours (``core.ids``), so that labels and feedback name them as they name any other.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from modelops_pipelines.core.ids import ENTROPY_BYTES, RequestId, new_request_id, new_request_ids

_DOMAIN = b"elsewhere\0"


def foreign_request_id(endpoint: str, foreign_id: str, event_time: datetime, rows: int, secret: bytes) -> RequestId:
    """Return the id of a request of ``rows`` rows that has this id in another log; the same for the same content.

    Two ids in the same microsecond give the same one with a probability of 2^-56.
    """
    [entropy] = _entropies(endpoint, [foreign_id.encode("utf-8", "surrogatepass")])
    return new_request_id(endpoint, event_time, rows, entropy, secret)


def foreign_request_ids(
    endpoint: str, foreign_ids: Iterable[bytes], micros: Sequence[int], rows: Sequence[int], secret: bytes
) -> bytes:
    """Return the texts of ``foreign_request_id`` of many requests as ``new_request_ids`` does; ids are in UTF-8."""
    return new_request_ids(endpoint, micros, rows, _entropies(endpoint, foreign_ids), secret)


def _entropies(endpoint: str, foreign_ids: Iterable[bytes]) -> Iterator[bytes]:
    begun = hashlib.sha256(_DOMAIN + endpoint.encode() + b"\0")
    for foreign in foreign_ids:
        hashed = begun.copy()
        hashed.update(foreign)
        yield hashed.digest()[:ENTROPY_BYTES]
