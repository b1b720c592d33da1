"""Routes of keys: list, make, rotate, revoke. A key's text leaves here once, when it is made."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import Path, Response
from pydantic import BaseModel, ConfigDict, Field, StrictStr

from modelops_pipelines.core.access.api_keys import KEY_ID_PATTERN, NAME_PATTERN, ROLES, IssuedKey, Mode, Role, grant
from modelops_pipelines.core.durations import parse_duration
from modelops_pipelines.core.errors import InputError
from modelops_pipelines.gateway.access.keyring import Keyring
from modelops_pipelines.gateway.http.guarded_router import NAME_LENGTH, CallerOf, Router
from modelops_pipelines.gateway.http.response_models import KeyInfo, NewKey
from modelops_pipelines.operations.governance.api_keys import create_key, rotate_key
from modelops_pipelines.store.stores import Stores

SCOPE = 100
KeyId = Annotated[str, Path(pattern=f"^{KEY_ID_PATTERN}$")]
EndpointText = Annotated[StrictStr, Field(max_length=NAME_LENGTH)]
Duration = Annotated[StrictStr, Field(pattern="^([1-9][0-9]{0,2}d|[1-9][0-9]{0,3}[hms])$", examples=["90d", "24h"])]
_OVERLAP = timedelta(hours=24)


class NewKeyMessage(BaseModel):
    """What a key is to be made for."""

    model_config = ConfigDict(extra="forbid")
    name: Annotated[StrictStr, Field(pattern=f"^{NAME_PATTERN}$", description="whose it is")]
    roles: Annotated[list[Role], Field(min_length=1, max_length=len(ROLES))]
    endpoints: Annotated[list[EndpointText], Field(min_length=1, max_length=SCOPE)] | None = None
    mode: Mode = Field("live", description="requests of a test key are logged as tests")
    expires_in: Duration | None = Field(None, description="never when left out")


class RotateMessage(BaseModel):
    """How long the old key is to stay good."""

    model_config = ConfigDict(extra="forbid")
    overlap: Duration | None = Field(None, description="24h when left out")


def add_key_routes(router: Router, stores: Stores, keyring: Keyring) -> None:
    """Add the routes. What changes a key is known to this worker when it answers, to others a moment later."""

    @router.get("/keys", role="admin", response_model=list[KeyInfo])
    def list_keys() -> list[dict[str, Any]]:
        """List all keys, also those that are good no more, oldest first."""
        now = stores.now()
        return [key.describe(now) for key in stores.keys.list()]

    @router.post("/keys", role="admin", status_code=201, response_model=NewKey, refuses=(404,))
    def make_key(message: NewKeyMessage, caller: CallerOf, response: Response) -> dict[str, Any]:
        """Make a key. Its text is in this answer and nowhere else."""
        wanted = grant(message.name, message.roles, message.mode, message.endpoints)
        issued = create_key(stores, wanted, actor=caller.name, lifetime=_duration(message.expires_in))
        return _shown_once(issued, response)

    @router.post("/keys/{key_id}/rotate", role="admin", status_code=201, response_model=NewKey, refuses=(409,))
    def replace_key(
        key_id: KeyId, caller: CallerOf, response: Response, message: RotateMessage | None = None
    ) -> dict[str, Any]:
        """Make a key in another's place; the old one stays good for the overlap."""
        overlap = _duration(message.overlap if message else None) or _OVERLAP
        return _shown_once(rotate_key(stores, key_id, actor=caller.name, overlap=overlap), response)

    @router.delete("/keys/{key_id}", role="admin", response_model=KeyInfo)
    def revoke_key(key_id: KeyId) -> dict[str, Any]:
        """Make a key good for nothing, for ever; again it changes nothing."""
        key = stores.keys.revoke(key_id, stores.now())
        keyring.refresh(stores.keys)
        return key.describe(stores.now())

    def _shown_once(issued: IssuedKey, response: Response) -> dict[str, Any]:
        keyring.refresh(stores.keys)
        response.headers["cache-control"] = "no-store"
        return {**issued.key.describe(stores.now()), "key": issued.text}


def _duration(given: str | None) -> timedelta | None:
    """Return a duration; raises InputError for one that is too long."""
    if given is None:
        return None
    duration = parse_duration(given)
    if duration is None:
        raise InputError(f"{given!r} is no duration", "Give for example 90d or 24h, at most ten years")
    return duration
