"""Sessions of people who are signed in to the pages. No clock, randomness or storage."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from modelops_pipelines.core.access.api_keys import Role

LIFETIME: Final = timedelta(hours=12)
"""A session ends after a working day, also one in use: a cookie that was taken is worth no more than that."""


@dataclass(frozen=True)
class Session:
    """A person's session: everything but the cookie's value.

    One begun by a key has what the key permits, as long as the key is active. One begun by a provider of identities has
    ``roles``, on the endpoints of ``teams`` (None: on all).
    """

    digest: str = field(repr=False)
    name: str
    key_id: str | None
    roles: tuple[Role, ...] | None
    teams: tuple[str, ...] | None
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None

    def is_over(self, now: datetime) -> bool:
        """Whether it was ended, or has expired."""
        return self.ended_at is not None or now >= self.expires_at


def digest_of(value: str) -> str:
    """Return what is stored of a cookie's value: its SHA-256, in hexadecimal."""
    return hashlib.sha256(value.encode()).hexdigest()
