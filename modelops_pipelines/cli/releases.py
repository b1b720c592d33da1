"""What changes the live model, and its history."""

from dataclasses import asdict

import click

from modelops_pipelines.cli.opening import actor, open_stores, require_endpoint
from modelops_pipelines.cli.output import json_option, show_rows, show_value
from modelops_pipelines.operations.changes import Change
from modelops_pipelines.operations.endpoints import endpoint_named

_REASON = click.option("--reason", default="", help="Why; the history keeps it.")


@click.command()
@click.argument("endpoint")
@click.argument("version")
@click.option("--share", type=click.IntRange(1, 100), default=100, show_default=True, help="Percent of the traffic.")
@_REASON
@json_option
def deploy(endpoint: str, version: str, share: int, reason: str, *, as_json: bool) -> None:
    """Put VERSION on ENDPOINT and wait until every gateway worker serves it."""
    from modelops_pipelines.operations import releases

    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    change = releases.deploy(stores, spec, version, share=share, actor=actor(), reason=reason)
    _tell(change, as_json=as_json)  # before the aliases: it is done, whatever MLflow says
    releases.mirror(stores, spec)


@click.command()
@click.argument("endpoint")
@click.argument("version")
@click.option("--force", is_flag=True, help="Go without a passed gate; needs --reason, and the history says so.")
@_REASON
@json_option
def promote(endpoint: str, version: str, reason: str, *, force: bool, as_json: bool) -> None:
    """Take VERSION a step further on ENDPOINT's promotion plan; the last step makes it the champion."""
    from modelops_pipelines.operations import releases

    if force and not reason:
        raise click.UsageError("--force needs a --reason: the history keeps it")
    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    change = releases.promote(stores, spec, version, force=force, actor=actor(), reason=reason)
    _tell(change, as_json=as_json)  # before the aliases: it is done, whatever MLflow says
    releases.mirror(stores, spec)


@click.command()
@click.argument("endpoint")
@click.option("--to", default=None, help="An earlier champion; the one before by default.")
@_REASON
@json_option
def rollback(endpoint: str, to: str | None, reason: str, *, as_json: bool) -> None:
    """Return ENDPOINT to the champion before. Needs neither Dagster nor MLflow; their alias follows later."""
    from modelops_pipelines.operations import releases

    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    _tell(releases.roll_back(stores, spec, to=to, actor=actor(), reason=reason), as_json=as_json)


@click.command()
@click.argument("endpoint")
@json_option
def history(endpoint: str, *, as_json: bool) -> None:
    """Show what happened to ENDPOINT: who, when, from and to, why."""
    stores = open_stores()
    events = stores.deployments.events(endpoint)
    if not events:
        require_endpoint(stores, endpoint)
    names = ("number", "at", "actor", "action", "from_version", "to_version", "generation", "reason")
    rows = [{name: getattr(event, name) for name in names} for event in events]
    full = [{**asdict(event), "hash": event.hash} for event in events]
    show_rows(full if as_json else rows, as_json=as_json, empty=f"Nothing has happened to {endpoint!r} yet.")


def _tell(change: Change, *, as_json: bool) -> None:
    if as_json:
        show_value(asdict(change), as_json=True)
    else:
        click.echo(change.sentence)
