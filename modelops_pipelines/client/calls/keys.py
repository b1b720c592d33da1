"""API keys. They need the role admin."""

from collections.abc import Iterable

from modelops_pipelines.client.answers.keys import Key, NewKey
from modelops_pipelines.client.answers.reading import many, one
from modelops_pipelines.client.answers.result import Listing
from modelops_pipelines.client.connection.call import Call, Retry, body_of
from modelops_pipelines.client.connection.operation import operation


class KeyCalls:
    """Operations on API keys; a new key's ``key`` is its secret text, which nothing else shows."""

    @operation
    def keys(self) -> Call[Listing[Key]]:
        """List all API keys, also expired and revoked ones, oldest first."""
        return Call("GET", "/keys", many(Key))

    @operation
    def create_key(
        self,
        name: str,
        roles: Iterable[str],
        *,
        endpoints: Iterable[str] | None = None,
        team: str | None = None,
        mode: str = "live",
        expires_in: str | None = None,
    ) -> Call[NewKey]:
        """Create a key with these roles, for these endpoints (by default all), that expires in, say, 90d.

        With a ``team`` it reaches what the team owns at the time of a request.
        """
        scope = None if endpoints is None else list(endpoints)
        message = {"name": name, "roles": list(roles), "mode": mode, "expires_in": expires_in}
        message |= {"endpoints": scope, "team": team}
        return Call("POST", "/keys", one(NewKey), content=body_of(message), retry=Retry.UNSENT)

    @operation
    def rotate_key(self, key_id: str, *, overlap: str | None = None) -> Call[NewKey]:
        """Replace a key by a new one with the same roles and scope; the old one stays valid for the overlap (24h)."""
        parts, content = {"key_id": key_id}, body_of({"overlap": overlap})
        return Call("POST", "/keys/{key_id}/rotate", one(NewKey), parts, content=content, retry=Retry.UNSENT)

    @operation
    def revoke_key(self, key_id: str) -> Call[Key]:
        """Revoke a key permanently; revoking it again changes nothing."""
        return Call("DELETE", "/keys/{key_id}", one(Key), {"key_id": key_id})
