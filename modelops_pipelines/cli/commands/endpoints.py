"""Endpoints: what is configured, whether it is right, and whether it serves."""

from pathlib import Path

import click

from modelops_pipelines.cli.output import json_option, show_change, show_rows, show_value
from modelops_pipelines.cli.project import actor, open_stores
from modelops_pipelines.operations.endpoints.load import describe, read_endpoint, read_endpoints
from modelops_pipelines.operations.endpoints.lookup import endpoint_named
from modelops_pipelines.operations.lake.endpoint_tables import known_features
from modelops_pipelines.store.settings import load_settings
from modelops_pipelines.store.stores import Stores


@click.group()
def endpoint() -> None:
    """List, show, validate, stop, start and delete endpoints."""


@endpoint.command("list")
@json_option
def list_endpoints(*, as_json: bool) -> None:
    """List the endpoints and what each serves."""
    stores = open_stores()
    live = {state.endpoint: state for state in stores.deployments.all_desired()}
    rows = []
    for spec in read_endpoints(stores.settings.endpoints):
        state = live.get(spec.name)
        rows.append(
            {
                "endpoint": spec.name,
                "model": spec.model_name,
                "task": spec.task,
                "champion": state.champion if state else None,
                "challenger": state.challenger if state else None,
                "status": state.status if state and state.generation else "new",
                "generation": state.generation if state else 0,
            }
        )
    show_rows(rows, as_json=as_json, empty=f"There is no endpoint in {stores.settings.endpoints}: add a YAML.")


@endpoint.command()
@click.argument("name")
@json_option
def show(name: str, *, as_json: bool) -> None:
    """Show one endpoint: its whole configuration with defaults, and what it serves."""
    stores = open_stores()
    state = stores.deployments.desired(name)
    spec = endpoint_named(stores, name)
    live = {
        "generation": state.generation,
        "status": state.status,
        "variants": [vars(variant) for variant in state.variants],
    }
    show_value({**describe(spec), **live}, as_json=as_json)


@endpoint.command()
@click.argument("path", type=click.Path(path_type=Path), required=False)
@json_option
def validate(path: Path | None, *, as_json: bool) -> None:
    """Check one YAML file, or all of the project: every fault by file, line, culprit and fix."""
    settings = load_settings()
    chosen = path or settings.endpoints
    features = known_features(Stores(settings)) if settings.home.exists() else {}
    if chosen.is_dir():
        found = read_endpoints(chosen, features)
    else:
        named = read_endpoint(chosen)
        found = [read_endpoint(chosen, known_features=features.get(named.name))]
    if as_json:
        show_rows([describe(spec) for spec in found], as_json=True, empty="")
    else:
        click.echo(f"{len(found)} endpoint(s) are valid: {', '.join(spec.name for spec in found) or 'none'}")


def _change_of(action: str, about: str) -> click.Command:
    """Return the command that stops, starts or deletes an endpoint."""

    @click.command(action, help=about)
    @click.argument("name")
    @click.option("--reason", default="", help="Why; the history keeps it.")
    @click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
    @json_option
    def command(name: str, reason: str, *, dry_run: bool, as_json: bool) -> None:
        from modelops_pipelines.operations.release import commands as releases

        stores = open_stores()
        move = {"stop": releases.stop, "start": releases.start, "delete": releases.delete}[action]
        made = move(stores, endpoint_named(stores, name), actor=actor(), reason=reason, dry_run=dry_run)
        show_change(made, as_json=as_json)

    return command


for _action, _about in (
    ("stop", "Have NAME refuse every prediction until it is started again."),
    ("start", "Have a stopped NAME serve again what it did."),
    ("delete", "Take everything off NAME, for good; its history and logs stay, and so does its YAML."),
):
    endpoint.add_command(_change_of(_action, _about))
