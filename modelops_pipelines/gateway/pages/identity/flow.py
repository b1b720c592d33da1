"""A sign-in that is under way at the provider. Its cookie is all that is kept of it.

State, nonce and PKCE's verifier are derived from the cookie's value under the installation's secret: each is of this
browser and this sign-in alone, and nobody who sees an address on the way can tell the verifier.
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from modelops_pipelines.core.errors import ForbiddenError

SECONDS: Final = 600
"""How long a person may take at the provider."""
LONGEST_COOKIE: Final = 3072
_BYTES = 24
_PARTS = 3


@dataclass(frozen=True)
class Flow:
    """One sign-in: the cookie's value ``random.begun.page``, where the page to go to afterwards is base64url."""

    cookie: str = field(repr=False)
    secret: bytes = field(repr=False)

    @property
    def state(self) -> str:
        """What the provider sends back."""
        return self._derived("state")

    @property
    def nonce(self) -> str:
        """What the ID token must have."""
        return self._derived("nonce")

    @property
    def verifier(self) -> str:
        """What only who began the sign-in can show for the code."""
        return self._derived("verifier")

    @property
    def challenge(self) -> str:
        """What the provider is told of the verifier at first: its SHA-256."""
        return _text(hashlib.sha256(self.verifier.encode()).digest())

    @property
    def wanted(self) -> str:
        """The page to go to afterwards."""
        page = self.cookie.split(".")[2]
        return base64.urlsafe_b64decode(f"{page}{'=' * (-len(page) % 4)}").decode()

    def _derived(self, purpose: str) -> str:
        return _text(hmac.new(self.secret, f"sign-in|{purpose}|{self.cookie}".encode(), hashlib.sha256).digest())


def new_flow(secret: bytes, wanted: str, now: datetime) -> Flow:
    """Return a sign-in that begins now."""
    return Flow(f"{secrets.token_urlsafe(_BYTES)}.{int(now.timestamp())}.{_text(wanted.encode())}", secret)


def flow_of(secret: bytes, cookie: str, state: str, now: datetime) -> Flow:
    """Return the sign-in that this browser began; raises ForbiddenError for another's, and for one that took too long.

    That the state fits says that the cookie was made here: neither can be made without the secret.
    """
    flow = Flow(cookie, secret)
    if len(cookie.split(".")) != _PARTS or not hmac.compare_digest(flow.state.encode(), state.encode()):
        raise ForbiddenError(
            "This answer of the provider is not of a sign-in that this browser began",
            "Sign in again from the gateway's own page; cookies must be allowed",
        )
    if now.timestamp() - int(cookie.split(".")[1]) > SECONDS:
        raise ForbiddenError(f"This sign-in took longer than {SECONDS // 60} minutes", "Sign in again")
    return flow


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
