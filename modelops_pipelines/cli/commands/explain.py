"""Commands on explanations: what each column contributes to predictions, and whether that changed."""

from dataclasses import asdict

import click

from modelops_pipelines.cli.groups import DefaultCommandGroup
from modelops_pipelines.cli.output import json_option, show_rows, show_value
from modelops_pipelines.cli.project import open_stores
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ConflictError
from modelops_pipelines.operations.endpoints.lookup import endpoint_named

_windows = click.option(
    "--windows", type=click.IntRange(1, 1000), default=7, show_default=True, help="Number of newest windows."
)


@click.group(cls=DefaultCommandGroup)
def explain() -> None:
    """Show what each column contributes to predictions ('show' may be left out), its drift, or explain rows now."""


@explain.command("show")
@click.argument("endpoint")
@_windows
@json_option
def show(endpoint: str, windows: int, *, as_json: bool) -> None:
    """Show what each column contributes to ENDPOINT's explained predictions: newest window and largest share first."""
    from modelops_pipelines.operations.explanations.views import newest_attributions

    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    rows = newest_attributions(stores, spec, windows)
    show_rows(_without_date(rows), as_json=as_json, empty=_empty(spec))


@explain.command("drift")
@click.argument("endpoint")
@_windows
@json_option
def show_drift(endpoint: str, windows: int, *, as_json: bool) -> None:
    """Show how far the columns' shares are from those among the version's reference rows, newest window first."""
    from modelops_pipelines.operations.explanations.views import newest_attribution_drift

    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    rows = newest_attribution_drift(stores, spec, windows)
    show_rows(_without_date(rows), as_json=as_json, empty=_empty(spec))


@explain.command("run")
@click.argument("endpoint")
@click.option("--most", type=click.IntRange(1, 100_000), default=500, show_default=True, help="Maximum number of rows.")
@click.option(
    "--deadline",
    type=click.FloatRange(min=1),
    default=120,
    show_default=True,
    help="Seconds until each version must have explained its rows.",
)
@json_option
def run(endpoint: str, most: int, deadline: float, *, as_json: bool) -> None:
    """Explain sampled rows of ENDPOINT's log now, without waiting for the next Dagster run.

    Where predictions are explained on request only, take the reference rows that these explanations need.
    """
    from modelops_pipelines.operations.explanations.attributions import measure_attributions
    from modelops_pipelines.operations.explanations.explain_log import explain_log

    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    if spec.explain is None:
        raise ConflictError(f"Endpoint {endpoint!r} explains no predictions", "Add 'explain: {}' to its YAML")
    if not stores.deployments.desired(spec.name).answering:
        raise ConflictError(
            f"Endpoint {endpoint!r} has no version that answers", f"Deploy one: modelops deploy {endpoint} VERSION"
        )
    done = explain_log(stores, spec, most, deadline=deadline)
    if spec.is_explained:
        measure_attributions(stores, spec)
    show_value(asdict(done), as_json=as_json)


def _empty(spec: EndpointSpec) -> str:
    if spec.is_explained:
        return f"No predictions of endpoint {spec.name!r} are explained yet."
    return f"Endpoint {spec.name!r} explains no sample of its rows; add 'explain: {{sample: 0.01}}' to its YAML."


def _without_date(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    return [{name: value for name, value in row.items() if name != "date"} for row in rows]
