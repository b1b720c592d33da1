"""The command that checks a deployment, item by item."""

import sys
from collections.abc import Iterator

import click

from modelops_pipelines.cli.exit_codes import EXIT_PERMANENT
from modelops_pipelines.cli.output import cell, echo, json_option, show_value
from modelops_pipelines.cli.project import open_stores
from modelops_pipelines.core.release.checklist import FAILED, PASSED, PHASES, Checklist, Item
from modelops_pipelines.operations.endpoints.lookup import endpoint_named


@click.command()
@click.argument("endpoint")
@click.option("--version", default=None, help="The version to check; default: that of the newest deployment.")
@json_option
def checklist(endpoint: str, version: str | None, *, as_json: bool) -> None:
    """Check what should be so before, during and after a deployment on ENDPOINT; exit code 3 if an item failed.

    Each item is passed, failed or unknown, with its evidence, and the command that shows more. What cannot be judged is
    unknown, with the reason. Nothing is changed, and no model is loaded.
    """
    from modelops_pipelines.operations.testing.checklist.checklist import deployment_checklist, describe_checklist

    stores = open_stores()
    found = deployment_checklist(stores, endpoint_named(stores, endpoint), version)
    if as_json:
        show_value(describe_checklist(found), as_json=True)
    else:
        echo("\n".join(_checklist_lines(found)))
    sys.exit(EXIT_PERMANENT if found.counts[FAILED] else 0)


def _checklist_lines(found: Checklist) -> Iterator[str]:
    place = "not deployed" if found.role is None else f"{found.role} since {cell(found.since)}"
    counts = ", ".join(f"{count} {state}" for state, count in found.counts.items())
    yield f"{found.endpoint}: version {found.version}, {place}; {counts}"
    width = max(len(item.name) for item in found.items)
    for phase in PHASES:
        yield f"\n{phase} the deployment"
        for item in found.items:
            if item.phase == phase:
                yield from _item_lines(item, width)


def _item_lines(item: Item, width: int) -> Iterator[str]:
    yield f"  {item.state:<7}  {item.name:<{width}}  {cell(item.evidence)}"
    if item.state != PASSED:
        yield f"  {'':<7}  {'':<{width}}  see: {item.look}"
