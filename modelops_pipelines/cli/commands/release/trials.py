"""Commands on versions on trial: their verdicts, and A/B tests."""

from dataclasses import asdict

import click

from modelops_pipelines.cli.numbers import NUMBER
from modelops_pipelines.cli.output import json_option, show_change, show_rows, show_value
from modelops_pipelines.cli.project import actor, open_stores
from modelops_pipelines.operations.endpoints.lookup import endpoint_named

_REASON = click.option("--reason", default="", help="Reason for the change, recorded in the history.")
_NAME = click.option("--name", default=None, help="The test's name; default: the newest test.")

_ABOUT = ("experiment_id", "champion", "challenger", "share", "started_at", "ended_at", "decision")


@click.command()
@click.argument("endpoint")
@json_option
def trials(endpoint: str, *, as_json: bool) -> None:
    """Show the verdicts on versions on trial on ENDPOINT, oldest first."""
    stores = open_stores()
    found = stores.trials.of(endpoint_named(stores, endpoint).name)
    names = ("at", "version", "share", "generation", "verdict")
    rows = [
        {**{name: getattr(trial, name) for name in names}, "reason": trial.numbers.get("reason")} for trial in found
    ]
    full = [asdict(trial) for trial in found]
    show_rows(full if as_json else rows, as_json=as_json, empty=f"No version of {endpoint!r} has been on trial yet.")


@click.group()
def ab() -> None:
    """Start, list, show and end A/B tests."""


@ab.command("start")
@click.argument("endpoint")
@click.argument("version")
@click.option("--name", required=True, help="The test's name.")
@click.option(
    "--share",
    type=click.IntRange(1, 99),
    default=50,
    show_default=True,
    help="Percent of callers that VERSION answers.",
)
@click.option(
    "--error-rate",
    type=float,
    default=0.05,
    show_default=True,
    help="Probability of finding a difference between equal versions.",
)
@click.option(
    "--planned",
    type=NUMBER,
    default=10_000,
    show_default=True,
    help="Number of labelled callers at which the test is most powerful.",
)
@_REASON
@json_option
def start(
    endpoint: str, version: str, name: str, share: int, error_rate: float, planned: int, reason: str, *, as_json: bool
) -> None:
    """Start an A/B test: VERSION answers a share of ENDPOINT's callers until the test ends."""
    from modelops_pipelines.operations.release.trials.ab_tests import Terms, start_experiment

    stores = open_stores()
    terms = Terms(error_rate, planned)
    change = start_experiment(
        stores,
        endpoint_named(stores, endpoint),
        version,
        name=name,
        share=share,
        terms=terms,
        actor=actor(),
        reason=reason,
    )
    show_change(change, as_json=as_json)


@ab.command("list")
@click.argument("endpoint")
@json_option
def list_tests(endpoint: str, *, as_json: bool) -> None:
    """List the A/B tests of ENDPOINT, oldest first."""
    stores = open_stores()
    found = stores.trials.experiments(endpoint_named(stores, endpoint).name)
    rows = [{name: getattr(experiment, name) for name in _ABOUT} for experiment in found]
    full = [asdict(experiment) for experiment in found]
    show_rows(full if as_json else rows, as_json=as_json, empty=f"Endpoint {endpoint!r} has had no A/B test yet.")


@ab.command("show")
@click.argument("endpoint")
@_NAME
@json_option
def show(endpoint: str, name: str | None, *, as_json: bool) -> None:
    """Show the test's result so far. The error rate holds however often you look."""
    from modelops_pipelines.operations.release.trials.ab_tests import experiment_named, result_of

    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    experiment = experiment_named(stores, spec, name)
    about = {name: getattr(experiment, name) for name in _ABOUT}
    show_value({**about, **result_of(stores, spec, experiment).describe()}, as_json=as_json)


@ab.command("end")
@click.argument("endpoint")
@click.argument("decision", type=click.Choice(["promote", "keep"]))
@_NAME
@click.option("--force", is_flag=True, help="Promote without a significant result or a passed gate; requires --reason.")
@_REASON
@json_option
def end(endpoint: str, decision: str, name: str | None, reason: str, *, force: bool, as_json: bool) -> None:
    """End the test: promote the challenger, which needs a passed gate too, or keep the champion."""
    from modelops_pipelines.operations.release.trials.ab_tests import end_experiment

    if force and not reason.strip():
        raise click.UsageError("--force requires --reason, which the history records")
    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    outcome = "promote" if decision == "promote" else "keep"
    show_change(
        end_experiment(stores, spec, outcome, name=name, actor=actor(), reason=reason, force=force),  # type: ignore[arg-type]
        as_json=as_json,
    )
