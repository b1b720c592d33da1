"""Routes of API keys: list, create, rotate, revoke. A key's secret text is returned once, when it is created.

An admin key of a team has the keys of its team, and makes no others.
"""

from datetime import timedelta
from functools import partial
from typing import Annotated, Any

from fastapi import Path, Response
from pydantic import BaseModel, ConfigDict, Field, StrictStr

from modelops_pipelines.core.access.api_keys import KEY_ID_PATTERN, NAME_PATTERN, ROLES, IssuedKey, Mode, Role, grant
from modelops_pipelines.core.access.teams import LONGEST_NAME
from modelops_pipelines.core.durations import parse_duration
from modelops_pipelines.core.errors import InputError
from modelops_pipelines.gateway.access.key_administration import administers, require_within
from modelops_pipelines.gateway.access.keyring import Keyring
from modelops_pipelines.gateway.http.guarded_router import NAME_LENGTH, CallerOf, Router
from modelops_pipelines.gateway.http.response_models import KeyInfo, NewKey
from modelops_pipelines.operations.governance.api_keys import create_key, rotate_key
from modelops_pipelines.store.stores import Stores

SCOPE = 100
KeyId = Annotated[str, Path(pattern=f"^{KEY_ID_PATTERN}$")]
EndpointText = Annotated[StrictStr, Field(max_length=NAME_LENGTH)]
TeamName = Annotated[StrictStr, Field(min_length=1, max_length=LONGEST_NAME, examples=["risk"])]
Duration = Annotated[StrictStr, Field(pattern="^([1-9][0-9]{0,2}d|[1-9][0-9]{0,3}[hms])$", examples=["90d", "24h"])]
_OVERLAP = timedelta(hours=24)


class NewKeyMessage(BaseModel):
    """The name, roles, scope, mode and expiry of a new API key."""

    model_config = ConfigDict(extra="forbid")
    name: Annotated[StrictStr, Field(pattern=f"^{NAME_PATTERN}$", description="who uses the key")]
    roles: Annotated[list[Role], Field(min_length=1, max_length=len(ROLES))]
    endpoints: Annotated[list[EndpointText], Field(min_length=1, max_length=SCOPE)] | None = Field(
        None, description="the key's scope; default: all endpoints, with a team all of the team's"
    )
    team: TeamName | None = Field(
        None, description="limits the scope to what this team owns at the time of a request ('owners' in the YAML)"
    )
    mode: Mode = Field("live", description="requests with a test key are logged as test calls")
    expires_in: Duration | None = Field(None, description="default: the key never expires")


class RotateMessage(BaseModel):
    """How long the old key stays valid."""

    model_config = ConfigDict(extra="forbid")
    overlap: Duration | None = Field(None, description="default: 24h")


def add_key_routes(router: Router, stores: Stores, keyring: Keyring) -> None:
    """Add the routes. This worker applies a change before it responds; other workers within a second."""

    @router.get("/keys", role="admin", filters_teams=True, response_model=list[KeyInfo])
    def list_keys(caller: CallerOf) -> list[dict[str, Any]]:
        """List all API keys, a team's admin key those of the team, also expired and revoked ones, oldest first."""
        now = stores.now()
        return [key.describe(now) for key in stores.keys.list() if administers(caller, key)]

    @router.post(
        "/keys", role="admin", filters_teams=True, status_code=201, response_model=NewKey, error_statuses=(404,)
    )
    def make_key(message: NewKeyMessage, caller: CallerOf, response: Response) -> dict[str, Any]:
        """Create an API key. Only this response contains its secret text. A team's admin key makes keys of the team."""
        wanted = grant(message.name, message.roles, message.mode, message.endpoints, message.team)
        require_within(caller, wanted)
        issued = create_key(stores, wanted, actor=caller.name, lifetime=_duration(message.expires_in))
        return _describe_new_key(issued, response)

    @router.post(
        "/keys/{key_id}/rotate",
        role="admin",
        filters_teams=True,
        status_code=201,
        response_model=NewKey,
        error_statuses=(409,),
    )
    def replace_key(
        key_id: KeyId, caller: CallerOf, response: Response, message: RotateMessage | None = None
    ) -> dict[str, Any]:
        """Replace a key by a new one with the same roles and scope; the old key stays valid for the overlap."""
        stores.keys.get(key_id, partial(administers, caller))
        overlap = _duration(message.overlap if message else None) or _OVERLAP
        return _describe_new_key(rotate_key(stores, key_id, actor=caller.name, overlap=overlap), response)

    @router.delete("/keys/{key_id}", role="admin", filters_teams=True, response_model=KeyInfo)
    def revoke_key(key_id: KeyId, caller: CallerOf) -> dict[str, Any]:
        """Revoke a key permanently; revoking it again changes nothing."""
        stores.keys.get(key_id, partial(administers, caller))
        key = stores.keys.revoke(key_id, stores.now())
        keyring.refresh(stores.keys)
        return key.describe(stores.now())

    def _describe_new_key(issued: IssuedKey, response: Response) -> dict[str, Any]:
        keyring.refresh(stores.keys)
        response.headers["cache-control"] = "no-store"
        return {**issued.key.describe(stores.now()), "key": issued.text}


def _duration(given: str | None) -> timedelta | None:
    """Return the duration, None for None; raises InputError for one over ten years."""
    if given is None:
        return None
    duration = parse_duration(given)
    if duration is None:
        raise InputError(f"{given!r} is not a duration", "Use for example 90d or 24h, at most ten years")
    return duration
