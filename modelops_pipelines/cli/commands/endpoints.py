"""Commands on endpoints: configuration, validation, and whether they serve."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from modelops_pipelines.cli.output import echo, json_option, show_change, show_rows, show_value
from modelops_pipelines.cli.project import actor, open_stores
from modelops_pipelines.core.endpoints.spec import SERVED, TASKS, WINDOWS, EndpointSpec
from modelops_pipelines.core.release.desired_state import DesiredState
from modelops_pipelines.operations.alerting.views.counts import alert_counts, counts_in_words
from modelops_pipelines.operations.endpoints.configurations import Configurations, Faulty, read_configurations
from modelops_pipelines.operations.endpoints.kept import kept_of
from modelops_pipelines.operations.endpoints.load import describe, read_endpoint, read_endpoints
from modelops_pipelines.operations.endpoints.lookup import endpoint_named
from modelops_pipelines.operations.endpoints.missing import to_add
from modelops_pipelines.operations.lake.endpoint_tables import known_features
from modelops_pipelines.operations.release.endpoint_status import status_of, unmonitored
from modelops_pipelines.store.settings import load_settings
from modelops_pipelines.store.stores import Stores


@click.group()
def endpoint() -> None:
    """Add, list, show, validate, stop, start and delete endpoints."""


@endpoint.command()
@click.argument("name")
@click.option("--model", "model_name", help="The registered model in MLflow: modelops model registered lists them.")
@click.option("--task", type=click.Choice(TASKS), required=True, help="What the model does.")
@click.option("--label", required=True, help="What turns out to be true, later: the name of the label.")
@click.option("--served", type=click.Choice(SERVED), default=SERVED[0], show_default=True, help="Who predicts.")
@click.option("--owner", "owners", multiple=True, help="An e-mail address or a team, such as team:risk. Repeatable.")
@click.option("--description", default="", help="What it is for, in a sentence.")
@click.option("--label-horizon", help="How long labels take, such as 48h.")
@click.option("--window", type=click.Choice(WINDOWS), help="What metrics are computed of.")
@click.option("--class", "classes", multiple=True, help="A class, in the order of the model's scores. Repeatable.")
@click.option("--positive-label", help="The class whose score counts, of a binary classification.")
@click.option("--error-rate", type=float, help="Share of failed requests from which an alert opens. Default: 0.1.")
@click.option("--latency-p95-ms", type=float, help="95th percentile from which an alert opens. Default: 10000.")
@click.option("--registry", help="The MLflow server or database, kept in pyproject.toml. Default: the settings'.")
@click.option("--dry-run", is_flag=True, help="Print the YAML, and write nothing.")
@json_option
def add(registry: str | None, *, dry_run: bool, as_json: bool, **given: Any) -> None:
    """Add an endpoint NAME for a registered model: write its YAML. The folder needs to hold nothing else.

    Every other key has its default: modelops endpoint show NAME prints them, the alert rules too.
    """
    from modelops_pipelines.operations.endpoints.add import NewEndpoint, draft_endpoint, remember_registry

    new = NewEndpoint(**given)
    draft = draft_endpoint(load_settings(), new.attributes())
    if not dry_run:
        if registry is not None:
            remember_registry(Path.cwd(), registry)
        draft.write()
    if as_json:
        show_value({"endpoint": new.name, "file": str(draft.path), "yaml": draft.text}, as_json=True)
    elif dry_run:
        echo(draft.text, nl=False)
    else:
        show_value({"endpoint": new.name, "file": str(draft.path)}, as_json=False)
    if not dry_run:
        then = f"log import {new.name} FILE" if draft.spec.is_elsewhere else f"deploy {new.name} VERSION"
        echo(f"Next: modelops up, and in another shell: modelops {then}", err=True)


@endpoint.command("list")
@json_option
def list_endpoints(*, as_json: bool) -> None:
    """List the endpoints and the versions that each serves, with the problem of one that does not serve.

    The last column says why drift is not judged, and what that needs.
    """
    stores = open_stores()
    live = {state.endpoint: state for state in stores.deployments.all_desired()}
    configurations, alerts = read_configurations(stores.settings), alert_counts(stores)
    rows = []
    for spec in configurations.specs:
        state = live.get(spec.name, DesiredState(spec.name))
        found = status_of(stores, spec, state)
        rows.append(
            {
                "endpoint": spec.name,
                "model": None if spec.is_elsewhere else spec.model_name,
                "task": spec.task,
                "champion": state.champion,
                "challenger": state.challenger,
                "status": found.status,
                "generation": state.generation,
                "problem": found.problem or _configuration_problem(stores, spec, configurations),
                "alerts": _alerts(alerts.get(spec.name, {}), as_json=as_json),
                "drift_unmonitored": unmonitored(stores, spec),
                **({"to_add": to_add(stores, spec, state)} if as_json else {}),
            }
        )
        if not as_json:
            _tell(spec.name, to_add(stores, spec, state))
    rows += [_faulty_row(one, live, as_json=as_json) for one in configurations.faulty if one.spec is None]
    show_rows(rows, as_json=as_json, empty=f"There are no endpoints in {stores.settings.endpoints}: add a YAML file.")


def _alerts(counts: Mapping[str, int], *, as_json: bool) -> Mapping[str, int] | str | None:
    """Return an endpoint's alerts that are not resolved, by state."""
    return counts if as_json else counts_in_words(counts)


def _configuration_problem(stores: Stores, spec: EndpointSpec, found: Configurations) -> str | None:
    """Return why the file's configuration is not in force, or what is wrong with a version served with it, or None."""
    problem = found.problems.get(spec.name)
    if problem is not None:
        return problem
    kept = kept_of(stores.settings, spec.name)
    unproven = kept.unproven if kept else None
    return f"the version that it serves does not prove itself: {unproven}" if unproven else None


def _faulty_row(fault: Faulty, live: Mapping[str, DesiredState], *, as_json: bool) -> dict[str, Any]:
    """Return the row of a file with faults by which no endpoint has served."""
    state = live.get(fault.name, DesiredState(fault.name))
    row: dict[str, Any] = {"endpoint": fault.name, "model": None, "task": None, "champion": state.champion}
    row |= {"challenger": state.challenger, "status": "invalid", "generation": state.generation}
    row |= {"problem": fault.problem, "alerts": _alerts({}, as_json=as_json)}
    return {**row, "drift_unmonitored": None, **({"to_add": None} if as_json else {})}


def _tell(endpoint: str, missing: str | None) -> None:
    if missing:
        echo(f"{endpoint}: {missing}", err=True)


@endpoint.command()
@click.argument("name")
@json_option
def show(name: str, *, as_json: bool) -> None:
    """Show one endpoint: its full configuration including defaults, and the versions that it serves."""
    stores = open_stores()
    state = stores.deployments.desired(name)
    spec = endpoint_named(stores, name)
    found = status_of(stores, spec, state)
    live = {
        "generation": state.generation,
        "status": found.status,
        "problem": found.problem or _configuration_problem(stores, spec, read_configurations(stores.settings)),
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
        echo(f"{len(specs)} endpoint(s) are valid: {', '.join(spec.name for spec in specs) or 'none'}")


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
