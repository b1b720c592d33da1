"""Commands that change the live model, and its history."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from functools import partial

import click

from modelops_pipelines.cli.output import echo, json_option, show_change, show_page, show_rows, show_value
from modelops_pipelines.cli.project import actor, open_stores, parse_moment, require_endpoint
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import RegistryError
from modelops_pipelines.core.release.admission import is_readable
from modelops_pipelines.core.release.deployment_states import STATUSES
from modelops_pipelines.core.release.event_log import Event, live_at
from modelops_pipelines.operations.endpoints.lookup import endpoint_named
from modelops_pipelines.store.stores import Stores

_REASON = click.option("--reason", default="", help="Reason for the change, recorded in the history.")
_FORCE_TEXT = "without a passed gate; requires --reason and is recorded in the history."
_DRY_RUN = click.option("--dry-run", is_flag=True, help="Show what would change without changing it.")


@click.command()
@click.argument("endpoint")
@click.argument("version")
@click.option("--share", type=click.IntRange(1, 100), default=100, show_default=True, help="Percent of the traffic.")
@click.option("--key", default=None, help="Idempotency key: a repeated deploy with the same key changes nothing.")
@click.option("--force", is_flag=True, help=f"Replace the champion {_FORCE_TEXT}")
@_REASON
@_DRY_RUN
@json_option
def deploy(
    endpoint: str, version: str, share: int, key: str | None, reason: str, *, force: bool, dry_run: bool, as_json: bool
) -> None:
    """Deploy VERSION to ENDPOINT and wait until every gateway worker serves it.

    A version that replaces a champion needs a passed gate, or --force with a reason. A first deploy and a share on
    trial need neither.
    """
    from modelops_pipelines.operations.release import commands as releases

    _require_reason(reason, force=force)
    stores = open_stores()
    spec = endpoint_named(stores, endpoint, newest=True)  # a version goes live with the configuration made for it
    _prepare(stores, spec, version)
    change = releases.deploy(
        stores, spec, version, share=share, actor=actor(), reason=reason, key=key, force=force, dry_run=dry_run
    )
    show_change(change, as_json=as_json)  # before the aliases: the change holds even if MLflow fails
    if not dry_run:
        _sync_registry(stores, spec)


@click.command()
@click.argument("endpoint")
@click.argument("version")
@click.option("--force", is_flag=True, help=f"Promote {_FORCE_TEXT}")
@_REASON
@_DRY_RUN
@json_option
def promote(endpoint: str, version: str, reason: str, *, force: bool, dry_run: bool, as_json: bool) -> None:
    """Promote VERSION to the next step of ENDPOINT's promotion plan; the last step makes it the champion."""
    from modelops_pipelines.operations.release import commands as releases

    _require_reason(reason, force=force)
    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    change = releases.promote(stores, spec, version, force=force, actor=actor(), reason=reason, dry_run=dry_run)
    show_change(change, as_json=as_json)  # before the aliases: the change holds even if MLflow fails
    if not dry_run:
        _sync_registry(stores, spec)


@click.command()
@click.argument("endpoint")
@click.option("--to", default=None, help="An earlier champion; default: the previous one.")
@click.option("--undo", is_flag=True, help="Return to what the newest rollback removed; requires --reason.")
@click.option("--force", is_flag=True, help="With --undo: return to a version that a guard rolled back.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation of a second rollback in a row.")
@_REASON
@_DRY_RUN
@json_option
def rollback(
    endpoint: str,
    to: str | None,
    reason: str,
    *,
    undo: bool,
    force: bool,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Roll back to ENDPOINT's previous champion, or undo a rollback. Says what it will do first.

    Needs neither Dagster nor MLflow; MLflow's alias is updated later.
    """
    from modelops_pipelines.operations.release import commands as releases
    from modelops_pipelines.operations.release.rollbacks import undo_rollback

    if undo and to is not None:
        raise click.UsageError("--undo returns to what the newest rollback removed; leave --to out")
    if force and not undo:
        raise click.UsageError("--force belongs to --undo: a rollback needs no force")
    if undo and not dry_run and not is_readable(reason):
        raise click.UsageError("--undo requires --reason, which the history records")
    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    if undo:
        run = partial(undo_rollback, stores, spec, force=force, actor=actor(), reason=reason)
    else:
        run = partial(releases.roll_back, stores, spec, to=to, actor=actor(), reason=reason)
    preview = run(dry_run=True)
    if not dry_run:
        echo(preview.sentence, err=True)
        _confirm_second_rollback(stores, endpoint, asks=not (undo or yes or to is not None))
    show_change(preview if dry_run else run(), as_json=as_json)


@click.command()
@click.argument("endpoint")
@click.option(
    "--at", default=None, metavar="TIME", help="Show what was live at this time: ISO 8601, UTC unless it has an offset."
)
@json_option
def history(endpoint: str, at: str | None, *, as_json: bool) -> None:
    """Show the changes of ENDPOINT: actor, time, versions and reason; or what was live at a given TIME."""
    stores = open_stores()
    events = stores.deployments.events(endpoint)
    if not events:
        require_endpoint(stores, endpoint)
    if at is not None:
        _show_live(endpoint, events, parse_moment(at), as_json=as_json)
        return
    names = ("number", "at", "actor", "action", "from_version", "to_version", "generation", "reason")
    rows = [{**{name: getattr(event, name) for name in names}, "gate": event.gate} for event in events]
    full = [{**asdict(event), "hash": event.hash} for event in events]
    show_rows(full if as_json else rows, as_json=as_json, empty=f"Endpoint {endpoint!r} has no changes yet.")


@click.command()
@click.argument("endpoint", required=False)
@click.option("--status", type=click.Choice(STATUSES), default=None, help="Deployments with this status only.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--cursor", default=None, help="Cursor printed after the previous page.")
@json_option
def deployments(endpoint: str | None, status: str | None, limit: int, cursor: str | None, *, as_json: bool) -> None:
    """List deployments, newest first: actor, version, endpoint and status."""
    from modelops_pipelines.operations.release.listing import deployments_page

    page = deployments_page(open_stores(), [endpoint] if endpoint else None, status, cursor, limit)
    show_page(page.items, page.next_cursor, as_json=as_json, empty="There are no such deployments.")


def _require_reason(reason: str, *, force: bool) -> None:
    if force and not is_readable(reason):
        raise click.UsageError("--force requires --reason, which the history records")


def _prepare(stores: Stores, spec: EndpointSpec, version: str) -> None:
    """Build the version's environment, where the endpoint is isolated and there is none yet, and tell how far it is."""
    from modelops_pipelines.cli.progress import told_steps
    from modelops_pipelines.operations.versions.environments import prepare_version

    if not spec.is_isolated:
        return
    with told_steps() as tell:
        prepare_version(stores, spec, version, tell)


def _sync_registry(stores: Stores, spec: EndpointSpec) -> None:
    """Write to MLflow what is live; while it does not answer, say that the aliases follow later: the change holds."""
    from modelops_pipelines.operations.release.commands import sync_registry

    try:
        sync_registry(stores, spec)
    except RegistryError as error:
        echo(f"{error.message}: its aliases follow when it does, within ten minutes of Dagster", err=True)


def _confirm_second_rollback(stores: Stores, endpoint: str, *, asks: bool) -> None:
    """Say that the newest release is a rollback already, and how to undo it; on a terminal, ask: it may be a slip."""
    from modelops_pipelines.operations.release.rollbacks import offer_of_undo

    offer = offer_of_undo(stores.deployments.events(endpoint), endpoint) if asks else None
    if offer is None:
        return
    echo(f"The newest release is a rollback already. {offer}", err=True)
    if sys.stdin.isatty():
        click.confirm("Roll back further?", abort=True, err=True)


def _show_live(endpoint: str, events: Sequence[Event], moment: datetime, *, as_json: bool) -> None:
    state = live_at(endpoint, events, moment)
    rows = [{"version": v.version, "role": v.role, "share": v.share} for v in state.variants]
    if as_json:
        shown = {"endpoint": endpoint, "at": moment, "generation": state.generation, "status": state.status}
        show_value({**shown, "variants": rows}, as_json=True)
    elif state.status != "active":
        echo(f"{endpoint} was {state.status}")
    else:
        show_rows(rows, as_json=False, empty=f"{endpoint} served no version at that time.")
