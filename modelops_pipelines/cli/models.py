"""Versions of a model: listed, archived, restored."""

import click

from modelops_pipelines.cli.opening import actor, open_stores
from modelops_pipelines.cli.output import json_option, show_rows, show_value
from modelops_pipelines.core.lifecycle import STAGES
from modelops_pipelines.operations.endpoints import endpoint_named

_REASON = click.option("--reason", default="", help="Why; the history keeps it.")


@click.group()
def model() -> None:
    """List, test, archive and restore versions of an endpoint's model."""


@model.command("list")
@click.argument("endpoint")
@click.option("--stage", type=click.Choice(STAGES), default=None, help="Only those.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--cursor", default=None, help="Where the page before ended.")
@json_option
def list_versions(endpoint: str, stage: str | None, limit: int, cursor: str | None, *, as_json: bool) -> None:
    """List the versions of ENDPOINT's model in MLflow, newest first, with what they are here."""
    from modelops_pipelines.operations.listing import versions_page

    stores = open_stores()
    page = versions_page(stores, endpoint_named(stores, endpoint), stage, cursor, limit)
    if as_json:
        show_value({"items": page.items, "next_cursor": page.next_cursor}, as_json=True)
        return
    show_rows(page.items, as_json=False, empty="There is no such version.")
    if page.next_cursor:
        click.echo(f"more: --cursor {page.next_cursor}", err=True)


@model.command()
@click.argument("endpoint")
@click.argument("version")
@_REASON
def archive(endpoint: str, version: str, reason: str) -> None:
    """Have VERSION serve no more, on any endpoint of ENDPOINT's model; refused while one serves or tries it."""
    from modelops_pipelines.operations import releases

    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    done = releases.archive(stores, spec, version, actor=actor(), reason=reason)
    click.echo(f"version {version} of {spec.model_name} is archived{'' if done else ' already'}")
    releases.mirror(stores, spec)


@model.command()
@click.argument("endpoint")
@click.argument("version")
@_REASON
def restore(endpoint: str, version: str, reason: str) -> None:
    """Have an archived VERSION be deployable again."""
    from modelops_pipelines.operations import releases

    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    done = releases.restore(stores, spec, version, actor=actor(), reason=reason)
    click.echo(f"version {version} of {spec.model_name} {'is restored' if done else 'was not archived'}")
    releases.mirror(stores, spec)
