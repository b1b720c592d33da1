"""API keys: the list, creating, rotating and revoking them. A key's secret text is on one page, once, when it is made.

That page answers the form itself: the text is in no address, no cookie and no log, and browsers keep no copy of the
page. An admin key of a team has the keys of its team.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from typing import Any, Final

from modelops_pipelines.core.access.api_keys import KEY_ID_PATTERN, MODES, ROLES, Grant, IssuedKey, Key, grant
from modelops_pipelines.core.durations import parse_duration
from modelops_pipelines.core.errors import ForbiddenError, InputError, ModelOpsError, UnknownError
from modelops_pipelines.gateway.access.key_administration import administers, require_within
from modelops_pipelines.gateway.access.keyring import Keyring
from modelops_pipelines.gateway.http.errors import status_of
from modelops_pipelines.gateway.pages.access.limits import limits_of
from modelops_pipelines.gateway.pages.access.one_time_forms import new_form, use_form
from modelops_pipelines.gateway.pages.files import ROOT
from modelops_pipelines.gateway.pages.page_router import Answer, Done, Page, PageRouter
from modelops_pipelines.gateway.pages.visits import Visit
from modelops_pipelines.gateway.worker.state_follower import Serving
from modelops_pipelines.operations.governance.api_keys import create_key, rotate_key, usage_of_keys
from modelops_pipelines.store.stores import Stores

LIST: Final = f"{ROOT}/keys"
LIFETIMES: Final = (("90d", "90 days"), ("30d", "30 days"), ("365d", "a year"), ("", "it never expires"))
OVERLAPS: Final = (("24h", "24 hours"), ("1h", "1 hour"), ("7d", "7 days"), ("30d", "30 days"))
"""How long a key, and after a rotation the old key, can be used: what ``parse_duration`` reads, and the words."""
_TEXTS = ("name", "endpoints", "team", "mode", "expires_in")


def add_key_pages(pages: PageRouter, serving: Serving, stores: Stores, keyring: Keyring) -> None:
    """Add the pages. This worker applies a change before it answers; other workers within a second."""

    @pages.get("/keys", role="admin", filters_teams=True)
    def list_keys(visit: Visit) -> Answer:
        now = stores.now()
        found = [key for key in stores.keys.list() if administers(visit.caller, key)]
        usage, why = _usage(stores)
        facts = {
            "keys": [key.describe(now) for key in reversed(found)],
            "usage": usage,
            "no_usage": why,
            "own": visit.caller.key_id,
        }
        return Page("keys.html", facts, section="keys")

    @pages.get("/keys/new", role="admin", filters_teams=True)
    def show_form(visit: Visit) -> Answer:
        return _form(visit, {"mode": MODES[0], "roles": []})

    @pages.post("/keys", role="admin", filters_teams=True)
    def make_key(visit: Visit) -> Answer:
        try:
            wanted, lifetime = _wanted(visit), _duration(visit.text("expires_in", 20))
            require_within(visit.caller, wanted)
            use_form(visit, stores)
            issued = create_key(stores, wanted, actor=visit.caller.name, lifetime=lifetime)
        except (InputError, UnknownError, ForbiddenError) as error:
            given = {name: visit.text(name) for name in _TEXTS}
            return _form(visit, {**given, "roles": _roles(visit)}, error)
        return _show_once(issued, is_first=keyring.is_open)

    @pages.get("/keys/{key_id}", role="admin", filters_teams=True)
    def show_key(visit: Visit) -> Answer:
        key = _key(stores, visit)
        usage, why = _usage(stores)
        facts = {
            "key": key.describe(stores.now()),
            "usage": usage.get(key.key_id),
            "no_usage": why,
            "own": visit.caller.key_id == key.key_id,
            "limits": limits_of(key, [served.spec for served in serving.endpoints()]),
            "global_limit": stores.settings.global_limit,
            "overlaps": OVERLAPS,
        }
        return Page("key.html", facts, section="keys")

    @pages.post("/keys/{key_id}/rotate", role="admin", filters_teams=True)
    def replace_key(visit: Visit) -> Answer:
        key, overlap = _key(stores, visit), _duration(visit.required("overlap", 20)) or timedelta()
        return _show_once(rotate_key(stores, key.key_id, actor=visit.caller.name, overlap=overlap))

    @pages.post("/keys/{key_id}/revoke", role="admin", filters_teams=True)
    def revoke_key(visit: Visit) -> Answer:
        key = stores.keys.revoke(_key(stores, visit).key_id, stores.now())
        keyring.refresh(stores.keys)
        return Done(f"The key {key.key_id} ({key.name}) is revoked: no request with it is answered any more.", LIST)

    def _form(visit: Visit, given: Mapping[str, Any], error: ModelOpsError | None = None) -> Page:
        facts = {
            "given": {name: given.get(name, "") for name in (*_TEXTS, "roles")},
            "error": error,
            "form": new_form(visit, stores),
            "roles": ROLES,
            "modes": MODES,
            "lifetimes": LIFETIMES,
            "teams": sorted(visit.caller.teams or ()),
            "names": [served.spec.name for served in serving.endpoints() if visit.caller.sees(served.spec.name)],
        }
        return Page("new_key.html", facts, 200 if error is None else status_of(error), section="keys")

    def _show_once(issued: IssuedKey, *, is_first: bool = False) -> Page:
        keyring.refresh(stores.keys)
        key = issued.key
        facts = {
            "key": key.describe(stores.now()),
            "secret": issued.text,
            "is_first": is_first,
            "is_admin": "admin" in key.permitted,
        }
        return Page("issued_key.html", facts, section="keys")


def _wanted(visit: Visit) -> Grant:
    """Return the grant that the form asks for; raises InputError."""
    names = [name.strip() for name in visit.text("endpoints").split(",") if name.strip()]
    return grant(
        visit.required("name", 200),
        _roles(visit),
        visit.text("mode") or MODES[0],
        names or None,
        visit.text("team", 200) or None,
    )


def _roles(visit: Visit) -> Sequence[str]:
    return [role for role in ROLES if visit.text(f"role-{role}")]


def _duration(given: str) -> timedelta | None:
    """Return the duration, None for ""; raises InputError for a text that is none."""
    if not given:
        return None
    duration = parse_duration(given)
    if duration is None:
        raise InputError(f"{given!r} is not a duration", "Write for example 90d or 24h, at most ten years")
    return duration


def _key(stores: Stores, visit: Visit) -> Key:
    """Return the key in the page's address; raises UnknownError for none, and for one that the caller may not see."""
    key_id = visit.path["key_id"]
    if not re.fullmatch(KEY_ID_PATTERN, key_id):
        raise UnknownError(f"There is no key {key_id[:80]!r}", "Use a key id from: modelops key list")
    return stores.keys.get(key_id, partial(administers, visit.caller))


def _usage(stores: Stores) -> tuple[dict[str, dict[str, Any]], str]:
    """Return the usage of keys by their ids, or why it is not known: a fault of the lake must not keep a key alive."""
    try:
        return {key_id: asdict(usage) for key_id, usage in usage_of_keys(stores).items()}, ""
    except ModelOpsError as error:
        return {}, error.message
