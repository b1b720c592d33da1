"""API keys."""

from dataclasses import dataclass, field
from datetime import datetime

from modelops_pipelines.client.answers.result import Result


@dataclass(frozen=True)
class Key(Result):
    """An API key without its secret text, which is shown only when the key is created."""

    key_id: str
    name: str
    mode: str
    roles: tuple[str, ...]
    endpoints: tuple[str, ...] | None
    """Null for all endpoints, of a team's key for all that the team owns."""
    status: str
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    replaces: str | None
    """The id of the key that this one replaced by rotation."""
    team: str | None = field(default=None, kw_only=True)
    """The team whose endpoints the key reaches; null for none, and from older gateways."""


@dataclass(frozen=True)
class NewKey(Key):
    """A new API key with its secret text."""

    key: str = field(repr=False)
    """The secret text, shown only once: store it now."""
