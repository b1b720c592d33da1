"""People whom a provider of identities (OpenID Connect) names, and what they may do. No clock or storage."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final
from urllib.parse import urlsplit

from modelops_pipelines.core.access.api_keys import Role, permissions_of
from modelops_pipelines.core.access.hosts import read_authority
from modelops_pipelines.core.errors import ForbiddenError

OPENID: Final = "openid"
SCOPES: Final = (OPENID, "profile", "email")
EMAIL: Final = "email"
NAME_CLAIM: Final = EMAIL
GROUPS_CLAIM: Final = "groups"
LONGEST_NAME: Final = 100
MOST_GROUPS: Final = 1000
_SHOWN = 10


@dataclass(frozen=True)
class GroupGrant:
    """What the members of a group may do: the roles, on the endpoints of the teams; None: on all endpoints."""

    roles: tuple[Role, ...]
    teams: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Provider:
    """A provider of identities, this gateway's registration with it, and what it says that counts.

    ``client_secret`` names where the secret is: ``env:NAME`` or ``file:PATH``. ``groups`` are in the file's order;
    ``everyone`` is what people of the provider get who are in none of them.
    """

    name: str
    issuer: str
    client_id: str
    client_secret: str
    scopes: tuple[str, ...] = SCOPES
    name_claim: str = NAME_CLAIM
    groups_claim: str = GROUPS_CLAIM
    groups: tuple[tuple[str, GroupGrant], ...] = ()
    everyone: GroupGrant | None = None

    @property
    def mapping(self) -> str:
        """A digest of everything that decides who a person is and what they may do, in hexadecimal."""
        deciding = {name: value for name, value in asdict(self).items() if name not in ("client_secret", "scopes")}
        return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()

    def grant_of(self, groups: Iterable[str]) -> GroupGrant | None:
        """Return what a member of these groups may do; None for nothing.

        The first group of the file that the person is in decides the roles. Others add their teams where they give at
        least the same roles, so that nobody gets on one team's endpoints what another team's group gives.
        """
        given = set(groups)
        matched = [grant for group, grant in self.groups if group in given]
        if self.everyone is not None:
            matched.append(self.everyone)
        if not matched:
            return None
        needed = permissions_of(matched[0].roles)
        alike = [grant for grant in matched if permissions_of(grant.roles) >= needed]
        teams = [grant.teams for grant in alike if grant.teams is not None]
        return replace(matched[0], teams=_each_once(teams) if len(teams) == len(alike) else None)

    def has_claims(self, claims: Mapping[str, Any]) -> bool:
        """Return whether both the person's name and the groups are there."""
        return None not in (claim(claims, self.name_claim), claim(claims, self.groups_claim))


@dataclass(frozen=True)
class Person:
    """Who has signed in, as the history names them, and what they may do."""

    name: str
    grant: GroupGrant


def person_of(provider: Provider, claims: Mapping[str, Any]) -> Person:
    """Return the person of these claims, which have been verified; raises ForbiddenError for one who may do nothing.

    The name ends with the provider's in parentheses, which the name of no API key has: the history tells them apart.
    """
    name = f"{_name(provider, claims)} ({provider.name})"
    groups = _groups(provider, claims)
    grant = provider.grant_of(groups)
    if grant is None:
        shown = ", ".join(repr(group[:LONGEST_NAME]) for group in groups[:_SHOWN]) or "none"
        more = f" and {len(groups) - _SHOWN} more" if len(groups) > _SHOWN else ""
        raise ForbiddenError(
            f"{name} may not use this gateway: none of their groups gives a role ({shown}{more})",
            "Ask an administrator of the gateway to map one of these groups in its sign-in file",
        )
    return Person(name, grant)


def claim(claims: Mapping[str, Any], name: str) -> Any:
    """Return a claim: of exactly this name, else of a path such as ``realm_access.roles``; None without one."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def is_secure(url: str) -> bool:
    """Return whether an address is one of https, or of http on this machine; without a user or fragment."""
    try:
        parts = urlsplit(url)
        plain = "@" not in parts.netloc and "#" not in url
        named = parts.port != 0 and bool(parts.hostname) and url.isascii() and url.isprintable() and " " not in url
    except ValueError:
        return False
    if not plain or not named:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(url))


def is_loopback(url: str) -> bool:
    """Return whether an address is one of this machine."""
    authority = read_authority(urlsplit(url).netloc)
    return authority is not None and authority.is_loopback


def _each_once(teams: Iterable[Iterable[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(team for some in teams for team in some))


def _name(provider: Provider, claims: Mapping[str, Any]) -> str:
    given = claim(claims, provider.name_claim)
    name = given.strip() if isinstance(given, str) else ""
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise ForbiddenError(
            f"{provider.name} does not say who you are: its claim {provider.name_claim!r} is no name",
            f"Have the provider send it, as a text of up to {LONGEST_NAME} characters; or name another 'name_claim'",
        )
    counts = EMAIL in (provider.name_claim, provider.groups_claim)
    if counts and claims.get("email_verified", True) not in (True, "true", "True"):
        raise ForbiddenError(f"{provider.name} has not verified the address of {name}", "Verify it, and sign in again")
    return name


def _groups(provider: Provider, claims: Mapping[str, Any]) -> list[str]:
    """Return the groups; none where the claim is missing. Raises ForbiddenError for what are no groups."""
    given = claim(claims, provider.groups_claim)
    groups = [] if given is None else [given] if isinstance(given, str) else given
    is_list = isinstance(groups, list) and all(isinstance(group, str) for group in groups)
    if not is_list or len(groups) > MOST_GROUPS:
        raise ForbiddenError(
            f"The claim {provider.groups_claim!r} of {provider.name} is no list of up to {MOST_GROUPS} texts",
            "Have the provider send the names of groups in it, or name another 'groups_claim'",
        )
    return groups
