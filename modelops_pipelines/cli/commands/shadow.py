"""A shadow: a version that answers what the log holds, compared and never returned."""

from dataclasses import asdict

import click

from modelops_pipelines.cli.output import json_option, show_change, show_value
from modelops_pipelines.cli.project import actor, open_stores
from modelops_pipelines.operations.endpoints.lookup import endpoint_named

_REASON = click.option("--reason", default="", help="Why; the history keeps it.")


@click.group()
def shadow() -> None:
    """Start, show and end a shadow: a version that answers the log, and no caller."""


@shadow.command("start")
@click.argument("endpoint")
@click.argument("version")
@click.option("--share", type=click.IntRange(1, 100), default=100, show_default=True, help="Percent of the requests.")
@_REASON
@json_option
def start(endpoint: str, version: str, share: int, reason: str, *, as_json: bool) -> None:
    """Have VERSION answer, from the log, what ENDPOINT is asked from now on, in the place of another shadow."""
    from modelops_pipelines.operations.release.shadow import start_shadow

    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    show_change(start_shadow(stores, spec, version, actor=actor(), reason=reason, share=share), as_json=as_json)


@shadow.command("end")
@click.argument("endpoint")
@_REASON
@json_option
def end(endpoint: str, reason: str, *, as_json: bool) -> None:
    """Take ENDPOINT's shadow away; what it said stays in the table shadow_log."""
    from modelops_pipelines.operations.release.commands import end_shadow

    stores = open_stores()
    made = end_shadow(stores, endpoint_named(stores, endpoint), actor=actor(), reason=reason)
    if not made.changed and not as_json:
        click.echo(f"{endpoint}: there is no shadow; nothing changed")
        return
    show_change(made, as_json=as_json)


@shadow.command("show")
@click.argument("endpoint")
@json_option
def show(endpoint: str, *, as_json: bool) -> None:
    """Show how ENDPOINT's shadow (or its last one) compares with what was answered."""
    from modelops_pipelines.operations.release.shadow import shadow_summary

    stores = open_stores()
    show_value(shadow_summary(stores, endpoint_named(stores, endpoint)), as_json=as_json)


@shadow.command("compare")
@click.argument("endpoint")
@click.option("--most", type=click.IntRange(1, 1_000_000), default=10_000, show_default=True, help="Rows at most.")
@click.option(
    "--deadline", type=click.FloatRange(min=1), default=120, show_default=True, help="Seconds that the shadow has."
)
@json_option
def compare(endpoint: str, most: int, deadline: float, *, as_json: bool) -> None:
    """Compare what the log has gained now, instead of waiting for Dagster to have it done."""
    from modelops_pipelines.operations.release.shadow import compare_shadow

    stores = open_stores()
    done = compare_shadow(stores, endpoint_named(stores, endpoint), most, deadline=deadline)
    if done is None:
        click.echo(f"{endpoint}: there is no shadow", err=True)
        return
    show_value(asdict(done), as_json=as_json)
