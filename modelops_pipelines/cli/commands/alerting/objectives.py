"""Commands on objectives and health: what is left of error budgets, and a score from 0 to 100 for each endpoint."""

from collections.abc import Sequence
from typing import Any

import click

from modelops_pipelines.cli.output import cell, echo, json_option, show_rows, show_value, table
from modelops_pipelines.cli.project import open_stores
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.store.stores import Stores

_SHOWN = ("slo", "objective", "over_days", "events", "bad", "left", "burn_rate", "state", "gone_in", "reason")
_PARTS = ("name", "points", "weight", "reason")


@click.command()
@click.argument("endpoint", required=False)
@json_option
def slo(endpoint: str | None, *, as_json: bool) -> None:
    """Show the objectives of ENDPOINT, or of all endpoints, and what is left of their error budgets.

    They are computed from whole hours of the lake; the gateway's route /endpoints/ENDPOINT/slos adds the last minutes.
    An objective without data is absent, not met.
    """
    from modelops_pipelines.operations.alerting.objectives.slos import describe_slo, slo_states

    stores = open_stores()
    rows: list[dict[str, Any]] = []
    for spec in _specs(stores, endpoint):
        for found in slo_states(stores, spec, stores.now()):
            more = {"owner": found.slo.owner, "runbook": found.slo.runbook} if as_json else {}
            described = describe_slo(found)
            rows.append(
                {
                    "endpoint": spec.name,
                    **(described if as_json else {name: described[name] for name in _SHOWN}),
                    **more,
                }
            )
    whose = "No endpoint has" if endpoint is None else f"Endpoint {endpoint!r} has no"
    show_rows(rows, as_json=as_json, empty=f"{whose} objectives: add 'slos' to the YAML.")


@click.command("health-score")
@click.argument("endpoint", required=False)
@json_option
def health_score(endpoint: str | None, *, as_json: bool) -> None:
    """Show the health of ENDPOINT from 0 to 100 with its parts, or the scores of all endpoints, the lowest first."""
    from modelops_pipelines.operations.alerting.objectives.health_score import describe_health
    from modelops_pipelines.operations.alerting.objectives.health_score import health_score as score_of

    stores = open_stores()
    specs = _specs(stores, endpoint)
    found = {spec.name: describe_health(score_of(stores, spec, stores.now())) for spec in specs}
    if endpoint is None:
        rows = [{"endpoint": name, **one} for name, one in found.items()]
        rows.sort(key=lambda row: (row["score"] is None, row["score"] or 0.0))
        shown = rows if as_json else [{name: row[name] for name in ("endpoint", "score", "reason")} for row in rows]
        show_rows(shown, as_json=as_json, empty="There are no endpoints.")
    elif as_json:
        show_value({"endpoint": endpoint, **found[endpoint]}, as_json=True)
    else:
        one = found[endpoint]
        echo(f"{cell(one['score'])}: {one['reason']}")
        if one["parts"]:
            echo(table([{name: part[name] for name in _PARTS} for part in one["parts"]]))


def _specs(stores: Stores, endpoint: str | None) -> Sequence[EndpointSpec]:
    from modelops_pipelines.operations.endpoints.configurations import configured
    from modelops_pipelines.operations.endpoints.lookup import endpoint_named

    return configured(stores.settings) if endpoint is None else [endpoint_named(stores, endpoint)]
