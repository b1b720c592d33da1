"""Reads ``sign-in.yaml``: the provider of identities that people sign in with, and what its groups may do.

The client's secret is named, never written: ``env:NAME`` or ``file:PATH``.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from modelops_pipelines.core.access.api_keys import ROLES, Role
from modelops_pipelines.core.access.identities import (
    GROUPS_CLAIM,
    NAME_CLAIM,
    OPENID,
    SCOPES,
    GroupGrant,
    Provider,
    is_secure,
)
from modelops_pipelines.core.access.secret_variables import looks_secret
from modelops_pipelines.core.access.teams import team_named
from modelops_pipelines.core.endpoints.issues import suggestion
from modelops_pipelines.core.errors import Fault, InputError
from modelops_pipelines.operations.endpoints.yaml.positions import DiscreetReport, Place, Report, Section, root_of
from modelops_pipelines.operations.endpoints.yaml.references import absolute, reference
from modelops_pipelines.operations.endpoints.yaml.types import RefusedError, text

_KEYS = (
    *("name", "issuer", "client_id", "client_secret", "scopes"),
    *("name_claim", "groups_claim", "groups", "everyone"),
)
_HINTS = {"secret": "Write 'client_secret: env:NAME'", "roles": "Write 'groups: {NAME: {roles: [read]}}'"}
_NAME = re.compile(r"[^\W_][\w .&+-]{0,39}")
_SCOPE = re.compile(r"[!#-\[\]-~]{1,200}")
_PRINTED = 200
_ROLES_FIX = f"Write 'roles: [read]', with one or more of: {', '.join(ROLES)}"


def parse_sign_in(content: str, file: Path) -> tuple[Provider | None, tuple[Fault, ...]]:
    """Return the provider that the file's text describes, and its faults; with any there is none."""
    report = DiscreetReport(str(file))
    root = root_of(content, report)
    found = None if root is None else _provider(report.section(root, _KEYS, _HINTS), file.parent)
    return None if report.faults else found, tuple(sorted(report.faults, key=lambda fault: fault.line))


def _provider(top: Section, folder: Path) -> Provider:
    issuer = _required(top, "issuer", "Write 'issuer: https://HOST', as the provider's documents have it")
    if issuer and (not is_secure(issuer) or "?" in issuer):
        fix = "Write an address of https without a query; http is for a provider on this machine"
        top.report.refuse("issuer", "is not the address of a provider", fix)
    groups = tuple(_groups(top))
    everyone = _grant(top.report, top.places["everyone"]) if "everyone" in top.places else None
    if not groups and everyone is None and "groups" not in top.places:
        top.report.refuse("groups", "is missing: nobody could sign in", "Write 'groups: {NAME: {roles: [read]}}'")
    return Provider(
        name=top.take("name", _provider_name, urlsplit(issuer).hostname or "the provider"),
        issuer=issuer,
        client_id=_required(top, "client_id", "Write the id under which the provider knows this gateway"),
        client_secret=absolute(_secret(top), folder),
        scopes=_scopes(top),
        name_claim=top.take("name_claim", _printed, NAME_CLAIM),
        groups_claim=top.take("groups_claim", _printed, GROUPS_CLAIM),
        groups=groups,
        everyone=everyone,
    )


def _required(section: Section, key: str, fix: str) -> str:
    if key not in section.places:
        section.report.refuse(key, "is missing", fix)
    return section.take(key, _printed, "")


def _secret(top: Section) -> str:
    if "client_secret" not in top.places:
        top.report.refuse("client_secret", "is missing", "Write 'client_secret: env:NAME', or file:PATH")
    return top.take("client_secret", _hidden_reference, "")


def _hidden_reference(node: yaml.Node) -> str:
    """Read a reference. Models and trainers are started without variables that look like secrets: it must be one."""
    given = reference(node)
    kind, _, name = given.partition(":")
    if kind == "env" and not looks_secret(name, ""):
        fix = "Use a name that ends with SECRET, such as env:MODELOPS_OIDC_SECRET"
        raise RefusedError("names a variable that the processes of models would see", fix)
    return given


def _scopes(top: Section) -> tuple[str, ...]:
    if "scopes" not in top.places:
        return SCOPES
    found = top.texts("scopes", _scope)
    if OPENID not in found and "scopes" not in top.report.stand_ins:
        top.report.refuse("scopes", f"lacks {OPENID}", f"Write 'scopes: [{', '.join(SCOPES)}]'")
    return found


def _groups(top: Section) -> Iterator[tuple[str, GroupGrant]]:
    if "groups" in top.places:
        for name, place in top.report.entries(top.places["groups"]).places.items():
            yield name, _grant(top.report, place)


def _grant(report: Report, place: Place) -> GroupGrant:
    section = report.section(place, ("roles", "teams"))
    roles = section.texts("roles", _role)
    if not roles and place.path not in report.stand_ins and f"{place.path}.roles" not in report.stand_ins:
        report.refuse(place.path, "has no role", _ROLES_FIX)
    teams = section.texts("teams", _team) if "teams" in section.places else None
    if teams == () and f"{place.path}.teams" not in report.stand_ins:
        fix = "Name at least one, or leave the list out for all endpoints"
        report.refuse(f"{place.path}.teams", "is an empty list", fix)
    return GroupGrant(tuple(role for role in ROLES if role in roles), teams)


def _role(node: yaml.Node) -> str:
    given = text(node)
    if given not in ROLES:
        raise RefusedError(f"there is no role {given[:_PRINTED]!r}", suggestion(given, ROLES))
    found: Role = next(role for role in ROLES if role == given)
    return found


def _team(node: yaml.Node) -> str:
    try:
        return team_named(text(node))
    except InputError as error:
        raise RefusedError(error.message, error.remedy) from error


def _provider_name(node: yaml.Node) -> str:
    """Read the name on the button and in the history, where it is put into parentheses."""
    given = text(node)
    if not _NAME.fullmatch(given):
        raise RefusedError("is not a provider's name", "Use up to 40 letters, digits, spaces and . & + -")
    return given


def _scope(node: yaml.Node) -> str:
    given = text(node)
    if not _SCOPE.fullmatch(given):
        raise RefusedError("is not a scope", "Write one scope an item, such as [openid, profile, email]")
    return given


def _printed(node: yaml.Node) -> str:
    given = text(node)
    if len(given) > _PRINTED or not given.isprintable() or given != given.strip():
        raise RefusedError("is not a plain text", f"Write up to {_PRINTED} printable characters, without spaces around")
    return given
