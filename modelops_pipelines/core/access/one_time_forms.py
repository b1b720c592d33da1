"""Ids of forms that may be sent once: signed, bound to who got the form, and good for a day. No clock, no storage.

An id is ``<random>.<milliseconds since 1970>.<HMAC-SHA-256 of both and of whom it was given to>``.
"""

import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from typing import Final

GOOD_FOR: Final = timedelta(days=1)
"""How long a form can be sent after it was shown: for so long it must be known which ones were."""
_ID = re.compile(r"([A-Za-z0-9_-]{16,64})\.([0-9]{13})\.([0-9a-f]{64})", re.ASCII)
_MILLISECOND = 1000


def form_id(secret: bytes, bearer: str, random: str, now: datetime) -> str:
    """Return the id of a new form; ``bearer`` says whose it is, ``random`` is 16 to 64 URL-safe characters."""
    body = f"{random}.{int(now.timestamp() * _MILLISECOND):013d}"
    return f"{body}.{_signature(secret, bearer, body)}"


def is_form_id(secret: bytes, bearer: str, given: str, now: datetime) -> bool:
    """Return whether an id is one that the bearer was given within GOOD_FOR."""
    match = _ID.fullmatch(given)
    if match is None or not hmac.compare_digest(match[3], _signature(secret, bearer, f"{match[1]}.{match[2]}")):
        return False
    return now - datetime.fromtimestamp(int(match[2]) / _MILLISECOND, UTC) <= GOOD_FOR


def _signature(secret: bytes, bearer: str, body: str) -> str:
    return hmac.new(secret, f"once|{bearer}|{body}".encode(), hashlib.sha256).hexdigest()
