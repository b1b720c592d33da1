"""Commands on API keys. A key's text is printed once, alone on stdout, when it is created."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import click

from modelops_pipelines.cli.output import as_text, echo, json_option, show_rows, show_value
from modelops_pipelines.cli.project import actor, open_stores
from modelops_pipelines.core.access.api_keys import MODES, ROLES, IssuedKey, grant
from modelops_pipelines.core.durations import parse_duration
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.governance.api_keys import Usage, create_key, owned_now, rotate_key, usage_of_keys
from modelops_pipelines.store.stores import Stores

LIVE, TEST = MODES


class Duration(click.ParamType[timedelta]):
    """A duration, such as 90d, 24h or 30m."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return the duration, or end the command with a usage error."""
        duration = value if isinstance(value, timedelta) else parse_duration(str(value))
        if duration is None:
            self.fail(f"{value!r} is not a duration: give for example 90d, 24h or 30m, at most ten years", param, ctx)
        return duration


_ROLE = click.option(
    "--role",
    "roles",
    type=click.Choice(ROLES),
    multiple=True,
    required=True,
    help="Role of the key; repeat for several.",
)
_ENDPOINT = click.option(
    "--endpoint", "endpoints", multiple=True, help="Limit the key to this endpoint; repeat for several."
)
_TEAM = click.option(
    "--team", default=None, help="Limit the key to what this team owns: endpoints with 'team:NAME' among their owners."
)


@click.group()
def key() -> None:
    """Create, list, rotate and revoke API keys. While no key exists, the gateway accepts requests without one."""


@key.command()
@click.argument("name")
@_ROLE
@_ENDPOINT
@_TEAM
@click.option("--test", is_flag=True, help="A test key: its requests are logged as tests and kept out of metrics.")
@click.option(
    "--expires", type=Duration(), default=None, help="Lifetime, for example 90d; default: the key never expires."
)
@json_option
def create(
    name: str,
    roles: tuple[str, ...],
    endpoints: tuple[str, ...],
    team: str | None,
    *,
    test: bool,
    expires: timedelta | None,
    as_json: bool,
) -> None:
    """Create a key named NAME.

    The role predict allows prediction requests, labels and feedback; feedback allows feedback alone, as for a key in a
    web page; read allows reading everything except keys; operate allows reading, releases such as rollbacks, and work
    on alerts and feedback; admin allows everything, including managing keys. A key of a team reaches what the team owns
    at the time of a request; with the role admin it manages the keys of its team, and no others.
    """
    granted = grant(name, roles, TEST if test else LIVE, endpoints or None, team)
    stores = open_stores()
    _show_once(stores, create_key(stores, granted, actor=actor(), lifetime=expires), as_json=as_json)
    if granted.team is not None and granted.team not in owned_now(stores):
        echo(
            f"No endpoint has 'team:{granted.team}' among its owners yet: the key reaches none until one has.", err=True
        )


@key.command()
@click.argument("key_id")
@click.option("--overlap", type=Duration(), default="24h", show_default=True, help="How long the old key stays valid.")
@json_option
def rotate(key_id: str, overlap: timedelta, *, as_json: bool) -> None:
    """Create a key that replaces KEY_ID.

    The new key has the same roles, endpoints, team and lifetime. The old key expires after the overlap.
    """
    stores = open_stores()
    _show_once(stores, rotate_key(stores, key_id, actor=actor(), overlap=overlap), as_json=as_json)


@key.command()
@click.argument("key_id")
@json_option
def revoke(key_id: str, *, as_json: bool) -> None:
    """Revoke KEY_ID immediately and permanently."""
    stores = open_stores()
    now = stores.now()
    revoked = stores.keys.revoke(key_id, now)
    if as_json:
        show_value(revoked.describe(now), as_json=True)
    else:
        echo(f"The key {revoked.key_id} ({revoked.name}) is revoked.")


@key.command("list")
@json_option
def list_keys(*, as_json: bool) -> None:
    """List all keys with their roles, endpoints and usage."""
    stores = open_stores()
    keys, now = stores.keys.list(), stores.now()
    used = usage_of_keys(stores) if keys else {}
    rows = [{**key.describe(now), **asdict(used.get(key.key_id, Usage()))} for key in keys]
    shown = rows if as_json else [_as_line(row) for row in rows]
    show_rows(shown, as_json=as_json, empty="There are no keys: the gateway accepts requests without a key.")


def _as_line(row: dict[str, Any]) -> dict[str, Any]:
    """Return the columns shown in the table for people."""
    return {
        "id": row["key_id"],
        "name": row["name"],
        "mode": row["mode"],
        "roles": ",".join(row["roles"]),
        "endpoints": _scope(row["endpoints"], row["team"], ","),
        "status": row["status"],
        "created": row["created_at"],
        "expires": row["expires_at"] or "never",
        "requests": row["requests"],
        "last_used": row["last_used_at"],
    }


def _scope(endpoints: Sequence[str] | None, team: str | None, separator: str) -> str:
    """Return a key's scope in words: its endpoints, its team, or the endpoints of its team that it names."""
    named = separator.join(endpoints or ())
    if team is None:
        return named or "all"
    return f"team:{team}" + (f"/{named}" if named else "")


def _show_once(stores: Stores, issued: IssuedKey, *, as_json: bool) -> None:
    key = issued.key
    if as_json:
        echo(as_text({**key.describe(stores.now()), "key": issued.text}))
        return
    scope = _scope(key.endpoints, key.team, ", ") if key.endpoints or key.team else "all endpoints"
    expiry = f"expires {text(key.expires_at)[:16]}" if key.expires_at else "never expires"
    echo(f"Key {key.key_id} ({key.name}): {key.mode}, {', '.join(key.roles)} on {scope}, {expiry}.", err=True)
    echo("The key is shown only this once:", err=True)
    echo(issued.text)
