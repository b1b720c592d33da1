"""Commands on shadows: a shadow answers logged requests; no caller sees its answers."""

from dataclasses import asdict

import click

from modelops_pipelines.cli.output import echo, json_option, show_change, show_value
from modelops_pipelines.cli.project import actor, open_stores
from modelops_pipelines.operations.endpoints.lookup import endpoint_named

_REASON = click.option("--reason", default="", help="Reason for the change, recorded in the history.")


@click.group()
def shadow() -> None:
    """Start, show, compare and end a shadow: a version that answers logged requests, unseen by callers."""


@shadow.command("start")
@click.argument("endpoint")
@click.argument("version")
@click.option(
    "--share",
    type=click.IntRange(1, 100),
    default=100,
    show_default=True,
    help="Percent of the requests that it answers.",
)
@_REASON
@json_option
def start(endpoint: str, version: str, share: int, reason: str, *, as_json: bool) -> None:
    """Start VERSION as ENDPOINT's shadow: it answers the logged requests from now on. Replaces any earlier shadow."""
    from modelops_pipelines.operations.release.trials.shadow import start_shadow

    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    show_change(start_shadow(stores, spec, version, actor=actor(), reason=reason, share=share), as_json=as_json)


@shadow.command("end")
@click.argument("endpoint")
@_REASON
@json_option
def end(endpoint: str, reason: str, *, as_json: bool) -> None:
    """End ENDPOINT's shadow; its answers stay in the table shadow_log."""
    from modelops_pipelines.operations.release.commands import end_shadow

    stores = open_stores()
    change = end_shadow(stores, endpoint_named(stores, endpoint), actor=actor(), reason=reason)
    if not change.changed and not as_json:
        echo(f"{endpoint} has no shadow; nothing changed")
        return
    show_change(change, as_json=as_json)


@shadow.command("show")
@click.argument("endpoint")
@json_option
def show(endpoint: str, *, as_json: bool) -> None:
    """Compare the answers of ENDPOINT's shadow (or its last one) with those that callers received."""
    from modelops_pipelines.operations.release.trials.shadow import shadow_summary

    stores = open_stores()
    show_value(shadow_summary(stores, endpoint_named(stores, endpoint)), as_json=as_json)


@shadow.command("compare")
@click.argument("endpoint")
@click.option(
    "--most", type=click.IntRange(1, 1_000_000), default=10_000, show_default=True, help="Maximum number of rows."
)
@click.option(
    "--deadline",
    type=click.FloatRange(min=1),
    default=120,
    show_default=True,
    help="Seconds until the shadow must have answered.",
)
@json_option
def compare(endpoint: str, most: int, deadline: float, *, as_json: bool) -> None:
    """Run the shadow on the newly logged requests now, without waiting for the next Dagster run."""
    from modelops_pipelines.operations.release.trials.shadow import compare_shadow

    stores = open_stores()
    compared = compare_shadow(stores, endpoint_named(stores, endpoint), most, deadline=deadline)
    if compared is None:
        echo(f"{endpoint} has no shadow", err=True)
        return
    show_value(asdict(compared), as_json=as_json)
