"""The gateway's keys. A key's text is printed once, alone on stdout, when it is made."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

import click

from modelops_pipelines.cli.output import as_text, json_option, show_rows, show_value
from modelops_pipelines.cli.project import actor, open_stores
from modelops_pipelines.core.access.api_keys import MODES, ROLES, IssuedKey, grant
from modelops_pipelines.core.durations import parse_duration
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.governance.api_keys import Usage, create_key, rotate_key, usage_of_keys
from modelops_pipelines.store.stores import Stores

LIVE, TEST = MODES


class Duration(click.ParamType[timedelta]):
    """A duration as people write it."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return the duration, or end the command as wrong usage."""
        duration = value if isinstance(value, timedelta) else parse_duration(str(value))
        if duration is None:
            self.fail(f"{value!r} is no duration: give for example 90d, 24h or 30m, at most ten years", param, ctx)
        return duration


_ROLE = click.option(
    "--role", "roles", type=click.Choice(ROLES), multiple=True, required=True, help="What it may do; several are fine."
)
_ENDPOINT = click.option("--endpoint", "endpoints", multiple=True, help="Only for this one; several are fine.")


@click.group()
def key() -> None:
    """Make, list, rotate and revoke the gateway's keys. While there is none, the gateway asks nobody for one."""


@key.command()
@click.argument("name")
@_ROLE
@_ENDPOINT
@click.option("--test", is_flag=True, help="Its requests are logged as tests and left out of every metric.")
@click.option("--expires", type=Duration(), default=None, help="After this long, for example 90d; never by default.")
@json_option
def create(
    name: str,
    roles: tuple[str, ...],
    endpoints: tuple[str, ...],
    *,
    test: bool,
    expires: timedelta | None,
    as_json: bool,
) -> None:
    """Make a key for NAME.

    The role predict asks for predictions and sends labels and feedback; read shows everything but keys; operate rolls
    back, and reads; admin does all of it, and makes keys.
    """
    wanted = grant(name, roles, TEST if test else LIVE, endpoints or None)
    stores = open_stores()
    _show_once(stores, create_key(stores, wanted, actor=actor(), lifetime=expires), as_json=as_json)


@key.command()
@click.argument("key_id")
@click.option("--overlap", type=Duration(), default="24h", show_default=True, help="How long the old one stays good.")
@json_option
def rotate(key_id: str, overlap: timedelta, *, as_json: bool) -> None:
    """Make a key in the place of KEY_ID.

    It is for the same, and lives as long as the old one was given to live; the old one ends after the overlap.
    """
    stores = open_stores()
    _show_once(stores, rotate_key(stores, key_id, actor=actor(), overlap=overlap), as_json=as_json)


@key.command()
@click.argument("key_id")
@json_option
def revoke(key_id: str, *, as_json: bool) -> None:
    """Make KEY_ID good for nothing, at once and for ever."""
    stores = open_stores()
    now = stores.now()
    revoked = stores.keys.revoke(key_id, now)
    if as_json:
        show_value(revoked.describe(now), as_json=True)
    else:
        click.echo(f"The key {revoked.key_id} ({revoked.name}) is revoked.")


@key.command("list")
@json_option
def list_keys(*, as_json: bool) -> None:
    """List all keys, what each is for, and how much it was used."""
    stores = open_stores()
    keys, now = stores.keys.list(), stores.now()
    used = usage_of_keys(stores) if keys else {}
    rows = [{**one.describe(now), **asdict(used.get(one.key_id, Usage()))} for one in keys]
    shown = rows if as_json else [_as_line(row) for row in rows]
    show_rows(shown, as_json=as_json, empty="There is no key: the gateway asks nobody for one.")


def _as_line(row: dict[str, Any]) -> dict[str, Any]:
    """Return the columns that people look at."""
    return {
        "id": row["key_id"],
        "name": row["name"],
        "mode": row["mode"],
        "roles": ",".join(row["roles"]),
        "endpoints": ",".join(row["endpoints"] or ("all",)),
        "status": row["status"],
        "created": row["created_at"],
        "expires": row["expires_at"] or "never",
        "requests": row["requests"],
        "last_used": row["last_used_at"],
    }


def _show_once(stores: Stores, issued: IssuedKey, *, as_json: bool) -> None:
    made = issued.key
    if as_json:
        click.echo(as_text({**made.describe(stores.now()), "key": issued.text}))
        return
    scope = ", ".join(made.endpoints) if made.endpoints else "all endpoints"
    until = f"until {text(made.expires_at)[:16]}" if made.expires_at else "for ever"
    click.echo(f"Key {made.key_id} ({made.name}): {made.mode}, {', '.join(made.roles)} on {scope}, {until}.", err=True)
    click.echo("This is the only time that it is shown:", err=True)
    click.echo(issued.text)
