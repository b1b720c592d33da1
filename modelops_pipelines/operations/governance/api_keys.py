"""Creates and rotates API keys, and reports their usage."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from modelops_pipelines.core.access.api_keys import Grant, IssuedKey
from modelops_pipelines.core.tables.lake import KEY_USAGE
from modelops_pipelines.operations.endpoints.lookup import endpoint_named
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.stores import Stores


@dataclass(frozen=True)
class Usage:
    """The requests of one key over all endpoints, as far as the log has been ingested."""

    requests: int = 0
    last_used_at: datetime | None = None


def create_key(stores: Stores, grant: Grant, *, actor: str, lifetime: timedelta | None = None) -> IssuedKey:
    """Create a key; without a lifetime it never expires. Raises UnknownError for an endpoint that does not exist."""
    for endpoint in grant.endpoints or ():
        endpoint_named(stores, endpoint)
    now = stores.now()
    return stores.keys.create(grant, now=now, actor=actor, expires_at=None if lifetime is None else now + lifetime)


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
