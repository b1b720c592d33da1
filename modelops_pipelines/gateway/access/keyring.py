"""Who calls: keys held in memory, and what each caller may do. Nothing here touches the disk but ``refresh``.

While no key was ever made the gateway is open: everyone may do everything. From the first key on, one is needed,
also when that key is revoked.
"""

import hmac
import ipaddress
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from modelops_pipelines.core.access.api_keys import ACTIVE, ROLES, Key, Mode, Role, digest_of, id_of
from modelops_pipelines.core.errors import ForbiddenError, NotReadyError, SettingsError, UnauthenticatedError
from modelops_pipelines.core.windows import text
from modelops_pipelines.store.state.access.api_keys import Keys

HEADER = "X-API-Key"
_MAKE_ONE = f"Send one in the header {HEADER}; make one: modelops key create NAME --role ROLE"
_NOBODY = "0" * 64  # what an unknown key is compared with, so that it takes as long as a wrong one


@dataclass(frozen=True)
class Caller:
    """Whoever asks: a key's bearer, or anyone where no key is needed. ``endpoints`` is None for all endpoints."""

    name: str = "anonymous"
    key_id: str | None = None
    mode: Mode = "live"
    permitted: frozenset[Role] = frozenset(ROLES)
    endpoints: frozenset[str] | None = None

    def require_role(self, role: Role) -> None:
        """Raise ForbiddenError when the caller may not do this anywhere."""
        if role not in self.permitted:
            raise ForbiddenError(
                f"The key {self.key_id} ({self.name}) has not the role {role!r}",
                f"Use a key that has it; this one may: {', '.join(one for one in ROLES if one in self.permitted)}",
            )

    def require(self, role: Role, endpoint: str | None) -> None:
        """Raise ForbiddenError when the caller may not do this on this endpoint, or (None) on all of them.

        An endpoint that the key is not for is refused in the same words whether or not it exists.
        """
        self.require_role(role)
        if self.endpoints is not None and endpoint not in self.endpoints:
            what = "what is not of one endpoint" if endpoint is None else f"an endpoint {endpoint[:80]!r}"
            raise ForbiddenError(
                f"The key {self.key_id} ({self.name}) is not for {what}",
                f"Use another key; this one is for: {', '.join(sorted(self.endpoints))}",
            )

    def sees(self, endpoint: str) -> bool:
        """Return whether lists show this endpoint to the caller."""
        return self.endpoints is None or endpoint in self.endpoints


ANONYMOUS = Caller()


@dataclass(frozen=True)
class _Bearer:
    """A key with the caller that its bearer is."""

    key: Key
    caller: Caller


@dataclass(frozen=True)
class _Snapshot:
    """All keys as of a generation; replaced as a whole."""

    generation: int
    bearers: Mapping[str, _Bearer] = field(repr=False)


class Keyring:
    """The keys of this worker: as they were at the last refresh, judged by the clock of each call."""

    def __init__(self) -> None:
        """Start knowing nothing, not even whether a key is needed: nobody is let in before the first refresh."""
        self._snapshot: _Snapshot | None = None
        self._refreshing = threading.Lock()

    def refresh(self, keys: Keys) -> None:
        """Take over the keys when they have changed; what was stays when the database is away and this raises."""
        with self._refreshing:  # or an older look could replace a newer one
            if self._snapshot is None or keys.generation() != self._snapshot.generation:
                generation, found = keys.snapshot()
                self._snapshot = _Snapshot(generation, {key.key_id: _Bearer(key, _caller(key)) for key in found})

    @property
    def is_open(self) -> bool:
        """Whether no key is needed."""
        return self._snapshot is not None and not self._snapshot.bearers

    def authenticate(self, given: str | None, now: datetime) -> Caller:
        """Return who calls with this header's value; raises UnauthenticatedError, NotReadyError before any refresh.

        What is refused is never repeated, and an unknown key is refused in the words and the time of a wrong one.
        """
        snapshot = self._snapshot
        if snapshot is None:
            raise NotReadyError("The gateway has not read its keys yet", "Try again in a moment")
        if not snapshot.bearers:
            return ANONYMOUS
        if not given:
            raise UnauthenticatedError("An API key is needed", _MAKE_ONE)
        key_id = id_of(given)
        if key_id is None:
            raise UnauthenticatedError("The API key is not written as a key", "Send all of it, as it was shown")
        bearer = snapshot.bearers.get(key_id)
        kept = _NOBODY if bearer is None else bearer.key.digest
        if not hmac.compare_digest(digest_of(given), kept) or bearer is None:
            raise UnauthenticatedError("The API key is none of this gateway's", "Send one that it has issued")
        status = bearer.key.status(now)
        if status != ACTIVE:
            raise _over(bearer.key, status)
        return bearer.caller


def require_safe_binding(host: str, *, has_keys: bool) -> None:
    """Refuse to listen where others can reach an open gateway; raises SettingsError."""
    if not has_keys and not _is_loopback(host):
        raise SettingsError(
            f"The gateway would listen on {host} without any key: whoever reaches it could do everything",
            "Make one: modelops key create NAME --role admin; or set MODELOPS_HOST to 127.0.0.1",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _caller(key: Key) -> Caller:
    endpoints = None if key.endpoints is None else frozenset(key.endpoints)
    return Caller(key.name, key.key_id, key.mode, key.permitted, endpoints)


def _over(key: Key, status: str) -> UnauthenticatedError:
    since = key.revoked_at or key.expires_at
    when = f" since {text(since)}" if since else ""
    return UnauthenticatedError(f"The API key {key.key_id} ({key.name}) is {status}{when}", "Ask for a new one")
