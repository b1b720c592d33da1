"""Commands on endpoints: configuration, validation, and whether they serve."""

from pathlib import Path

import click

from modelops_pipelines.cli.output import json_option, show_change, show_rows, show_value
from modelops_pipelines.cli.project import actor, open_stores
from modelops_pipelines.core.release.desired_state import DesiredState
from modelops_pipelines.operations.endpoints.load import describe, read_endpoint, read_endpoints
from modelops_pipelines.operations.endpoints.lookup import endpoint_named
from modelops_pipelines.operations.endpoints.missing import to_add
from modelops_pipelines.operations.lake.endpoint_tables import known_features
from modelops_pipelines.operations.release.endpoint_status import endpoint_status, unmonitored
from modelops_pipelines.store.settings import load_settings
from modelops_pipelines.store.stores import Stores


@click.group()
def endpoint() -> None:
    """List, show, validate, stop, start and delete endpoints."""


@endpoint.command("list")
@json_option
def list_endpoints(*, as_json: bool) -> None:
    """List the endpoints and the versions that each serves, with the problem of one that does not serve.

    The last column says why drift is not judged, and what that needs.
    """
    stores = open_stores()
    live = {state.endpoint: state for state in stores.deployments.all_desired()}
    rows = []
    for spec in read_endpoints(stores.settings.endpoints):
        state = live.get(spec.name, DesiredState(spec.name))
        found = endpoint_status(stores, state)
        rows.append(
            {
                "endpoint": spec.name,
                "model": spec.model_name,
                "task": spec.task,
                "champion": state.champion,
                "challenger": state.challenger,
                "status": found.status,
                "generation": state.generation,
                "problem": found.problem,
                "drift_unmonitored": unmonitored(stores, spec),
                **({"to_add": to_add(stores, spec, state)} if as_json else {}),
            }
        )
        if not as_json:
            _tell(spec.name, to_add(stores, spec, state))
    show_rows(rows, as_json=as_json, empty=f"There are no endpoints in {stores.settings.endpoints}: add a YAML file.")


def _tell(endpoint: str, missing: str | None) -> None:
    if missing:
        click.echo(f"{endpoint}: {missing}", err=True)


@endpoint.command()
@click.argument("name")
@json_option
def show(name: str, *, as_json: bool) -> None:
    """Show one endpoint: its full configuration including defaults, and the versions that it serves."""
    stores = open_stores()
    state = stores.deployments.desired(name)
    spec = endpoint_named(stores, name)
    found = endpoint_status(stores, state)
    live = {
        "generation": state.generation,
        "status": found.status,
        "problem": found.problem,
        "drift_unmonitored": unmonitored(stores, spec),
        "variants": [vars(variant) for variant in state.variants],
    }
    show_value({**describe(spec), **live, "to_add": to_add(stores, spec, state)}, as_json=as_json)


@endpoint.command()
@click.argument("path", type=click.Path(path_type=Path), required=False)
@json_option
def validate(path: Path | None, *, as_json: bool) -> None:
    """Check one YAML file, or all files of the project. Each error names file, line, value and fix."""
    settings = load_settings()
    target = path or settings.endpoints
    features = known_features(Stores(settings)) if settings.home.exists() else {}
    if target.is_dir():
        specs = read_endpoints(target, features)
    else:
        spec = read_endpoint(target)
        specs = [read_endpoint(target, known_features=features.get(spec.name))]
    if as_json:
        show_rows([describe(spec) for spec in specs], as_json=True, empty="")
    else:
        click.echo(f"{len(specs)} endpoint(s) are valid: {', '.join(spec.name for spec in specs) or 'none'}")


def _change_command(action: str, about: str) -> click.Command:
    """Return the command that stops, starts or deletes an endpoint."""

    @click.command(action, help=about)
    @click.argument("name")
    @click.option("--reason", default="", help="Reason for the change, recorded in the history.")
    @click.option("--dry-run", is_flag=True, help="Show what would change without changing it.")
    @json_option
    def command(name: str, reason: str, *, dry_run: bool, as_json: bool) -> None:
        from modelops_pipelines.operations.release import commands as releases

        stores = open_stores()
        apply = {"stop": releases.stop, "start": releases.start, "delete": releases.delete}[action]
        change = apply(stores, endpoint_named(stores, name), actor=actor(), reason=reason, dry_run=dry_run)
        show_change(change, as_json=as_json)

    return command


for _action, _about in (
    ("stop", "Make NAME refuse all prediction requests until it is started again."),
    ("start", "Start a stopped NAME again with the versions that it served before."),
    ("delete", "Remove all versions from NAME permanently; its history, its logs and its YAML are kept."),
):
    endpoint.add_command(_change_command(_action, _about))
