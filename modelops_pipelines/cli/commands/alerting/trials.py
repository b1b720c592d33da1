"""The command that tries alert rules on synthetic requests, and sends test messages through channels."""

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from modelops_pipelines.cli.exit_codes import EXIT_PERMANENT
from modelops_pipelines.cli.output import echo, json_option, show_rows
from modelops_pipelines.cli.project import actor, open_stores

if TYPE_CHECKING:
    from modelops_pipelines.core.endpoints.spec import EndpointSpec
    from modelops_pipelines.operations.testing.rule_trials.try_rules import RuleTrial
    from modelops_pipelines.store.stores import Stores


@click.command("test")
@click.argument("endpoint", required=False)
@click.option("--rule", default=None, help="This rule only; default: all rules of the endpoint.")
@click.option("--channel", default=None, help="Send a test message through this channel, and try no rule.")
@click.option("--channels", is_flag=True, help="Send a test message through every channel, and try no rule.")
@json_option
def test_alerts(endpoint: str | None, rule: str | None, channel: str | None, *, channels: bool, as_json: bool) -> None:
    """Try the alert rules of ENDPOINT, or of all endpoints, on synthetic requests; exit code 3 if one is at fault.

    Each rule is shown requests that must raise an alert and requests that must not, in a temporary home: nothing is
    written to this one, and nobody is told. With --channel or --channels a message marked as a test is sent for real.
    """
    stores = open_stores()
    if channel is not None or channels:
        if endpoint is not None or rule is not None:
            raise click.UsageError("Give either an endpoint or channels")
        _send(stores, channel, as_json=as_json)
        return
    _try(stores, endpoint, rule, as_json=as_json)


def _try(stores: "Stores", endpoint: str | None, rule: str | None, *, as_json: bool) -> None:
    trials = []
    for spec in _endpoints(stores, endpoint):
        for trial in _trials(stores, spec, rule):
            if not as_json:
                echo(f"{trial.endpoint} {trial.rule}: {trial.result}", err=True)
            trials.append(trial)
    show_rows([_row(trial, full=as_json) for trial in trials], as_json=as_json, empty="There are no alert rules.")
    counts = {result: sum(trial.result == result for trial in trials) for result in {one.result for one in trials}}
    echo(", ".join(f"{count} {result}" for result, count in sorted(counts.items())), err=True)
    faulty = _tell_faults(stores)
    if faulty or any(trial.failed for trial in trials):
        sys.exit(EXIT_PERMANENT)


def _tell_faults(stores: "Stores") -> bool:
    """Tell what is wrong with alerting.yaml, each fault by its line; return whether anything is."""
    from modelops_pipelines.operations.alerting.configuration import alerting_faults

    faults = alerting_faults(stores.settings)
    if faults:
        echo("alerting.yaml is not in force; the alerts go where it said before its fault(s):", err=True)
    for fault in faults:
        echo(f"  {fault}", err=True)
    return bool(faults)


def _endpoints(stores: "Stores", endpoint: str | None) -> "Sequence[EndpointSpec]":
    from modelops_pipelines.operations.endpoints.configurations import configured
    from modelops_pipelines.operations.endpoints.lookup import endpoint_named

    return [endpoint_named(stores, endpoint)] if endpoint is not None else list(configured(stores.settings))


def _trials(stores: "Stores", spec: "EndpointSpec", rule: str | None) -> "Iterable[RuleTrial]":
    from modelops_pipelines.operations.alerting.rules.effective_rules import with_runtime_rules
    from modelops_pipelines.operations.testing.rule_trials.try_rules import try_rules

    return try_rules(stores, with_runtime_rules(stores, spec), rule)


def _row(trial: "RuleTrial", *, full: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"endpoint": trial.endpoint, "rule": trial.rule, "result": trial.result}
    told = list(trial.told) if full else ", ".join(trial.told) or "-"
    return {**row, **({"kind": trial.kind} if full else {}), "told": told, "reason": trial.reason}


def _send(stores: "Stores", channel: str | None, *, as_json: bool) -> None:
    from modelops_pipelines.operations.testing.trial_messages import send_trial_messages

    results = send_trial_messages(stores, channel, actor=actor())
    rows = [{"channel": one.channel, "result": one.result, "reason": one.reason} for one in results]
    show_rows(rows, as_json=as_json, empty="There are no channels: add them to alerting.yaml.")
    if any(one.failed for one in results):
        sys.exit(EXIT_PERMANENT)
