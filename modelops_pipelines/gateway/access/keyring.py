"""Authenticates callers by the API keys in memory, and checks their roles and scope. Only ``refresh`` reads the disk.

Until the first key is created the gateway is open: every caller may use every route. From then on a key is required,
even if all keys are revoked. Where people sign in with a provider of identities it is never open.
"""

import hmac
import ipaddress
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from modelops_pipelines.core.access.api_keys import (
    ACTIVE,
    KEY_HEADER,
    ROLES,
    Key,
    Mode,
    Role,
    digest_of,
    id_of,
    permissions_of,
)
from modelops_pipelines.core.access.sessions import Session
from modelops_pipelines.core.access.teams import Owned, endpoints_of
from modelops_pipelines.core.errors import ForbiddenError, NotReadyError, SettingsError, UnauthenticatedError
from modelops_pipelines.core.windows import text
from modelops_pipelines.store.state.access.api_keys import Keys

_KEY_REMEDY = f"Send it in the header {KEY_HEADER}; create one: modelops key create NAME --role ROLE"
_SESSION_REMEDY = "Sign in again"
_DUMMY_DIGEST = "0" * 64  # compared with the digest of an unknown key, so that the time does not tell it is unknown


@dataclass(frozen=True)
class Caller:
    """An authenticated caller with its permissions, or an anonymous one.

    ``endpoints`` is None for all endpoints; those of a team's caller are what the team owned when the caller was
    authenticated. ``teams`` are those whose endpoints it has all of, and whose keys it may administer with the role
    admin; None for a caller of the whole gateway, and for one limited to some endpoints.
    """

    name: str = "anonymous"
    key_id: str | None = None
    mode: Mode = "live"
    permitted: frozenset[Role] = frozenset(ROLES)
    endpoints: frozenset[str] | None = None
    teams: frozenset[str] | None = None

    def require_role(self, role: Role) -> None:
        """Raise ForbiddenError when the caller lacks the role."""
        if role not in self.permitted:
            permitted = ", ".join(known for known in ROLES if known in self.permitted)
            yours = "Use a key with this role; this key allows" if self.key_id else "Ask for it; your groups allow"
            raise ForbiddenError(f"{self.shown} lacks the required role {role!r}", f"{yours}: {permitted}")

    def require(self, role: Role, endpoint: str | None) -> None:
        """Raise ForbiddenError when the caller lacks the role, or the endpoint (None: all) is outside its scope.

        The error for an endpoint outside the scope is the same whether or not the endpoint exists.
        """
        self.require_role(role)
        if self.endpoints is not None and endpoint not in self.endpoints:
            what = "routes of the whole gateway" if endpoint is None else f"an endpoint {endpoint[:80]!r}"
            scope = ", ".join(sorted(self.endpoints)) or "no endpoint"
            yours = "Use another key; this key's scope is" if self.key_id else "Ask for it; the scope of your groups is"
            raise ForbiddenError(f"{self.shown} is not scoped to {what}", f"{yours}: {scope}")

    @property
    def shown(self) -> str:
        """The caller in words: its key, or the person whom a provider of identities named."""
        return f"The session of {self.name}" if self.key_id is None else f"The key {self.key_id} ({self.name})"

    def sees(self, endpoint: str) -> bool:
        """Return whether the endpoint is in the caller's scope, so that lists show it."""
        return self.endpoints is None or endpoint in self.endpoints

    @property
    def sees_some(self) -> Callable[[str], bool] | None:
        """``sees`` of a caller whose scope has a limit; None for one who sees all endpoints, also those of before."""
        return None if self.endpoints is None else self.sees


ANONYMOUS = Caller()
"""Whoever asks while no key is required: every role, on all endpoints."""
NOBODY = Caller("nobody", permitted=frozenset(), endpoints=frozenset())
"""Who has not signed in: no role, and no endpoint."""


@dataclass(frozen=True)
class _Bearer:
    """A key, and the caller that it authenticates."""

    key: Key
    caller: Caller


@dataclass(frozen=True)
class _Snapshot:
    """All keys at one generation, with the endpoints that their teams own; replaced as a whole."""

    generation: int
    bearers: Mapping[str, _Bearer] = field(repr=False)


class Keyring:
    """This worker's copy of the keys, as of the last refresh, and of who owns which endpoint.

    Expiry is checked at each request; the scope of a team's key is worked out when keys or owners change.
    """

    def __init__(self, *, never_open: bool = False) -> None:
        """Start without keys: every request is refused until the first refresh. No team owns an endpoint yet.

        ``never_open``: a key is required before there is one, because people can sign in without.
        """
        self._never_open = never_open
        self._snapshot: _Snapshot | None = None
        self._owned: Owned = {}
        self._refreshing = threading.Lock()

    def refresh(self, keys: Keys) -> None:
        """Load the keys if they have changed; if the database is down this raises, and the old copy is kept."""
        with self._refreshing:  # without the lock an older snapshot could replace a newer one
            if self._snapshot is None or keys.generation() != self._snapshot.generation:
                generation, found = keys.snapshot()
                self._snapshot = _snapshot(generation, found, self._owned)

    def assign(self, owned: Owned) -> None:
        """Have the callers of teams see these endpoints from now on; does nothing when they saw them before."""
        if owned == self._owned:
            return
        with self._refreshing:
            self._owned, known = owned, self._snapshot
            if known is not None:
                keys = [bearer.key for bearer in known.bearers.values()]
                self._snapshot = _snapshot(known.generation, keys, owned)

    @property
    def generation(self) -> int | None:
        """The generation of the keys in memory; None before the first refresh."""
        return None if self._snapshot is None else self._snapshot.generation

    @property
    def is_open(self) -> bool:
        """Whether no key is required, because none was ever created."""
        return not self._never_open and self._snapshot is not None and not self._snapshot.bearers

    def authenticate(self, given: str | None, now: datetime) -> Caller:
        """Return the caller of this key; raises UnauthenticatedError, or NotReadyError before the first refresh.

        Errors never repeat the key, and an unknown key id gives the same error in the same time as a wrong secret.
        """
        snapshot = self._read_snapshot()
        if not snapshot.bearers and not self._never_open:
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
        return _active_caller(bearer, now)

    def caller_of_session(self, session: Session, now: datetime) -> Caller:
        """Return the caller of a person's session, who has the person's name.

        A session that a key began has what the key permits now; one that a provider of identities began has its roles,
        on the endpoints which its teams own now. Raises UnauthenticatedError for a session that is over, or whose key
        is no longer active; NotReadyError before the first refresh.
        """
        snapshot = self._read_snapshot()
        if session.is_over(now):
            raise UnauthenticatedError(f"The session of {session.name} is over", _SESSION_REMEDY)
        if session.key_id is None:
            return _caller_of_person(session, self._owned)
        bearer = snapshot.bearers.get(session.key_id)
        if bearer is None:
            raise UnauthenticatedError(f"The key of the session of {session.name} is not known", _SESSION_REMEDY)
        return replace(_active_caller(bearer, now), name=session.name)

    def _read_snapshot(self) -> _Snapshot:
        """Return the keys; raises NotReadyError before the first refresh."""
        snapshot = self._snapshot
        if snapshot is None:
            raise NotReadyError("The gateway has not read its keys yet", "Try again in a moment")
        return snapshot


def require_safe_binding(host: str, *, has_keys: bool) -> None:
    """Raise SettingsError for an open gateway on an address that is not loopback.

    ``has_keys``: whether it asks for keys, because there are some, or because people sign in with a provider.
    """
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


def _snapshot(generation: int, keys: Iterable[Key], owned: Owned) -> _Snapshot:
    return _Snapshot(generation, {key.key_id: _Bearer(key, _caller(key, owned)) for key in keys})


def _caller(key: Key, owned: Owned) -> Caller:
    """Return a key's caller. The scope of a team's key is what the team owns, as far as the key names it."""
    endpoints = None if key.endpoints is None else frozenset(key.endpoints)
    if key.team is None:
        return Caller(key.name, key.key_id, key.mode, key.permitted, endpoints)
    whole = endpoints_of([key.team], owned)
    if endpoints is not None:
        return Caller(key.name, key.key_id, key.mode, key.permitted, whole & endpoints)
    return Caller(key.name, key.key_id, key.mode, key.permitted, whole, frozenset({key.team}))


def _caller_of_person(session: Session, owned: Owned) -> Caller:
    """Return the caller of a session that a provider of identities began."""
    permitted = permissions_of(session.roles or ())
    if session.teams is None:
        return Caller(session.name, permitted=permitted)
    endpoints = endpoints_of(session.teams, owned)
    return Caller(session.name, permitted=permitted, endpoints=endpoints, teams=frozenset(session.teams))


def _active_caller(bearer: _Bearer, now: datetime) -> Caller:
    """Return the key's caller; raises UnauthenticatedError for a key that is expired or revoked."""
    status = bearer.key.status(now)
    if status != ACTIVE:
        raise _inactive_key(bearer.key, status)
    return bearer.caller


def _inactive_key(key: Key, status: str) -> UnauthenticatedError:
    since = key.revoked_at or key.expires_at
    when = f" since {text(since)}" if since else ""
    return UnauthenticatedError(
        f"The API key {key.key_id} ({key.name}) is {status}{when}", "Ask an administrator of the gateway for a new key"
    )
