"""Creates and rotates API keys, and reports their usage."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from modelops_pipelines.core.access.api_keys import Grant, IssuedKey
from modelops_pipelines.core.access.teams import Owned, endpoints_of, owned_endpoints
from modelops_pipelines.core.errors import UnknownError
from modelops_pipelines.core.tables.lake import KEY_USAGE
from modelops_pipelines.operations.endpoints.configurations import configured
from modelops_pipelines.operations.endpoints.lookup import endpoint_named
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.stores import Stores


@dataclass(frozen=True)
class Usage:
    """The requests of one key over all endpoints, as far as the log has been ingested."""

    requests: int = 0
    last_used_at: datetime | None = None


def create_key(stores: Stores, grant: Grant, *, actor: str, lifetime: timedelta | None = None) -> IssuedKey:
    """Create a key; without a lifetime it never expires.

    Raises UnknownError for an endpoint that does not exist, or that the key's team does not own. A team may own none
    yet: what names it later is in the key's scope then.
    """
    owned = None if grant.team is None else endpoints_of([grant.team], owned_now(stores))
    for endpoint in grant.endpoints or ():
        if owned is None:
            endpoint_named(stores, endpoint)
        elif endpoint not in owned:
            raise UnknownError(
                f"The team {grant.team!r} owns no endpoint {endpoint[:80]!r}",
                f"Name one of its endpoints, or write 'team:{grant.team}' among the owners in the endpoint's YAML",
            )
    now = stores.now()
    return stores.keys.create(grant, now=now, actor=actor, expires_at=None if lifetime is None else now + lifetime)


def owned_now(stores: Stores) -> Owned:
    """Return which endpoints are whose, by the configurations in force."""
    return owned_endpoints((spec.name, spec.owners) for spec in configured(stores.settings))


def rotate_key(stores: Stores, key_id: str, *, actor: str, overlap: timedelta) -> IssuedKey:
    """Create a key that replaces another; raises UnknownError and ConflictError as ``Keys.rotate`` does."""
    return stores.keys.rotate(key_id, overlap, now=stores.now(), actor=actor)


def usage_of_keys(stores: Stores) -> dict[str, Usage]:
    """Return each key's usage by its id. Reads the lake only."""
    found: dict[str, Usage] = {}
    for endpoint in stores.lake.endpoints():
        with stores.lake.query(endpoint, [KEY_USAGE]) as connected:
            rows = connected.execute(sql.named("key_totals")).fetchall()
        for key_id, requests, last_used_at in rows:
            before = found.get(key_id, Usage())
            found[key_id] = Usage(before.requests + requests, max(last_used_at, before.last_used_at or last_used_at))
    return found
