"""Authenticates callers by the API keys in memory, and checks their roles and scope. Only ``refresh`` reads the disk.

Until the first key is created the gateway is open: every caller may use every route. From then on a key is required,
even if all keys are revoked.
"""

import hmac
import ipaddress
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from modelops_pipelines.core.access.api_keys import ACTIVE, KEY_HEADER, ROLES, Key, Mode, Role, digest_of, id_of
from modelops_pipelines.core.errors import ForbiddenError, NotReadyError, SettingsError, UnauthenticatedError
from modelops_pipelines.core.windows import text
from modelops_pipelines.store.state.access.api_keys import Keys

_KEY_REMEDY = f"Send it in the header {KEY_HEADER}; create one: modelops key create NAME --role ROLE"
_DUMMY_DIGEST = "0" * 64  # compared with the digest of an unknown key, so that the time does not tell it is unknown


@dataclass(frozen=True)
class Caller:
    """An authenticated caller with its permissions, or an anonymous one. ``endpoints`` is None for all endpoints."""

    name: str = "anonymous"
    key_id: str | None = None
    mode: Mode = "live"
    permitted: frozenset[Role] = frozenset(ROLES)
    endpoints: frozenset[str] | None = None

    def require_role(self, role: Role) -> None:
        """Raise ForbiddenError when the caller lacks the role."""
        if role not in self.permitted:
            permitted = ", ".join(known for known in ROLES if known in self.permitted)
            raise ForbiddenError(
                f"The key {self.key_id} ({self.name}) lacks the required role {role!r}",
                f"Use a key with this role; this key allows: {permitted}",
            )

    def require(self, role: Role, endpoint: str | None) -> None:
        """Raise ForbiddenError when the caller lacks the role, or the endpoint (None: all) is outside its scope.

        The error for an endpoint outside the scope is the same whether or not the endpoint exists.
        """
        self.require_role(role)
        if self.endpoints is not None and endpoint not in self.endpoints:
            what = "routes of the whole gateway" if endpoint is None else f"an endpoint {endpoint[:80]!r}"
            raise ForbiddenError(
                f"The key {self.key_id} ({self.name}) is not scoped to {what}",
                f"Use another key; this key's scope is: {', '.join(sorted(self.endpoints))}",
            )

    def sees(self, endpoint: str) -> bool:
        """Return whether the endpoint is in the caller's scope, so that lists show it."""
        return self.endpoints is None or endpoint in self.endpoints


ANONYMOUS = Caller()


@dataclass(frozen=True)
class _Bearer:
    """A key, and the caller that it authenticates."""

    key: Key
    caller: Caller


@dataclass(frozen=True)
class _Snapshot:
    """All keys at one generation; replaced as a whole."""

    generation: int
    bearers: Mapping[str, _Bearer] = field(repr=False)


class Keyring:
    """This worker's copy of the keys, as of the last refresh; expiry is checked at each request."""

    def __init__(self) -> None:
        """Start without keys: every request is refused until the first refresh."""
        self._snapshot: _Snapshot | None = None
        self._refreshing = threading.Lock()

    def refresh(self, keys: Keys) -> None:
        """Load the keys if they have changed; if the database is down this raises, and the old copy is kept."""
        with self._refreshing:  # without the lock an older snapshot could replace a newer one
            if self._snapshot is None or keys.generation() != self._snapshot.generation:
                generation, found = keys.snapshot()
                self._snapshot = _Snapshot(generation, {key.key_id: _Bearer(key, _caller(key)) for key in found})

    @property
    def generation(self) -> int | None:
        """The generation of the keys in memory; None before the first refresh."""
        return None if self._snapshot is None else self._snapshot.generation

    @property
    def is_open(self) -> bool:
        """Whether no key is required, because none was ever created."""
        return self._snapshot is not None and not self._snapshot.bearers

    def authenticate(self, given: str | None, now: datetime) -> Caller:
        """Return the caller of this key; raises UnauthenticatedError, or NotReadyError before the first refresh.

        Errors never repeat the key, and an unknown key id gives the same error in the same time as a wrong secret.
        """
        snapshot = self._snapshot
        if snapshot is None:
            raise NotReadyError("The gateway has not read its keys yet", "Try again in a moment")
        if not snapshot.bearers:
            return ANONYMOUS
        if not given:
            raise UnauthenticatedError("An API key is required", _KEY_REMEDY)
        key_id = id_of(given)
        if key_id is None:
            raise UnauthenticatedError(
                "The API key is malformed", "Send the whole key, as it was shown when it was created"
            )
        bearer = snapshot.bearers.get(key_id)
        expected = _DUMMY_DIGEST if bearer is None else bearer.key.digest
        if not hmac.compare_digest(digest_of(given), expected) or bearer is None:
            raise UnauthenticatedError("Unknown API key", "Send a key that this gateway issued; see modelops key list")
        status = bearer.key.status(now)
        if status != ACTIVE:
            raise _inactive_key(bearer.key, status)
        return bearer.caller


def require_safe_binding(host: str, *, has_keys: bool) -> None:
    """Raise SettingsError for a gateway without API keys on an address that is not loopback."""
    if not has_keys and not _is_loopback(host):
        raise SettingsError(
            f"The gateway would listen on {host} without API keys: anyone who reaches it could use every route",
            "Create a key: modelops key create NAME --role admin; or set MODELOPS_HOST to 127.0.0.1",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _caller(key: Key) -> Caller:
    endpoints = None if key.endpoints is None else frozenset(key.endpoints)
    return Caller(key.name, key.key_id, key.mode, key.permitted, endpoints)


def _inactive_key(key: Key, status: str) -> UnauthenticatedError:
    since = key.revoked_at or key.expires_at
    when = f" since {text(since)}" if since else ""
    return UnauthenticatedError(
        f"The API key {key.key_id} ({key.name}) is {status}{when}", "Ask an administrator of the gateway for a new key"
    )
