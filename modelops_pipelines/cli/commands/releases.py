"""What changes the live model, and its history."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

import click

from modelops_pipelines.cli.output import json_option, show_change, show_rows, show_value
from modelops_pipelines.cli.project import actor, open_stores, require_endpoint
from modelops_pipelines.core.release.deployment_states import STATUSES
from modelops_pipelines.core.release.event_log import Event, live_at
from modelops_pipelines.operations.endpoints.lookup import endpoint_named

_REASON = click.option("--reason", default="", help="Why; the history keeps it.")
_DRY_RUN = click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")


@click.command()
@click.argument("endpoint")
@click.argument("version")
@click.option("--share", type=click.IntRange(1, 100), default=100, show_default=True, help="Percent of the traffic.")
@click.option("--key", default=None, help="Idempotency key: asked for again under it, nothing more happens.")
@_REASON
@_DRY_RUN
@json_option
def deploy(
    endpoint: str, version: str, share: int, key: str | None, reason: str, *, dry_run: bool, as_json: bool
) -> None:
    """Put VERSION on ENDPOINT and wait until every gateway worker serves it."""
    from modelops_pipelines.operations.release import commands as releases

    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    change = releases.deploy(stores, spec, version, share=share, actor=actor(), reason=reason, key=key, dry_run=dry_run)
    show_change(change, as_json=as_json)  # before the aliases: it is done, whatever MLflow says
    if not dry_run:
        releases.sync_registry(stores, spec)


@click.command()
@click.argument("endpoint")
@click.argument("version")
@click.option("--force", is_flag=True, help="Go without a passed gate; needs --reason, and the history says so.")
@_REASON
@_DRY_RUN
@json_option
def promote(endpoint: str, version: str, reason: str, *, force: bool, dry_run: bool, as_json: bool) -> None:
    """Take VERSION a step further on ENDPOINT's promotion plan; the last step makes it the champion."""
    from modelops_pipelines.operations.release import commands as releases

    if force and not reason:
        raise click.UsageError("--force needs a --reason: the history keeps it")
    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    change = releases.promote(stores, spec, version, force=force, actor=actor(), reason=reason, dry_run=dry_run)
    show_change(change, as_json=as_json)  # before the aliases: it is done, whatever MLflow says
    if not dry_run:
        releases.sync_registry(stores, spec)


@click.command()
@click.argument("endpoint")
@click.option("--to", default=None, help="An earlier champion; the one before by default.")
@_REASON
@_DRY_RUN
@json_option
def rollback(endpoint: str, to: str | None, reason: str, *, dry_run: bool, as_json: bool) -> None:
    """Return ENDPOINT to the champion before. Needs neither Dagster nor MLflow; their alias follows later."""
    from modelops_pipelines.operations.release import commands as releases

    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    change = releases.roll_back(stores, spec, to=to, actor=actor(), reason=reason, dry_run=dry_run)
    show_change(change, as_json=as_json)


@click.command()
@click.argument("endpoint")
@click.option("--at", default=None, metavar="TIME", help="What was live then: ISO 8601, UTC unless it says otherwise.")
@json_option
def history(endpoint: str, at: str | None, *, as_json: bool) -> None:
    """Show what happened to ENDPOINT: who, when, from and to, why; or what was live at a TIME."""
    stores = open_stores()
    events = stores.deployments.events(endpoint)
    if not events:
        require_endpoint(stores, endpoint)
    if at is not None:
        _tell_live(endpoint, events, _moment(at), as_json=as_json)
        return
    names = ("number", "at", "actor", "action", "from_version", "to_version", "generation", "reason")
    rows = [{name: getattr(event, name) for name in names} for event in events]
    full = [{**asdict(event), "hash": event.hash} for event in events]
    show_rows(full if as_json else rows, as_json=as_json, empty=f"Nothing has happened to {endpoint!r} yet.")


@click.command()
@click.argument("endpoint", required=False)
@click.option("--status", type=click.Choice(STATUSES), default=None, help="Only those.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--cursor", default=None, help="Where the page before ended.")
@json_option
def deployments(endpoint: str | None, status: str | None, limit: int, cursor: str | None, *, as_json: bool) -> None:
    """List deployments, newest first: who put which version where, and what came of it."""
    from modelops_pipelines.operations.release.listing import deployments_page

    page = deployments_page(open_stores(), [endpoint] if endpoint else None, status, cursor, limit)
    if as_json:
        show_value({"items": page.items, "next_cursor": page.next_cursor}, as_json=True)
        return
    show_rows(page.items, as_json=False, empty="There is no such deployment.")
    if page.next_cursor:
        click.echo(f"more: --cursor {page.next_cursor}", err=True)


def _moment(given: str) -> datetime:
    """Return a moment; one without an offset is UTC."""
    try:
        moment = datetime.fromisoformat(given)
    except ValueError as error:
        raise click.UsageError(f"{given!r} is no time: write it such as 2026-03-01T12:00:00Z") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _tell_live(endpoint: str, events: Sequence[Event], moment: datetime, *, as_json: bool) -> None:
    state = live_at(endpoint, events, moment)
    rows = [{"version": v.version, "role": v.role, "share": v.share} for v in state.variants]
    if as_json:
        told = {"endpoint": endpoint, "at": moment, "generation": state.generation, "status": state.status}
        show_value({**told, "variants": rows}, as_json=True)
    elif state.status != "active":
        click.echo(f"{endpoint} was {state.status}")
    else:
        show_rows(rows, as_json=False, empty=f"{endpoint} served nothing then.")
