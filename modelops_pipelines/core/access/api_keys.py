"""API keys: their text, what their roles permit, and whether they are active. No clock, randomness or storage.

A key is ``sk_<mode>_<id>_<secret><check>``. Its last seven characters are the CRC-32 of the rest, so that a scanner
recognises a leaked key offline. Only the SHA-256 of the whole text is stored.
"""

import base64
import hashlib
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, get_args

from modelops_pipelines.core.access.teams import team_named
from modelops_pipelines.core.errors import InputError

Role = Literal["predict", "feedback", "read", "operate", "admin"]
Mode = Literal["live", "test"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
MODES: Final[tuple[Mode, ...]] = get_args(Mode)
PERMITTED: Final[Mapping[Role, frozenset[Role]]] = {
    "predict": frozenset({"predict", "feedback"}),
    "feedback": frozenset({"feedback"}),
    "read": frozenset({"read"}),
    "operate": frozenset({"operate", "read"}),
    "admin": frozenset(ROLES),
}
"""The permissions of each role. A route requires one of these permissions, which are named like the roles."""
ACTIVE, EXPIRED, REVOKED = "active", "expired", "revoked"
NAME_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9 ._:@/+-]{0,99}"
KEY_ID_PATTERN: Final = r"[a-z2-7]{10}"
KEY_HEADER: Final = "X-API-Key"
KEY_VARIABLE: Final = "MODELOPS_API_KEY"
"""The variable of a caller's environment that has the key."""

_ID_BYTES, _SECRET_BYTES, _CHECK_BYTES = 7, 32, 4
_ID_CHARACTERS, _CHECK_CHARACTERS = 10, 7
ENTROPY_BYTES = _ID_BYTES + _SECRET_BYTES
_TEXT = re.compile(rf"sk_(?:live|test)_({KEY_ID_PATTERN})_[a-z2-7]{{52}}[a-z2-7]{{{_CHECK_CHARACTERS}}}")
_NAME = re.compile(NAME_PATTERN)


@dataclass(frozen=True)
class Key:
    """A stored key: everything but its text.

    Without a ``team``, ``endpoints`` is None for all endpoints. With one it is None for all that the team owns at the
    time of a request; else the key reaches those of the endpoints that the team owns then.
    """

    key_id: str
    name: str
    mode: Mode
    roles: tuple[Role, ...]
    endpoints: tuple[str, ...] | None
    digest: str = field(repr=False)
    created_at: datetime
    created_by: str
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    replaces: str | None = None
    team: str | None = None

    def status(self, now: datetime) -> str:
        """Return the status at this moment: active, expired or revoked."""
        if self.revoked_at is not None:
            return REVOKED
        return EXPIRED if self.expires_at is not None and now >= self.expires_at else ACTIVE

    @property
    def permitted(self) -> frozenset[Role]:
        """The permissions of all its roles."""
        return permissions_of(self.roles)

    def describe(self, now: datetime) -> dict[str, object]:
        """Return the key for display: with its status, without its digest."""
        shown = {name: value for name, value in vars(self).items() if name != "digest"}
        return {**shown, "status": self.status(now)}


@dataclass(frozen=True)
class IssuedKey:
    """A new key with its text, which is not stored."""

    key: Key
    text: str = field(repr=False)


@dataclass(frozen=True)
class Grant:
    """The checked grant of a key: roles and endpoints in order, each once. Its scope is as a ``Key``'s."""

    name: str
    roles: tuple[Role, ...]
    mode: Mode = "live"
    endpoints: tuple[str, ...] | None = None
    team: str | None = None


def grant(
    name: str,
    roles: Sequence[str],
    mode: str = "live",
    endpoints: Sequence[str] | None = None,
    team: str | None = None,
) -> Grant:
    """Return the grant for a new key; raises InputError for an invalid name, role, mode, scope or team."""
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name[:100]!r} is not a valid key name", "Use 1 to 100 letters, digits, spaces and . _ : @ / + -"
        )
    unknown = sorted(set(roles) - set(ROLES))
    if unknown or not roles:
        problem = f"There is no role {unknown[0][:40]!r}" if unknown else f"The key {name!r} has no role"
        raise InputError(problem, f"Use one or more of: {', '.join(ROLES)}")
    if mode not in MODES:
        raise InputError(f"There is no mode {mode[:40]!r}", f"Use one of: {', '.join(MODES)}")
    if endpoints is not None and not endpoints:
        raise InputError(
            f"The key {name!r} has an empty list of endpoints",
            "Name at least one, or leave the list out for all endpoints",
        )
    ordered = tuple(role for role in ROLES if role in roles)
    scope = None if endpoints is None else tuple(sorted(set(endpoints)))
    return Grant(name, ordered, mode, scope, None if team is None else team_named(team))


def permissions_of(roles: Iterable[Role]) -> frozenset[Role]:
    """Return the permissions of all these roles."""
    return frozenset().union(*(PERMITTED[role] for role in roles))


def key_text(mode: Mode, entropy: bytes) -> str:
    """Return the text of a new key from ENTROPY_BYTES random bytes."""
    key_id, secret = _base32(entropy[:_ID_BYTES])[:_ID_CHARACTERS], _base32(entropy[_ID_BYTES:ENTROPY_BYTES])
    body = f"sk_{mode}_{key_id}_{secret}"
    return body + _check(body)


def is_wellformed(text: str) -> bool:
    """Return whether the text has the form and checksum of a key. It does not check that the key was issued."""
    return id_of(text) is not None


def id_of(text: str) -> str | None:
    """Return the id in a well-formed key, or None for any other text."""
    match = _TEXT.fullmatch(text)
    if match is None or _check(text[:-_CHECK_CHARACTERS]) != text[-_CHECK_CHARACTERS:]:
        return None
    return match[1]


def digest_of(text: str) -> str:
    """Return what is stored of a key: SHA-256 of its text, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def _check(body: str) -> str:
    return _base32(zlib.crc32(body.encode()).to_bytes(_CHECK_BYTES, "big"))


def _base32(content: bytes) -> str:
    return base64.b32encode(content).decode().rstrip("=").lower()
